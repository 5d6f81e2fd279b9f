// Qwen3, dense (arXiv:2505.09388): Llama with an RMSNorm on every query and key head before it turns, and windows on
// the later layers where a configuration asks for them.
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want
// logits. Field names are the checkpoint's.
#include "models/families.h"

#include "models/decoder.h"
#include "models/shape.h"

namespace glassbox {
namespace {

struct Qwen3Shape : DecoderShape {
  bool attention_bias = false;
  Rotary rotary;
};

struct Attention {
  const Qwen3Shape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;
  Named<RmsNorm> q_norm, k_norm;

  Attention(const Weights& w, const Qwen3Shape& s, int64_t layer)
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

struct Block {
  using Shape = Qwen3Shape;
  using FinalNorm = Named<RmsNorm>;
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<GatedMlp> mlp;

  Block(const Weights& w, const Qwen3Shape& s, int64_t layer)
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

std::unique_ptr<LanguageModel> make_qwen3(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<Qwen3Shape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights, {.head_dim = 128});
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  config.choice_or("hidden_act", "silu", {"silu"});
  // A window is used only where use_sliding_window says so, and then on the layers from max_window_layers on.
  const int64_t window = config.positive_or<int64_t>("sliding_window", 4096);
  const int64_t from = config.between_or<int64_t>("max_window_layers", 28, 0, 1 << 16);
  const bool windows = config.get_or<bool>("use_sliding_window", false);
  const auto sliding = read_sliding_layers(config, shape->layers, [&](int64_t layer) { return layer >= from; });
  shape->rotary = rotary(read_rope(config), shape->head_dim);
  shape->memory = memory_of(*shape, weights, window_of(sliding, windows ? window : 0));
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
