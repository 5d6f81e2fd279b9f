// gpt-oss: experts are stacked, gate and up in turn.
#include "formats/gguf_keys.h"
#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Name kBlocks[] = {
    {"blk.{}.attn_norm", "model.layers.{}.input_layernorm"},
    {"blk.{}.post_attention_norm", "model.layers.{}.post_attention_layernorm"},
    {"blk.{}.attn_sinks.weight", "model.layers.{}.self_attn.sinks"},
    {"blk.{}.ffn_gate_inp", "model.layers.{}.mlp.router"},
    {"blk.{}.ffn_gate_exps.weight", "model.layers.{}.mlp.experts.gate_up_proj", gguf::gate_interleaved},
    {"blk.{}.ffn_up_exps.weight", "model.layers.{}.mlp.experts.gate_up_proj", gguf::up_interleaved},
    {"blk.{}.ffn_gate_exps.bias", "model.layers.{}.mlp.experts.gate_up_proj_bias", gguf::gate_bias},
    {"blk.{}.ffn_up_exps.bias", "model.layers.{}.mlp.experts.gate_up_proj_bias", gguf::up_bias},
    {"blk.{}.ffn_down_exps.weight", "model.layers.{}.mlp.experts.down_proj", gguf::stacked},
    {"blk.{}.ffn_down_exps.bias", "model.layers.{}.mlp.experts.down_proj_bias"},
};
constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kAttention, kBlocks};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm, gguf::kWindow, gguf::kExpertsUsed, gguf::kLocalExperts};
constexpr std::string_view kOwnKeys[] = {"swiglu_alpha", "swiglu_limit"};
constexpr const char* kExpertWidth = "expert_feed_forward_length";  // the only width there is

constexpr ConfigDefault kDefaults[] = {
    {"rope_theta", 150000.0}, {"sliding_window", 128, true}, {"attention_bias", true},
    {"swiglu_alpha", 1.702},  {"swiglu_limit", 7.0},
};

void read(GgufKeys& from, Json& config) {
  from.same(kExpertWidth, from.needed("feed_forward_length"));
  if (config.contains("rope_scaling") && config["rope_scaling"]["rope_type"] == "yarn")
    config["rope_scaling"]["truncate"] = false;  // published so; GGUF does not say
}

void write(const Json& config, const GgufAdd& add) {
  add(kExpertWidth, GgufValue::of(config["intermediate_size"].get<uint32_t>()));
}

}  // namespace

constinit const Family kGptOss = {.format = {.model_type = "gpt_oss",
                                             .class_name = "GptOssForCausalLM",
                                             .defaults = kDefaults,
                                             .gguf = {.architecture = "gpt-oss",
                                                      .names = kNames,
                                                      .keys = kKeys,
                                                      .presences = gguf::kAttentionBias,
                                                      .windows = {.period = 2, .full = 1},
                                                      .own_keys = kOwnKeys,
                                                      .read = read,
                                                      .write = write}},
                                  .models = "gpt-oss 20B, 120B",
                                  .make = make_gpt_oss};

}  // namespace glassbox
