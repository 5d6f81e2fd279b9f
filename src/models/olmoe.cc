// OLMoE (arXiv:2409.02060): Llama's blocks with an RMSNorm over all queries and over all keys before RoPE, values that
// may be clipped, and MLPs that are mixtures. T tokens of the pass, D width, H heads, K key/value heads, E head width,
// I MLP width, V vocabulary, R rows ordered by expert, and rows that want logits. Field names are the checkpoint's.
#include "models/olmoe.h"

#include "models/decoder.h"
#include "models/shape.h"
#include "nn/moe.h"

namespace glassbox {
namespace {

struct OlmoeShape : DecoderShape {
  float clip_qkv = 0;  // clip_qkv 0: none
  bool attention_bias = false, norm_topk_prob = false;
  Rotary rotary;
};

struct Attention {
  const OlmoeShape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;
  Named<RmsNorm> q_norm, k_norm;  // over all heads at once

  Attention(const Weights& w, const OlmoeShape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, s.attention_bias),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim, s.attention_bias),
        q_norm(w["q_norm"], s.heads * s.head_dim, s.norm_eps),
        k_norm(w["k_norm"], s.kv_heads * s.head_dim, s.norm_eps) {}

  Tensor clipped(const Tensor& x) const { return shape.clip_qkv > 0 ? clamp(x, -shape.clip_qkv, shape.clip_qkv) : x; }

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(split(clipped(q_norm(queries)), shape.heads), shape.rotary);  // [T, H, E]
    const Tensor k = rope(split(clipped(k_norm(keys)), shape.kv_heads), shape.rotary);  // [T, K, E]
    const Tensor v = split(clipped(values), shape.kv_heads);                            // [T, K, E]
    return o_proj(merge(attend(q, remember(layer, k, v))));                             // [T, D]
  }
};

struct Experts {
  ExpertLinear gate_proj, up_proj, down_proj;

  Experts(const Weights& w, const OlmoeShape& s)
      : gate_proj(w, "gate_proj", s.experts, s.intermediate, s.hidden),
        up_proj(w, "up_proj", s.experts, s.intermediate, s.hidden),
        down_proj(w, "down_proj", s.experts, s.hidden, s.intermediate) {}

  Tensor operator()(const Tensor& x, const Routing& to) const {                  // [T, D]
    const Tensor d = dispatch(x, to);                                            // [R, D]
    return combine(down_proj(silu(gate_proj(d, to)) * up_proj(d, to), to), to);  // [T, D], by way of [R, I]
  }
};

struct SparseMoe {
  RouteRule rule;
  Named<Router> gate;
  Named<Experts> experts;

  SparseMoe(const Weights& w, const OlmoeShape& s)
      : rule({.weights = RouteRule::Weights::softmax,
              .experts = s.experts,
              .chosen = s.experts_per_token,
              .normalised = s.norm_topk_prob}),
        gate(w["gate"], s.experts, s.hidden),
        experts(w["experts"], s) {}

  Tensor operator()(const Tensor& x) const { return experts(x, route(gate(x), rule)); }
};

struct Block {
  using Shape = OlmoeShape;
  using FinalNorm = Named<RmsNorm>;
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<SparseMoe> mlp;

  Block(const Weights& w, const OlmoeShape& s, int64_t layer)
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

std::unique_ptr<LanguageModel> make_olmoe(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<OlmoeShape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = static_cast<float>(config.between_or<double>("rms_norm_eps", 1e-5, 0, 1));
  shape->clip_qkv = static_cast<float>(config.between_or<double>("clip_qkv", 0, 1e-6, 1e6));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  shape->experts = read_experts(config);
  shape->experts_per_token = config.positive_or<int64_t>("num_experts_per_tok", 8, shape->experts);
  shape->norm_topk_prob = config.get_or<bool>("norm_topk_prob", false);
  config.choice_or("hidden_act", "silu", {"silu"});
  config.harmless({"router_aux_loss_coef"});  // of training
  shape->rotary = rotary(read_rope(config), shape->head_dim);

  shape->memory = memory_of(*shape, weights);
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
