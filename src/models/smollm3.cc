// SmolLM3 (Hugging Face, "SmolLM3: smol, multilingual, long-context reasoner", 2025): Llama in which every fourth layer
// knows no positions ("NoPE", arXiv:2501.18795), so that it sees near and far alike. T tokens of the pass, D width, H
// heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want logits. Field names are the
// checkpoint's.
#include "models/families.h"

#include "models/decoder.h"
#include "models/shape.h"

namespace glassbox {
namespace {

struct SmolLm3Shape : DecoderShape {
  bool attention_bias = false, mlp_bias = false;
  std::vector<bool> uses_rope;  // the layers that know positions
  Rotary rotary;
};

struct Attention {
  const SmolLm3Shape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;

  Attention(const Weights& w, const SmolLm3Shape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, s.attention_bias),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim, s.attention_bias) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const auto i = static_cast<size_t>(layer);
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    Tensor q = split(queries, shape.heads);          // [T, H, E]
    Tensor k = split(keys, shape.kv_heads);          // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);  // [T, K, E]
    if (shape.uses_rope[i]) {
      q = rope(q, shape.rotary);
      k = rope(k, shape.rotary);
    }
    return o_proj(merge(attend(q, remember(layer, k, v))));  // [T, D]
  }
};

struct Block {
  using Shape = SmolLm3Shape;
  using FinalNorm = Named<RmsNorm>;
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<GatedMlp> mlp;

  Block(const Weights& w, const SmolLm3Shape& s, int64_t layer)
      : input_layernorm(w["input_layernorm"], s.hidden, s.norm_eps),
        self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
        mlp(w["mlp"], s.hidden, s.intermediate, silu, s.mlp_bias) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(input_layernorm(x));
    return h + mlp(post_attention_layernorm(h));
  }
};

}  // namespace

std::unique_ptr<LanguageModel> make_smollm3(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<SmolLm3Shape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights, {.tied = true});
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  shape->mlp_bias = config.get_or<bool>("mlp_bias", false);
  config.choice_or("hidden_act", "silu", {"silu"});
  shape->uses_rope = read_rope_layers(config, shape->layers);
  // Where windows are used at all, they are on the layers without positions.
  const int64_t window = config.positive_or<int64_t>("sliding_window", 0);
  const bool windows = config.get_or<bool>("use_sliding_window", false);
  const auto sliding = read_sliding_layers(
      config, shape->layers, [&](int64_t layer) { return windows && !shape->uses_rope[static_cast<size_t>(layer)]; });
  config.harmless({"max_window_layers"});  // of the Qwen code that its authors began with
  shape->rotary = rotary(read_rope(config), shape->head_dim);
  shape->memory = memory_of(*shape, weights, window_of(sliding, windows ? window : 0));
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
