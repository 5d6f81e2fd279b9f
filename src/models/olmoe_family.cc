#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kAttention, gguf::kQueryKeyNorms, gguf::kNormsBefore,
                                  gguf::kExperts};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm, gguf::kExpertCounts};
constexpr std::string_view kOwnKeys[] = {"clip_qkv", "norm_topk_prob"};

}  // namespace

constinit const Family kOlmoe = {
    .format = {.model_type = "olmoe",
               .class_name = "OlmoeForCausalLM",
               .gguf = {.architecture = "olmoe",
                        .names = kNames,
                        .keys = kKeys,
                        .presences = gguf::kAttentionBias,
                        .own_keys = kOwnKeys,
                        .read = [](GgufKeys&, Json& config) { config["norm_topk_prob"] = false; }}},
    .models = "OLMoE",
    .make = make_olmoe};

}  // namespace glassbox
