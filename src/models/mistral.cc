// Mistral (arXiv:2310.06825): Llama whose tokens look no further back than a window, in the models that have one.
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want
// logits. Field names are the checkpoint's.
#include "models/families.h"

#include "models/decoder.h"
#include "models/shape.h"

namespace glassbox {
namespace {

struct MistralShape : DecoderShape {
  Rotary rotary;
};

struct Attention {
  const MistralShape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;

  Attention(const Weights& w, const MistralShape& s, int64_t layer)
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

struct Block {
  using Shape = MistralShape;
  using FinalNorm = Named<RmsNorm>;
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<GatedMlp> mlp;

  Block(const Weights& w, const MistralShape& s, int64_t layer)
      : input_layernorm(w["input_layernorm"], s.hidden, s.norm_eps),
        self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
        mlp(w["mlp"], s.hidden, s.intermediate, silu) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(input_layernorm(x));
    return h + mlp(post_attention_layernorm(h));
  }
};

}  // namespace

std::unique_ptr<LanguageModel> make_mistral(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<MistralShape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  const auto window = config.positive_or<int64_t>("sliding_window", 0);
  config.choice_or("hidden_act", "silu", {"silu"});
  shape->rotary = rotary(read_rope(config), shape->head_dim);
  shape->memory = memory_of(*shape, weights, [&](int64_t) { return Sight{.window = window}; });
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
