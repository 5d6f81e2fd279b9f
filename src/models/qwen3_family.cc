#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kAttention, gguf::kQueryKeyNorms, gguf::kNormsBefore, gguf::kMlp};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm};

}  // namespace

constinit const Family kQwen3 = {
    .format = {.model_type = "qwen3",
               .class_name = "Qwen3ForCausalLM",
               .gguf = {.architecture = "qwen3", .names = kNames, .keys = kKeys, .presences = gguf::kAttentionBias}},
    .models = "Qwen3, dense",
    .make = make_qwen3};

}  // namespace glassbox
