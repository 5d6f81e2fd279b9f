// StableLM 3B 4E1T and StableLM 2 (arXiv:2402.17834): Llama with LayerNorms of weight and bias, only the first part of
// each head turning, and biases on queries, keys and values where a configuration asks for them. The 12B, which norms
// every query and key head and runs attention and MLP side by side, is refused.
// T tokens of the pass, D width, H heads, K key/value heads, E head width. Field names are the checkpoint's.
#include "models/families.h"

#include "models/decoder.h"
#include "models/shape.h"

namespace glassbox {
namespace {

struct StableLmShape : DecoderShape {
  bool use_qkv_bias = false;
  Rotary rotary;
};

struct Attention {
  const StableLmShape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;

  Attention(const Weights& w, const StableLmShape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, s.use_qkv_bias),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, s.use_qkv_bias),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, s.use_qkv_bias),
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
  using Shape = StableLmShape;
  using FinalNorm = Named<LayerNorm>;
  Named<LayerNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<LayerNorm> post_attention_layernorm;
  Named<GatedMlp> mlp;

  Block(const Weights& w, const StableLmShape& s, int64_t layer)
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

std::unique_ptr<LanguageModel> make_stablelm(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<StableLmShape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = static_cast<float>(config.between<double>("layer_norm_eps", 0, 1));
  shape->use_qkv_bias = config.get_or<bool>("use_qkv_bias", false);
  config.choice_or("hidden_act", "silu", {"silu"});
  config.only("qk_layernorm", false);
  config.only("use_parallel_residual", false);
  shape->rotary = rotary(read_rope(config, HeadRotation::part), shape->head_dim);
  shape->memory = memory_of(*shape, weights);
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
