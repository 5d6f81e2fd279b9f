// Llama 2 (arXiv:2307.09288) and Llama 3.x (arXiv:2407.21783): pre-norm blocks of grouped-query attention with rotary
// positions, and a gated MLP. Llama 3.1 on stretches the slow rotary frequencies beyond the context it was trained at.
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want
// logits. Field names are the checkpoint's.
#include "models/llama.h"

#include "models/rope.h"
#include "nn/modules.h"

namespace glassbox {
namespace {

struct LlamaShape : ModelShape {
  CacheShape cache;
  float rms_norm_eps = 0;
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
    const Tensor q = rope(split(queries, shape.heads), shape.rotary);     // [T, H, E]
    const Tensor k = rope(split(keys, shape.kv_heads), shape.rotary);     // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);                       // [T, K, E]
    return o_proj(merge(attend(q, remember(layer, k, v, shape.cache))));  // [T, D]
  }
};

struct Block {
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<GatedMlp> mlp;

  Block(const Weights& w, const LlamaShape& s, int64_t layer)
      : input_layernorm(w["input_layernorm"], s.hidden, s.rms_norm_eps),
        self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.rms_norm_eps),
        mlp(w["mlp"], s.hidden, s.intermediate, silu, s.mlp_bias) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(input_layernorm(x));
    return h + mlp(post_attention_layernorm(h));
  }
};

class Llama : public LanguageModel {
 public:
  Llama(std::unique_ptr<const LlamaShape> shape, WeightSource& source)
      : shape_(std::move(shape)),
        embed_tokens_(Weights(source, "model.embed_tokens"), shape_->vocabulary, shape_->hidden),
        norm_(Weights(source, "model.norm"), shape_->hidden, shape_->rms_norm_eps),
        lm_head_(Weights(source, shape_->tied ? "model.embed_tokens" : "lm_head"), shape_->vocabulary, shape_->hidden) {
    for (int64_t layer = 0; layer < shape_->layers; ++layer)
      layers_.emplace_back(Weights(source, "model.layers")[layer], *shape_, layer);
  }

  const ModelShape& shape() const override { return *shape_; }
  const CacheShape& cache_shape() const override { return shape_->cache; }

  Tensor operator()(Pass& pass) const override {
    Tensor x = embed_tokens_(pass);  // [T, D]
    for (const Named<Block>& block : layers_) x = block(x);
    return pass.offer(lm_head_(logit_rows(norm_(x))), "logits");  // [R, V]
  }

 private:
  std::unique_ptr<const LlamaShape> shape_;  // blocks refer to it
  Named<Embedding> embed_tokens_;
  std::vector<Named<Block>> layers_;
  Named<RmsNorm> norm_;
  LmHead lm_head_;
};

}  // namespace

std::unique_ptr<LanguageModel> make_llama(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<LlamaShape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->rms_norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  shape->mlp_bias = config.get_or<bool>("mlp_bias", false);
  config.choice_or("hidden_act", "silu", {"silu"});
  shape->rotary = rotary(read_rope(config), shape->head_dim);

  shape->cache = {shape->layers, shape->kv_heads, shape->head_dim, cache_dtype(weights, *shape)};
  return std::make_unique<Llama>(std::move(shape), weights);
}

}  // namespace glassbox
