#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr ConfigDefault kDefaults[] = {
    {"layer_norm_eps", 1e-5, true}, {"partial_rotary_factor", 0.25}, {"use_parallel_residual", false, true}};

constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kAttention, gguf::kNormsBefore, gguf::kMlp};
constexpr gguf::Key kOwn[] = {{"use_parallel_residual", "use_parallel_residual", gguf::boolean}};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kLayerNorm, kOwn};
constexpr GgufPresence kPresences[] = {{"use_qkv_bias", "blk.0.attn_q.bias"}};

}  // namespace

constinit const Family kStableLm = {.format = {.model_type = "stablelm",
                                               .class_name = "StableLmForCausalLM",
                                               .defaults = kDefaults,
                                               .gguf = {.architecture = "stablelm",
                                                        .names = kNames,
                                                        .keys = kKeys,
                                                        .presences = kPresences,
                                                        .partial_rotary = true}},
                                    .models = "StableLM 3B 4E1T, StableLM 2",
                                    .make = make_stablelm};

}  // namespace glassbox
