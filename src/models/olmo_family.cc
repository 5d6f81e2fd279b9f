// OLMo: norms without weights.
#include "formats/gguf_keys.h"
#include "models/families.h"
#include "models/gguf_tables.h"
#include "models/olmo.h"

namespace glassbox {
namespace {

constexpr gguf::Name kEnds[] = {{"token_embd", "model.embed_tokens"}, {"output", "lm_head"}};
constexpr gguf::Key kClamp[] = {{"attention.clamp_kqv", "clip_qkv", gguf::real}};
constexpr gguf::Names kNames[] = {kEnds, gguf::kRotatedAttention, gguf::kMlp};
constexpr gguf::Keys kKeys[] = {gguf::kShape, kClamp};
constexpr std::string_view kOwnKeys[] = {"clip_qkv"};
constexpr const char* kEpsilon = "attention.layer_norm_epsilon";

}  // namespace

constinit const Family kOlmo = {
    .format = {.model_type = "olmo",
               .class_name = "OlmoForCausalLM",
               .gguf = {.architecture = "olmo",
                        .names = kNames,
                        .keys = kKeys,
                        .presences = gguf::kAttentionBias,
                        .own_keys = kOwnKeys,
                        .read = [](GgufKeys& from, Json&) { from.real(kEpsilon); },
                        .write = [](const Json&, const GgufAdd& add) { add(kEpsilon, GgufValue::of(kOlmoNormEps)); }}},
    .models = "OLMo",
    .make = make_olmo};

}  // namespace glassbox
