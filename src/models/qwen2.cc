// Qwen2 (arXiv:2407.10671) and Qwen2.5 (arXiv:2412.15115), and with them DeepSeek's R1-Distill-Qwen: Llama with biases
// on queries, keys and values, and windows on the later layers where a configuration asks for them.
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want
// logits. Field names are the checkpoint's.
#include "models/qwen2.h"

#include "models/rope.h"
#include "nn/modules.h"

namespace glassbox {
namespace {

struct Qwen2Shape : ModelShape {
  CacheShape cache;
  float rms_norm_eps = 0;
  std::vector<int64_t> windows;  // of each layer; 0: sees all
  Rotary rotary;
};

struct Attention {
  const Qwen2Shape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;

  Attention(const Weights& w, const Qwen2Shape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, true),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, true),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, true),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(split(queries, shape.heads), shape.rotary);  // [T, H, E]
    const Tensor k = rope(split(keys, shape.kv_heads), shape.rotary);  // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);                    // [T, K, E]
    const int64_t window = shape.windows[static_cast<size_t>(layer)];
    return o_proj(merge(attend(q, remember(layer, k, v, shape.cache), {.window = window})));  // [T, D]
  }
};

struct Block {
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  Named<GatedMlp> mlp;

  Block(const Weights& w, const Qwen2Shape& s, int64_t layer)
      : input_layernorm(w["input_layernorm"], s.hidden, s.rms_norm_eps),
        self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.rms_norm_eps),
        mlp(w["mlp"], s.hidden, s.intermediate, silu) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(input_layernorm(x));
    return h + mlp(post_attention_layernorm(h));
  }
};

class Qwen2 : public LanguageModel {
 public:
  Qwen2(std::unique_ptr<const Qwen2Shape> shape, WeightSource& source)
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
  std::unique_ptr<const Qwen2Shape> shape_;  // blocks refer to it
  Named<Embedding> embed_tokens_;
  std::vector<Named<Block>> layers_;
  Named<RmsNorm> norm_;
  LmHead lm_head_;
};

}  // namespace

std::unique_ptr<LanguageModel> make_qwen2(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<Qwen2Shape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->rms_norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  config.choice_or("hidden_act", "silu", {"silu"});
  // A window is used only where use_sliding_window says so, and then on the layers from max_window_layers on.
  const int64_t window = config.positive_or<int64_t>("sliding_window", 4096);
  const int64_t from = config.between_or<int64_t>("max_window_layers", 28, 0, 1 << 16);
  const bool windows = config.get_or<bool>("use_sliding_window", false);
  const auto sliding = read_sliding_layers(config, shape->layers, [&](int64_t layer) { return layer >= from; });
  for (const bool looks_back : sliding) shape->windows.push_back(windows && looks_back ? window : 0);
  shape->rotary = rotary(read_rope(config), shape->head_dim);
  shape->cache = cache_of(*shape, weights);
  return std::make_unique<Qwen2>(std::move(shape), weights);
}

}  // namespace glassbox
