#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kRotatedAttention, gguf::kNormsBefore, gguf::kMlp};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm, gguf::kUnreadWindow};

// A llama with a window. Without one it is Llama to the last bit.
bool claims(const Gguf& file) {
  return file.integer("llama.attention.sliding_window").value_or(0) > 0 &&
         file.integer("llama.expert_count").value_or(0) <= 0;
}

}  // namespace

constinit const Family kMistral = {
    .format = {.model_type = "mistral",
               .class_name = "MistralForCausalLM",
               .gguf = {.architecture = "llama", .names = kNames, .keys = kKeys, .claims = claims}},
    .models = "Mistral 7B, Nemo, Small",
    .make = make_mistral};

}  // namespace glassbox
