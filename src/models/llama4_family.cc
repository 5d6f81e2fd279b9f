// Llama 4: the text, and the whole that also sees pictures. Experts are stacked, the gate's outputs before up's.
#include "formats/config_meaning.h"
#include "formats/gguf_keys.h"
#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Name kFeedForward[] = {
    {"blk.{}.ffn_gate", "model.layers.{}.feed_forward.gate_proj"},
    {"blk.{}.ffn_up", "model.layers.{}.feed_forward.up_proj"},
    {"blk.{}.ffn_down", "model.layers.{}.feed_forward.down_proj"},
    {"blk.{}.ffn_gate_inp", "model.layers.{}.feed_forward.router"},
    {"blk.{}.ffn_gate_exps.weight", "model.layers.{}.feed_forward.experts.gate_up_proj", gguf::gate_half},
    {"blk.{}.ffn_up_exps.weight", "model.layers.{}.feed_forward.experts.gate_up_proj", gguf::up_half},
    {"blk.{}.ffn_down_exps.weight", "model.layers.{}.feed_forward.experts.down_proj", gguf::stacked},
    {"blk.{}.ffn_gate_shexp", "model.layers.{}.feed_forward.shared_expert.gate_proj"},
    {"blk.{}.ffn_up_shexp", "model.layers.{}.feed_forward.shared_expert.up_proj"},
    {"blk.{}.ffn_down_shexp", "model.layers.{}.feed_forward.shared_expert.down_proj"},
};
constexpr gguf::Key kShape[] = {
    {"block_count", "num_hidden_layers", gguf::integer},
    {"context_length", "max_position_embeddings", gguf::integer},
    {"embedding_length", "hidden_size", gguf::integer},
    {"feed_forward_length", "intermediate_size_mlp", gguf::integer},
    {"expert_feed_forward_length", "intermediate_size", gguf::integer},
    {"attention.head_count", "num_attention_heads", gguf::integer},
    {"attention.head_count_kv", "num_key_value_heads", gguf::integer},
    {"interleave_moe_layer_step", "interleave_moe_layer_step", gguf::integer},
};
constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kAttention, gguf::kNormsBefore, kFeedForward};
constexpr gguf::Keys kKeys[] = {kShape, gguf::kRmsNorm, gguf::kExpertsUsed, gguf::kLocalExperts};
constexpr std::string_view kOwnKeys[] = {"attention_chunk_size", "attn_scale", "attn_temperature_tuning",
                                         "floor_scale",          "moe_layers", "no_rope_layers",
                                         "use_qk_norm"};

constexpr int64_t kInterval = 4, kStep = 1;  // every fourth layer knows no positions, every layer is a mixture
constexpr ConfigDefault kDefaults[] = {
    {"no_rope_layer_interval", kInterval},
    {"rope_theta", 500000.0},
    {"rms_norm_eps", 1e-5, true},
    {"intermediate_size_mlp", 16384, true},
    {"interleave_moe_layer_step", kStep, true},
    {"num_experts_per_tok", 1, true},
    {"attn_temperature_tuning", true},
    {"use_qk_norm", true},
    {"attention_chunk_size", 8192},
    {"floor_scale", 8192.0},
    {"attn_scale", 0.1},
};

// Layers that turn see their chunk alone, where nothing else is said.
void derive(Json& config) {
  config["no_rope_layers"] = turning_layers(config, kInterval);
  config["moe_layers"] = mixture_layers(config, kStep);
  if (!config.value("layer_types", Json()).is_array()) {
    config["layer_types"] = Json::array();
    for (const Json& turns : config["no_rope_layers"])
      config["layer_types"].push_back(turns == 1 ? "chunked_attention" : "full_attention");
  }
  if (const Json tuning = config.value("attn_temperature_tuning", Json()); tuning.is_number())
    config["attn_temperature_tuning"] = tuning != 0;  // Meta's files have a number
}

void read(GgufKeys&, Json& config) {
  if (config.value("num_local_experts", 0) == 128) config["use_qk_norm"] = false;  // llama.cpp knows it by that
}

constexpr FamilyFormat kText = {.model_type = "llama4_text",
                                .class_name = "Llama4ForCausalLM",
                                .defaults = kDefaults,
                                .derive = derive,
                                .gguf = {.architecture = "llama4",
                                         .names = kNames,
                                         .keys = kKeys,
                                         .presences = gguf::kAttentionBias,
                                         .windows = {.period = 4, .full = 3, .kind = "chunked_attention"},
                                         .own_keys = kOwnKeys,
                                         .read = read}};

}  // namespace

constinit const Family kLlama4 = {
    .format = within(kText, "llama4", "Llama4ForConditionalGeneration", "language_model."),
    .models = "Llama 4 Scout, Maverick, without pictures",
    .make = make_llama4};

constinit const Family kLlama4Text = {.format = kText, .models = "Llama 4, text", .make = make_llama4_text};

}  // namespace glassbox
