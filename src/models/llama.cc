// Llama 2 (arXiv:2307.09288) and Llama 3.x (arXiv:2407.21783): pre-norm blocks of grouped-query attention with rotary
// positions, and a gated MLP. Llama 3.1 on stretches the slow rotary frequencies beyond the context it was trained at.
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want
// logits. Field names are the checkpoint's.
#include "models/llama.h"

#include "models/decoder.h"
#include "models/shape.h"

namespace glassbox {
namespace {

struct LlamaShape : DecoderShape {
  bool attention_bias = false, mlp_bias = false;
  Rotary rotary;
};

struct Attention {
  const LlamaShape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;

  Attention(const Weights& w, const LlamaShape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, s.attention_bias),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim, s.attention_bias) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(split(queries, shape.heads), shape.rotary);  // [T, H, E]
    const Tensor k = rope(split(keys, shape.kv_heads), shape.rotary);  // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);                    // [T, K, E]
    return o_proj(merge(attend(q, remember(layer, k, v))));            // [T, D]
  }
};

struct Block {
  using Shape = LlamaShape;
  using FinalNorm = Named<RmsNorm>;
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<GatedMlp> mlp;

  Block(const Weights& w, const LlamaShape& s, int64_t layer)
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

std::unique_ptr<LanguageModel> make_llama(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<LlamaShape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  shape->mlp_bias = config.get_or<bool>("mlp_bias", false);
  config.choice_or("hidden_act", "silu", {"silu"});
  shape->rotary = rotary(read_rope(config), shape->head_dim);

  shape->memory = memory_of(*shape, weights);
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
