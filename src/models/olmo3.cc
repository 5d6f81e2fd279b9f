// OLMo 3 (arXiv:2512.13961): OLMo 2 in which three layers of four look no further back than a window; only the fourth,
// which sees all, is stretched to longer contexts (by YaRN).
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want
// logits. Field names are the checkpoint's.
#include "models/olmo3.h"

#include "models/rope.h"
#include "nn/modules.h"

namespace glassbox {
namespace {

struct Olmo3Shape : ModelShape {
  CacheShape cache;
  float rms_norm_eps = 0;
  bool attention_bias = false;
  int64_t sliding_window = 0;
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
        q_norm(w["q_norm"], s.heads * s.head_dim, s.rms_norm_eps),
        k_norm(w["k_norm"], s.kv_heads * s.head_dim, s.rms_norm_eps) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const bool local = shape.sliding[static_cast<size_t>(layer)];
    const Rotary& rotary = local ? shape.local : shape.full;
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(split(q_norm(queries), shape.heads), rotary);  // [T, H, E]
    const Tensor k = rope(split(k_norm(keys), shape.kv_heads), rotary);  // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);                      // [T, K, E]
    const Look look = {.window = local ? shape.sliding_window : 0};
    return o_proj(merge(attend(q, remember(layer, k, v, shape.cache), look)));  // [T, D]
  }
};

struct Block {
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<GatedMlp> mlp;
  Named<RmsNorm> post_feedforward_layernorm;

  Block(const Weights& w, const Olmo3Shape& s, int64_t layer)
      : self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.rms_norm_eps),
        mlp(w["mlp"], s.hidden, s.intermediate, silu),
        post_feedforward_layernorm(w["post_feedforward_layernorm"], s.hidden, s.rms_norm_eps) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + post_attention_layernorm(self_attn(x));
    return h + post_feedforward_layernorm(mlp(h));
  }
};

class Olmo3 : public LanguageModel {
 public:
  Olmo3(std::unique_ptr<const Olmo3Shape> shape, WeightSource& source)
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
  std::unique_ptr<const Olmo3Shape> shape_;  // blocks refer to it
  Named<Embedding> embed_tokens_;
  std::vector<Named<Block>> layers_;
  Named<RmsNorm> norm_;
  LmHead lm_head_;
};

}  // namespace

std::unique_ptr<LanguageModel> make_olmo3(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<Olmo3Shape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->rms_norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  config.choice_or("hidden_act", "silu", {"silu"});
  shape->sliding_window = config.positive_or<int64_t>("sliding_window", 4096);
  shape->sliding = read_sliding_layers(config, shape->layers, [](int64_t layer) { return (layer + 1) % 4 != 0; });
  const RopeConfigs ropes = read_ropes(config, 5e5, 0);
  shape->full = rotary(ropes.full, shape->head_dim);
  shape->local = rotary(ropes.sliding, shape->head_dim);
  shape->cache = cache_of(*shape, weights);
  return std::make_unique<Olmo3>(std::move(shape), weights);
}

}  // namespace glassbox
