// Mixtral: Mistral with experts, whose matrices are numbered.
#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Name kExperts[] = {
    {"blk.{}.ffn_gate_inp", "model.layers.{}.block_sparse_moe.gate"},
    {"blk.{}.ffn_gate_exps", "model.layers.{}.block_sparse_moe.experts.#.w1", gguf::expert},
    {"blk.{}.ffn_up_exps", "model.layers.{}.block_sparse_moe.experts.#.w3", gguf::expert},
    {"blk.{}.ffn_down_exps", "model.layers.{}.block_sparse_moe.experts.#.w2", gguf::expert},
};
constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kRotatedAttention, gguf::kNormsBefore, kExperts};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm, gguf::kUnreadWindow, gguf::kExpertsUsed,
                                gguf::kLocalExperts};

constexpr ConfigDefault kDefaults[] = {{"rope_theta", 1e6}};

bool claims(const Gguf& file) { return file.integer("llama.expert_count").value_or(0) > 0; }

}  // namespace

constinit const Family kMixtral = {
    .format = {.model_type = "mixtral",
               .class_name = "MixtralForCausalLM",
               .defaults = kDefaults,
               .gguf = {.architecture = "llama", .names = kNames, .keys = kKeys, .claims = claims}},
    .models = "Mixtral 8x7B, 8x22B",
    .make = make_mixtral};

}  // namespace glassbox
