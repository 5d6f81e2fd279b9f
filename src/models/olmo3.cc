// OLMo 3 (arXiv:2512.13961): OLMo 2 in which three layers of four look no further back than a window; only the fourth,
// which sees all, is stretched to longer contexts (by YaRN).
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want
// logits. Field names are the checkpoint's.
#include "models/families.h"

#include "models/decoder.h"
#include "models/shape.h"

namespace glassbox {
namespace {

struct Olmo3Shape : DecoderShape {
  bool attention_bias = false;
  std::vector<bool> sliding;  // the layers that look through the window
  Rotary full, local;         // of the layers that see all, and of the others
};

struct Attention {
  const Olmo3Shape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;
  Named<RmsNorm> q_norm, k_norm;

  Attention(const Weights& w, const Olmo3Shape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, s.attention_bias),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim, s.attention_bias),
        q_norm(w["q_norm"], s.heads * s.head_dim, s.norm_eps),
        k_norm(w["k_norm"], s.kv_heads * s.head_dim, s.norm_eps) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const bool local = shape.sliding[static_cast<size_t>(layer)];
    const Rotary& rotary = local ? shape.local : shape.full;
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(split(q_norm(queries), shape.heads), rotary);  // [T, H, E]
    const Tensor k = rope(split(k_norm(keys), shape.kv_heads), rotary);  // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);                      // [T, K, E]
    return o_proj(merge(attend(q, remember(layer, k, v))));              // [T, D]
  }
};

struct Block {
  using Shape = Olmo3Shape;
  using FinalNorm = Named<RmsNorm>;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<GatedMlp> mlp;
  Named<RmsNorm> post_feedforward_layernorm;

  Block(const Weights& w, const Olmo3Shape& s, int64_t layer)
      : self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
        mlp(w["mlp"], s.hidden, s.intermediate, silu),
        post_feedforward_layernorm(w["post_feedforward_layernorm"], s.hidden, s.norm_eps) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + post_attention_layernorm(self_attn(x));
    return h + post_feedforward_layernorm(mlp(h));
  }
};

}  // namespace

std::unique_ptr<LanguageModel> make_olmo3(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<Olmo3Shape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  config.choice_or("hidden_act", "silu", {"silu"});
  const auto window = config.positive_or<int64_t>("sliding_window", 4096);
  shape->sliding = read_sliding_layers(config, shape->layers, [](int64_t layer) { return (layer + 1) % 4 != 0; });
  const RopeConfigs ropes = read_ropes(config);
  shape->full = rotary(ropes.full, shape->head_dim);
  shape->local = rotary(ropes.sliding, shape->head_dim);
  shape->memory = memory_of(*shape, weights, window_of(shape->sliding, window));
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
