// DeepSeek-V2 (arXiv:2405.04434): latent attention, and after some dense layers MLPs that are mixtures with shared
// experts beside those that are chosen. T tokens of the pass, D width, I expert width, V vocabulary, R rows ordered by
// expert, and rows that want logits. Field names are the checkpoint's.
#include "models/families.h"

#include <variant>

#include "models/decoder.h"
#include "models/latent_attention.h"
#include "models/shape.h"
#include "nn/moe.h"

namespace glassbox {
namespace {

struct DeepseekV2Shape : DecoderShape {
  LatentShape latent;
  int64_t moe_intermediate = 0, shared_experts = 0;
  int64_t first_k_dense_replace = 0;  // layers before it have a dense MLP
  RouteRule rule;
};

struct Experts {
  ExpertLinear gate_proj, up_proj, down_proj;

  Experts(const Weights& w, const DeepseekV2Shape& s)
      : gate_proj(w, "gate_proj", s.experts, s.moe_intermediate, s.hidden),
        up_proj(w, "up_proj", s.experts, s.moe_intermediate, s.hidden),
        down_proj(w, "down_proj", s.experts, s.hidden, s.moe_intermediate) {}

  Tensor operator()(const Tensor& x, const Routing& to) const {                  // [T, D]
    const Tensor d = dispatch(x, to);                                            // [R, D]
    return combine(down_proj(silu(gate_proj(d, to)) * up_proj(d, to), to), to);  // [T, D], by way of [R, I]
  }
};

struct Moe {
  RouteRule rule;
  Named<Router> gate;
  Named<Experts> experts;
  std::optional<Named<GatedMlp>> shared_experts;  // side by side they are one MLP

  Moe(const Weights& w, const DeepseekV2Shape& s)
      : rule(s.rule), gate(w["gate"], s.experts, s.hidden), experts(w["experts"], s) {
    if (s.shared_experts > 0)
      shared_experts.emplace(w["shared_experts"], s.hidden, s.shared_experts * s.moe_intermediate, silu);
  }

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor y = experts(x, route(gate(x), rule));
    return shared_experts ? y + (*shared_experts)(x) : y;
  }
};

struct Block {
  using Shape = DeepseekV2Shape;
  using FinalNorm = Named<RmsNorm>;
  using Mlp = std::variant<Named<Moe>, Named<GatedMlp>>;
  Named<RmsNorm> input_layernorm;
  Named<LatentAttention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Mlp mlp;

  Block(const Weights& w, const DeepseekV2Shape& s, int64_t layer)
      : input_layernorm(w["input_layernorm"], s.hidden, s.norm_eps),
        self_attn(w["self_attn"], s.latent, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
        mlp(layer >= s.first_k_dense_replace
                ? Mlp(std::in_place_type<Named<Moe>>, w["mlp"], s)
                : Mlp(std::in_place_type<Named<GatedMlp>>, w["mlp"], s.hidden, s.intermediate, silu)) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(input_layernorm(x));
    return h + std::visit([&](const auto& m) { return m(post_attention_layernorm(h)); }, mlp);
  }
};

}  // namespace

std::unique_ptr<LanguageModel> make_deepseek_v2(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<DeepseekV2Shape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->latent = read_latent(config, *shape);
  shape->memory = latent_memory(*shape, shape->latent, weights);
  shape->moe_intermediate = config.positive<int64_t>("moe_intermediate_size");
  shape->experts = read_experts(config);
  shape->experts_per_token = config.positive<int64_t>("num_experts_per_tok", shape->experts);
  shape->shared_experts = config.between<int64_t>("n_shared_experts", 0, 1 << 10);
  shape->first_k_dense_replace = config.between<int64_t>("first_k_dense_replace", 0, shape->layers);
  config.choice("scoring_func", {"softmax"});
  const auto method = config.choice("topk_method", {"greedy", "group_limited_greedy"});
  shape->rule = {.weights = RouteRule::Weights::softmax,
                 .experts = shape->experts,
                 .chosen = shape->experts_per_token,
                 .scale = static_cast<float>(config.between_or<double>("routed_scaling_factor", 1, 1e-6, 1e6))};
  const auto groups = config.positive_or<int64_t>("n_group", 1, shape->experts);
  const auto groups_used = config.positive_or<int64_t>("topk_group", 1, groups);
  if (method == "group_limited_greedy") {
    shape->rule.groups = groups;
    shape->rule.groups_used = groups_used;
  }
  if (shape->experts % shape->rule.groups != 0 ||
      shape->experts_per_token > shape->experts / shape->rule.groups * shape->rule.groups_used)
    fail(ErrorKind::bad_file, "{}: expected groups that hold {} experts evenly and {} chosen ones, got {} of {}",
         config.where("topk_group"), shape->experts, shape->experts_per_token, shape->rule.groups_used,
         shape->rule.groups);

  config.choice_or("hidden_act", "silu", {"silu"});
  config.only<int64_t>("moe_layer_freq", 1);
  config.only<int64_t>("ep_size", 1);  // how other programs spread experts over machines
  config.harmless({"aux_loss_alpha", "seq_aux", "router_aux_loss_coef"});  // of training
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
