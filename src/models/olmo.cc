// OLMo (arXiv:2402.00838): Llama whose norms are LayerNorms without weights, and whose queries, keys and values are
// clamped where a configuration asks for it.
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want
// logits. Field names are the checkpoint's.
#include "models/families.h"

#include "models/decoder.h"
#include "models/olmo.h"
#include "models/shape.h"

namespace glassbox {
namespace {

struct OlmoShape : DecoderShape {
  bool attention_bias = false;
  float clip_qkv = 0;  // 0: none
  Rotary rotary;
};

// A norm without weights.
struct LayerNorm {
  float eps;

  LayerNorm(const Weights&, int64_t, float epsilon) : eps(epsilon) {}
  Tensor operator()(const Tensor& x) const { return layer_norm(x, eps); }
};

struct Attention {
  const OlmoShape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;

  Attention(const Weights& w, const OlmoShape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, s.attention_bias),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim, s.attention_bias) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(split(clipped(queries), shape.heads), shape.rotary);  // [T, H, E]
    const Tensor k = rope(split(clipped(keys), shape.kv_heads), shape.rotary);  // [T, K, E]
    const Tensor v = split(clipped(values), shape.kv_heads);                    // [T, K, E]
    return o_proj(merge(attend(q, remember(layer, k, v))));                     // [T, D]
  }
  Tensor clipped(const Tensor& x) const { return shape.clip_qkv > 0 ? clamp(x, -shape.clip_qkv, shape.clip_qkv) : x; }
};

struct Block {
  using Shape = OlmoShape;
  using FinalNorm = LayerNorm;
  LayerNorm norm;
  Named<Attention> self_attn;
  Named<GatedMlp> mlp;

  Block(const Weights& w, const OlmoShape& s, int64_t layer)
      : norm(w, s.hidden, s.norm_eps),
        self_attn(w["self_attn"], s, layer),
        mlp(w["mlp"], s.hidden, s.intermediate, silu) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(norm(x));
    return h + mlp(norm(h));
  }
};

}  // namespace

std::unique_ptr<LanguageModel> make_olmo(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<OlmoShape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = kOlmoNormEps;
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  shape->clip_qkv = static_cast<float>(config.between_or<double>("clip_qkv", 0, 1e-6, 1e6));
  config.choice_or("hidden_act", "silu", {"silu"});
  shape->rotary = rotary(read_rope(config), shape->head_dim);
  shape->memory = memory_of(*shape, weights);
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
