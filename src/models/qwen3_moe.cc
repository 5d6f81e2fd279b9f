// Qwen3, mixture of experts (arXiv:2505.09388): Llama's blocks with an RMSNorm on every query and key head before RoPE,
// and MLPs that are mixtures, but for layers that config.json names.
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows ordered by
// expert, and rows that want logits. Field names are the checkpoint's.
#include "models/families.h"

#include <algorithm>
#include <variant>

#include "models/decoder.h"
#include "models/shape.h"
#include "nn/moe.h"

namespace glassbox {
namespace {

struct Qwen3MoeShape : DecoderShape {
  bool attention_bias = false, norm_topk_prob = false;
  int64_t moe_intermediate = 0, decoder_sparse_step = 1;
  std::vector<int64_t> mlp_only_layers;
  Rotary rotary;

  bool sparse(int64_t layer) const {
    return (layer + 1) % decoder_sparse_step == 0 &&
           std::find(mlp_only_layers.begin(), mlp_only_layers.end(), layer) == mlp_only_layers.end();
  }
};

struct Attention {
  const Qwen3MoeShape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;
  Named<RmsNorm> q_norm, k_norm;

  Attention(const Weights& w, const Qwen3MoeShape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, s.attention_bias),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim, s.attention_bias),
        q_norm(w["q_norm"], s.head_dim, s.norm_eps),
        k_norm(w["k_norm"], s.head_dim, s.norm_eps) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(q_norm(split(queries, shape.heads)), shape.rotary);  // [T, H, E]
    const Tensor k = rope(k_norm(split(keys, shape.kv_heads)), shape.rotary);  // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);                            // [T, K, E]
    return o_proj(merge(attend(q, remember(layer, k, v))));                    // [T, D]
  }
};

struct Experts {
  ExpertLinear gate_proj, up_proj, down_proj;

  Experts(const Weights& w, const Qwen3MoeShape& s)
      : gate_proj(w, "gate_proj", s.experts, s.moe_intermediate, s.hidden),
        up_proj(w, "up_proj", s.experts, s.moe_intermediate, s.hidden),
        down_proj(w, "down_proj", s.experts, s.hidden, s.moe_intermediate) {}

  Tensor operator()(const Tensor& x, const Routing& to) const {                  // [T, D]
    const Tensor d = dispatch(x, to);                                            // [R, D]
    return combine(down_proj(silu(gate_proj(d, to)) * up_proj(d, to), to), to);  // [T, D], by way of [R, I]
  }
};

struct SparseMoe {
  RouteRule rule;
  Named<Router> gate;
  Named<Experts> experts;

  SparseMoe(const Weights& w, const Qwen3MoeShape& s)
      : rule({.weights = RouteRule::Weights::softmax,
              .experts = s.experts,
              .chosen = s.experts_per_token,
              .normalised = s.norm_topk_prob}),
        gate(w["gate"], s.experts, s.hidden),
        experts(w["experts"], s) {}

  Tensor operator()(const Tensor& x) const { return experts(x, route(gate(x), rule)); }
};

struct Block {
  using Shape = Qwen3MoeShape;
  using FinalNorm = Named<RmsNorm>;
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  using Either = std::variant<Named<SparseMoe>, Named<GatedMlp>>;
  Either mlp;

  Block(const Weights& w, const Qwen3MoeShape& s, int64_t layer)
      : input_layernorm(w["input_layernorm"], s.hidden, s.norm_eps),
        self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
        mlp(s.sparse(layer) ? Either(std::in_place_type<Named<SparseMoe>>, w["mlp"], s)
                            : Either(std::in_place_type<Named<GatedMlp>>, w["mlp"], s.hidden, s.intermediate, silu)) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(input_layernorm(x));
    return h + std::visit([&](const auto& m) { return m(post_attention_layernorm(h)); }, mlp);
  }
};

}  // namespace

std::unique_ptr<LanguageModel> make_qwen3_moe(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<Qwen3MoeShape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  shape->experts = read_experts(config);
  shape->experts_per_token = config.positive<int64_t>("num_experts_per_tok", shape->experts);
  shape->moe_intermediate = config.positive<int64_t>("moe_intermediate_size");
  shape->norm_topk_prob = config.get_or<bool>("norm_topk_prob", false);
  shape->decoder_sparse_step = config.positive_or<int64_t>("decoder_sparse_step", 1);
  shape->mlp_only_layers = config.get_or<std::vector<int64_t>>("mlp_only_layers", {});
  config.choice_or("hidden_act", "silu", {"silu"});
  config.harmless({"router_aux_loss_coef"});  // of training
  // Windows would be on only where use_sliding_window is, which no published model says; then it is refused by name.
  config.harmless({"sliding_window", "max_window_layers"});
  config.only<bool>("use_qk_norm", true);
  config.only<int64_t>("shared_expert_intermediate_size", 0);
  shape->rotary = rotary(read_rope(config), shape->head_dim);

  shape->memory = memory_of(*shape, weights);
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
