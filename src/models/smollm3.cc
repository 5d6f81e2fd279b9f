// SmolLM3 (Hugging Face, "SmolLM3: smol, multilingual, long-context reasoner", 2025): Llama in which every fourth layer
// knows no positions ("NoPE", arXiv:2501.18795), so that it sees near and far alike. T tokens of the pass, D width, H
// heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want logits. Field names are the
// checkpoint's.
#include "models/smollm3.h"

#include "models/rope.h"
#include "nn/modules.h"

namespace glassbox {
namespace {

struct SmolLm3Shape : ModelShape {
  CacheShape cache;
  float rms_norm_eps = 0;
  bool attention_bias = false, mlp_bias = false;
  std::vector<bool> turns;       // the layers that know positions
  std::vector<int64_t> windows;  // of each layer; 0: sees all
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
    if (shape.turns[i]) {
      q = rope(q, shape.rotary);
      k = rope(k, shape.rotary);
    }
    return o_proj(merge(attend(q, remember(layer, k, v, shape.cache), {.window = shape.windows[i]})));  // [T, D]
  }
};

struct Block {
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<GatedMlp> mlp;

  Block(const Weights& w, const SmolLm3Shape& s, int64_t layer)
      : input_layernorm(w["input_layernorm"], s.hidden, s.rms_norm_eps),
        self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.rms_norm_eps),
        mlp(w["mlp"], s.hidden, s.intermediate, silu, s.mlp_bias) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(input_layernorm(x));
    return h + mlp(post_attention_layernorm(h));
  }
};

class SmolLm3 : public LanguageModel {
 public:
  SmolLm3(std::unique_ptr<const SmolLm3Shape> shape, WeightSource& source)
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
  std::unique_ptr<const SmolLm3Shape> shape_;  // blocks refer to it
  Named<Embedding> embed_tokens_;
  std::vector<Named<Block>> layers_;
  Named<RmsNorm> norm_;
  LmHead lm_head_;
};

}  // namespace

std::unique_ptr<LanguageModel> make_smollm3(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<SmolLm3Shape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights, {.tied = true});
  shape->rms_norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  shape->mlp_bias = config.get_or<bool>("mlp_bias", false);
  config.choice_or("hidden_act", "silu", {"silu"});
  shape->turns = read_rope_layers(config, shape->layers);
  // Where windows are used at all, they are on the layers without positions.
  const int64_t window = config.positive_or<int64_t>("sliding_window", 0);
  const bool windows = config.get_or<bool>("use_sliding_window", false);
  const auto sliding = read_sliding_layers(
      config, shape->layers, [&](int64_t layer) { return windows && !shape->turns[static_cast<size_t>(layer)]; });
  for (const bool looks_back : sliding) shape->windows.push_back(windows && looks_back ? window : 0);
  config.harmless({"max_window_layers"});  // of the Qwen code that its authors began with
  shape->rotary = rotary(read_rope(config, 2e6), shape->head_dim);
  shape->cache = cache_of(*shape, weights);
  return std::make_unique<SmolLm3>(std::move(shape), weights);
}

}  // namespace glassbox
