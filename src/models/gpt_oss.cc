// gpt-oss (arXiv:2508.10925): layers that see a window and layers that see all in turn, heads with a sink each, biases
// everywhere, and mixtures of experts with a clamped gate. Experts are stacked, gate and up in turn.
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I expert width, V vocabulary, R rows ordered
// by expert, and rows that want logits. Field names are the checkpoint's.
#include "models/families.h"

#include "models/decoder.h"
#include "models/shape.h"
#include "nn/moe.h"

namespace glassbox {
namespace {

struct GptOssShape : DecoderShape {
  float swiglu_alpha = 0, swiglu_limit = 0;
  bool attention_bias = false;
  Rotary rotary;
};

struct Attention {
  const GptOssShape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;
  Tensor sinks;  // [H]

  Attention(const Weights& w, const GptOssShape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, s.attention_bias),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim, s.attention_bias),
        sinks(w.tensor("sinks", {s.heads})) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(split(queries, shape.heads), shape.rotary);          // [T, H, E]
    const Tensor k = rope(split(keys, shape.kv_heads), shape.rotary);          // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);                            // [T, K, E]
    return o_proj(merge(attend(q, remember(layer, k, v), {.sinks = sinks})));  // [T, D]
  }
};

struct Experts {
  StackedExperts gate_up_proj, down_proj;
  float alpha, limit;

  Experts(const Weights& w, const GptOssShape& s)
      : gate_up_proj(w, "gate_up_proj", s.experts, 2 * s.intermediate, s.hidden, true),
        down_proj(w, "down_proj", s.experts, s.hidden, s.intermediate, true),
        alpha(s.swiglu_alpha),
        limit(s.swiglu_limit) {}

  Tensor operator()(const Tensor& x, const Routing& to) const {                // [T, D]
    const Tensor gate_up = gate_up_proj(dispatch(x, to), to);                  // [R, 2 I]
    return combine(down_proj(clamped_swiglu(gate_up, alpha, limit), to), to);  // [T, D], by way of [R, I]
  }
};

struct Mlp {
  RouteRule rule;
  Named<Router> router;
  Named<Experts> experts;

  Mlp(const Weights& w, const GptOssShape& s)
      : rule({.weights = RouteRule::Weights::softmax_of_chosen, .experts = s.experts, .chosen = s.experts_per_token}),
        router(w["router"], s.experts, s.hidden, true),
        experts(w["experts"], s) {}

  Tensor operator()(const Tensor& x) const { return experts(x, route(router(x), rule)); }
};

struct Block {
  using Shape = GptOssShape;
  using FinalNorm = Named<RmsNorm>;
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<Mlp> mlp;

  Block(const Weights& w, const GptOssShape& s, int64_t layer)
      : input_layernorm(w["input_layernorm"], s.hidden, s.norm_eps),
        self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
        mlp(w["mlp"], s) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(input_layernorm(x));
    return h + mlp(post_attention_layernorm(h));
  }
};

}  // namespace

std::unique_ptr<LanguageModel> make_gpt_oss(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<GptOssShape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get<bool>("attention_bias");
  shape->experts = read_experts(config);
  shape->experts_per_token = config.positive<int64_t>("num_experts_per_tok", shape->experts);
  config.only<int64_t>("experts_per_token", shape->experts_per_token);  // the same by its older name
  shape->swiglu_alpha = static_cast<float>(config.between<double>("swiglu_alpha", 1e-6, 1e6));
  shape->swiglu_limit = static_cast<float>(config.between<double>("swiglu_limit", 1e-6, 1e6));
  const auto window = config.positive<int64_t>("sliding_window");
  const auto sliding = read_sliding_layers(config, shape->layers, [](int64_t layer) { return layer % 2 == 0; });
  config.choice_or("hidden_act", "silu", {"silu"});  // by that name; the gate above is meant
  config.harmless({"router_aux_loss_coef"});         // of training
  const RopeConfig rope = read_rope(config);
  config.only<int64_t>("initial_context_length", rope.original_max_position_embeddings);  // the same, older
  shape->rotary = rotary(rope, shape->head_dim);
  shape->memory = memory_of(*shape, weights, window_of(sliding, window));
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
