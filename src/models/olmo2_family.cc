#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kAttention, gguf::kQueryKeyNorms, gguf::kNormsAfter, gguf::kMlp};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm};

}  // namespace

constinit const Family kOlmo2 = {
    .format = {.model_type = "olmo2",
               .class_name = "Olmo2ForCausalLM",
               .gguf = {.architecture = "olmo2", .names = kNames, .keys = kKeys, .presences = gguf::kAttentionBias}},
    .models = "OLMo 2",
    .make = make_olmo2};

}  // namespace glassbox
