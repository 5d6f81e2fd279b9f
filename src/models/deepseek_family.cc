// DeepSeek V2 and V3, and Kimi K2: latent attention, whose kv_b_proj is split so that queries can be taken to the
// latent's space; V3's further layer, which drafts, is one of the file's blocks.
#include "formats/gguf_keys.h"
#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Name kLatentAttention[] = {
    {"blk.{}.attn_q", "model.layers.{}.self_attn.q_proj"},
    {"blk.{}.attn_q_a", "model.layers.{}.self_attn.q_a_proj"},
    {"blk.{}.attn_q_a_norm", "model.layers.{}.self_attn.q_a_layernorm"},
    {"blk.{}.attn_q_b", "model.layers.{}.self_attn.q_b_proj"},
    {"blk.{}.attn_kv_a_mqa", "model.layers.{}.self_attn.kv_a_proj_with_mqa"},
    {"blk.{}.attn_kv_a_norm", "model.layers.{}.self_attn.kv_a_layernorm"},
    {"blk.{}.attn_k_b.weight", "model.layers.{}.self_attn.kv_b_proj.weight", gguf::key_part},
    {"blk.{}.attn_v_b.weight", "model.layers.{}.self_attn.kv_b_proj.weight", gguf::value_part},
    {"blk.{}.attn_kv_b.weight", "model.layers.{}.self_attn.kv_b_proj.weight", gguf::former},
    {"blk.{}.attn_output", "model.layers.{}.self_attn.o_proj"},
};
constexpr gguf::Name kSharedExperts[] = {
    {"blk.{}.exp_probs_b.bias", "model.layers.{}.mlp.gate.e_score_correction_bias"},
    {"blk.{}.ffn_gate_shexp", "model.layers.{}.mlp.shared_experts.gate_proj"},
    {"blk.{}.ffn_up_shexp", "model.layers.{}.mlp.shared_experts.up_proj"},
    {"blk.{}.ffn_down_shexp", "model.layers.{}.mlp.shared_experts.down_proj"},
};
constexpr gguf::Name kDraft[] = {
    {"blk.{}.nextn.eh_proj", "model.layers.{}.eh_proj"},
    {"blk.{}.nextn.embed_tokens", "model.layers.{}.embed_tokens"},
    {"blk.{}.nextn.enorm", "model.layers.{}.enorm"},
    {"blk.{}.nextn.hnorm", "model.layers.{}.hnorm"},
    {"blk.{}.nextn.shared_head_head", "model.layers.{}.shared_head.head"},
    {"blk.{}.nextn.shared_head_norm", "model.layers.{}.shared_head.norm"},
};
constexpr gguf::Names kNames[] = {
    gguf::kEnds, kLatentAttention, gguf::kNormsBefore, gguf::kMlp, gguf::kExperts, kSharedExperts, kDraft};

constexpr gguf::Key kSizes[] = {
    {"attention.kv_lora_rank", "kv_lora_rank", gguf::integer},
    {"leading_dense_block_count", "first_k_dense_replace", gguf::integer},
    {"expert_count", "n_routed_experts", gguf::integer},
    {"expert_used_count", "num_experts_per_tok", gguf::integer},
    {"expert_shared_count", "n_shared_experts", gguf::integer},
    {"expert_group_count", "n_group", gguf::integer},
    {"expert_group_used_count", "topk_group", gguf::integer},
    {"expert_weights_scale", "routed_scaling_factor", gguf::real},
    {"expert_weights_norm", "norm_topk_prob", gguf::boolean},
};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm, gguf::kExpertWidth, kSizes};
constexpr GgufPresence kPresences[] = {{"attention_bias", "blk.0.attn_kv_a_mqa.bias"}};
constexpr std::string_view kOwnKeys[] = {"norm_topk_prob", "num_nextn_predict_layers", "rope_interleave",
                                         "topk_method"};
constexpr const char* kGating = "expert_gating_func";

// What V2 and V3 differ in is the function their routers take; older files do not say it.
void read_gating(GgufKeys& from, uint32_t expected) {
  if (const int64_t gating = from.integer(kGating).value_or(expected); gating != expected)
    fail(ErrorKind::unsupported, "{}: expected {}, got {}", from.where(kGating), expected, gating);
}

constexpr ConfigDefault kDefaults2[] = {
    {"n_shared_experts", 2, true}, {"first_k_dense_replace", 0, true}, {"rope_interleave", true},
    {"moe_layer_freq", 1},         {"scoring_func", "softmax"},        {"topk_method", "greedy"},
};

void read2(GgufKeys& from, Json& config) {
  read_gating(from, gguf::kSoftmax);
  config["topk_method"] = config.value("n_group", 1) > 1 ? "group_limited_greedy" : "greedy";
  if (config.value("norm_topk_prob", false))
    fail(ErrorKind::unsupported, "{}: DeepSeek-V2's are not", from.where("expert_weights_norm"));
  config.erase("norm_topk_prob");
}

constexpr ConfigDefault kDefaults3[] = {
    {"n_shared_experts", 1, true},  {"routed_scaling_factor", 2.5, true},
    {"norm_topk_prob", true, true}, {"n_group", 8, true},
    {"topk_group", 4, true},        {"first_k_dense_replace", 0, true},
    {"rope_interleave", true},      {"moe_layer_freq", 1},
    {"scoring_func", "sigmoid"},    {"topk_method", "noaux_tc"},
};

// By the router's function, or where the file does not say it by the bias of V3's experts, behind the dense layers.
bool claims3(const Gguf& file) {
  if (const auto gating = file.integer("deepseek2.expert_gating_func")) return *gating == gguf::kSigmoid;
  const int64_t dense = file.integer("deepseek2.leading_dense_block_count").value_or(0);
  return file.tensor(fmt::format("blk.{}.exp_probs_b.bias", dense)).has_value();
}

// What a file leaves out is none of it, not what config.json's silence means.
void read3(GgufKeys& from, Json& config) {
  read_gating(from, gguf::kSigmoid);
  config["scoring_func"] = "sigmoid";
  config["topk_method"] = "noaux_tc";
  for (const auto& [key, none] : {std::pair<const char*, Json>{"norm_topk_prob", false},
                                  {"n_group", 1},
                                  {"topk_group", 1},
                                  {"routed_scaling_factor", 1.0}})
    if (!config.contains(key)) config[key] = none;
}

template <uint32_t gating>
void write(const Json&, const GgufAdd& add) {
  add(kGating, GgufValue::of(gating));
}

constexpr FamilyFormat format3(std::string_view model_type, bool (*claims)(const Gguf&)) {
  return {.model_type = model_type,
          .class_name = "DeepseekV3ForCausalLM",
          .defaults = kDefaults3,
          .gguf = {.architecture = "deepseek2",
                   .names = kNames,
                   .keys = kKeys,
                   .presences = kPresences,
                   .latent = true,
                   .own_keys = kOwnKeys,
                   .claims = claims,
                   .read = read3,
                   .write = write<gguf::kSigmoid>}};
}

}  // namespace

constinit const Family kDeepseekV2 = {.format = {.model_type = "deepseek_v2",
                                                 .class_name = "DeepseekV2ForCausalLM",
                                                 .defaults = kDefaults2,
                                                 .gguf = {.architecture = "deepseek2",
                                                          .names = kNames,
                                                          .keys = kKeys,
                                                          .presences = kPresences,
                                                          .latent = true,
                                                          .own_keys = kOwnKeys,
                                                          .read = read2,
                                                          .write = write<gguf::kSoftmax>}},
                                      .models = "DeepSeek-V2, V2-Lite",
                                      .make = make_deepseek_v2};

constinit const Family kDeepseekV3 = {
    .format = format3("deepseek_v3", claims3), .models = "DeepSeek-V3, R1, V3.1", .make = make_deepseek_v3};

constinit const Family kKimiK2 = {
    .format = format3("kimi_k2", [](const Gguf&) { return false; }),  // V3 in all but its name
    .models = "Kimi K2, without its tokenizer (tiktoken.model)",
    .make = make_deepseek_v3};

}  // namespace glassbox
