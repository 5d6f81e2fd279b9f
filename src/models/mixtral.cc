// Mixtral (arXiv:2401.04088): Mistral whose every MLP is a mixture, of which a token takes two.
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows ordered by
// expert, and rows that want logits. Field names are the checkpoint's.
#include "models/families.h"

#include "models/decoder.h"
#include "models/shape.h"
#include "nn/moe.h"

namespace glassbox {
namespace {

struct MixtralShape : DecoderShape {
  Rotary rotary;
};

struct Attention {
  const MixtralShape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;

  Attention(const Weights& w, const MixtralShape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(split(queries, shape.heads), shape.rotary);  // [T, H, E]
    const Tensor k = rope(split(keys, shape.kv_heads), shape.rotary);  // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);                    // [T, K, E]
    return o_proj(merge(attend(q, remember(layer, k, v))));            // [T, D]
  }
};

struct Experts {
  ExpertLinear w1, w3, w2;  // gate, up, down

  Experts(const Weights& w, const MixtralShape& s)
      : w1(w, "w1", s.experts, s.intermediate, s.hidden),
        w3(w, "w3", s.experts, s.intermediate, s.hidden),
        w2(w, "w2", s.experts, s.hidden, s.intermediate) {}

  Tensor operator()(const Tensor& x, const Routing& to) const {  // [T, D]
    const Tensor d = dispatch(x, to);                            // [R, D]
    return combine(w2(silu(w1(d, to)) * w3(d, to), to), to);     // [T, D], by way of [R, I]
  }
};

struct SparseMoe {
  RouteRule rule;
  Named<Router> gate;
  Named<Experts> experts;

  SparseMoe(const Weights& w, const MixtralShape& s)
      : rule({.weights = RouteRule::Weights::softmax,
              .experts = s.experts,
              .chosen = s.experts_per_token,
              .normalised = true}),
        gate(w["gate"], s.experts, s.hidden),
        experts(w["experts"], s) {}

  Tensor operator()(const Tensor& x) const { return experts(x, route(gate(x), rule)); }
};

struct Block {
  using Shape = MixtralShape;
  using FinalNorm = Named<RmsNorm>;
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<SparseMoe> block_sparse_moe;

  Block(const Weights& w, const MixtralShape& s, int64_t layer)
      : input_layernorm(w["input_layernorm"], s.hidden, s.norm_eps),
        self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
        block_sparse_moe(w["block_sparse_moe"], s) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(input_layernorm(x));
    return h + block_sparse_moe(post_attention_layernorm(h));
  }
};

}  // namespace

std::unique_ptr<LanguageModel> make_mixtral(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<MixtralShape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  const auto window = config.positive_or<int64_t>("sliding_window", 0);
  shape->experts = read_experts(config);
  shape->experts_per_token = config.positive_or<int64_t>("num_experts_per_tok", 2, shape->experts);
  config.choice_or("hidden_act", "silu", {"silu"});
  config.harmless({"router_aux_loss_coef", "router_jitter_noise"});  // of training
  shape->rotary = rotary(read_rope(config), shape->head_dim);

  shape->memory = memory_of(*shape, weights, [&](int64_t) { return Sight{.window = window}; });
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
