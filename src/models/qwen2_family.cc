#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kAttention, gguf::kNormsBefore, gguf::kMlp};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm};

}  // namespace

constinit const Family kQwen2 = {.format = {.model_type = "qwen2",
                                            .class_name = "Qwen2ForCausalLM",
                                            .gguf = {.architecture = "qwen2", .names = kNames, .keys = kKeys}},
                                 .models = "Qwen2, Qwen2.5, R1-Distill-Qwen",
                                 .make = make_qwen2};

}  // namespace glassbox
