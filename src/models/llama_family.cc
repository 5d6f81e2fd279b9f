// Llama, and who calls itself so: SmolLM 2, TinyLlama, Yi ...
#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kRotatedAttention, gguf::kNormsBefore, gguf::kMlp};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm};

}  // namespace

constinit const Family kLlama = {
    .format = {.model_type = "llama",
               .class_name = "LlamaForCausalLM",
               .gguf = {.architecture = "llama", .names = kNames, .keys = kKeys, .presences = gguf::kBiases}},
    .models = "Llama 2, 3 to 3.3, R1-Distill-Llama, SmolLM 1 and 2, TinyLlama, Yi",
    .make = make_llama};

}  // namespace glassbox
