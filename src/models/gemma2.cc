// Gemma 2 (arXiv:2408.00118): blocks normed before and after what they add, every other layer looking through a window,
// a GeLU in the MLP, soft caps on scores and logits, and embeddings scaled by sqrt(D).
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want
// logits. Field names are the checkpoint's.
#include "models/families.h"

#include <cmath>

#include "models/decoder.h"
#include "models/gemma.h"
#include "models/shape.h"

namespace glassbox {
namespace {

struct Gemma2Shape : DecoderShape {
  bool attention_bias = false;
  AttendOptions scores;
  Rotary rotary;
};

struct Attention {
  const Gemma2Shape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;

  Attention(const Weights& w, const Gemma2Shape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, s.attention_bias),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim, s.attention_bias) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(split(queries, shape.heads), shape.rotary);      // [T, H, E]
    const Tensor k = rope(split(keys, shape.kv_heads), shape.rotary);      // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);                        // [T, K, E]
    return o_proj(merge(attend(q, remember(layer, k, v), shape.scores)));  // [T, D]
  }
};

struct Block {
  using Shape = Gemma2Shape;
  using FinalNorm = Named<GemmaNorm>;
  Named<GemmaNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<GemmaNorm> post_attention_layernorm, pre_feedforward_layernorm;
  Named<GatedMlp> mlp;
  Named<GemmaNorm> post_feedforward_layernorm;

  Block(const Weights& w, const Gemma2Shape& s, int64_t layer)
      : input_layernorm(w["input_layernorm"], s.hidden, s.norm_eps),
        self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
        pre_feedforward_layernorm(w["pre_feedforward_layernorm"], s.hidden, s.norm_eps),
        mlp(w["mlp"], s.hidden, s.intermediate, gelu_tanh),
        post_feedforward_layernorm(w["post_feedforward_layernorm"], s.hidden, s.norm_eps) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + post_attention_layernorm(self_attn(input_layernorm(x)));
    return h + post_feedforward_layernorm(mlp(pre_feedforward_layernorm(h)));
  }
};

}  // namespace

std::unique_ptr<LanguageModel> make_gemma2(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<Gemma2Shape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights, {.tied = true, .head_dim = 256});
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  // Both spellings of one activation, of which transformers reads the second.
  config.choice_or("hidden_act", "gelu_pytorch_tanh", {"gelu_pytorch_tanh"});
  config.choice_or("hidden_activation", "gelu_pytorch_tanh", {"gelu_pytorch_tanh"});
  shape->scores.scale =
      static_cast<float>(1 / std::sqrt(config.between_or<double>("query_pre_attn_scalar", 256, 1e-6, 1e6)));
  shape->scores.softcap = static_cast<float>(config.between_or<double>("attn_logit_softcapping", 50, 1e-6, 1e6));
  shape->final_logit_softcapping =
      static_cast<float>(config.between_or<double>("final_logit_softcapping", 30, 1e-6, 1e6));
  const auto window = config.positive<int64_t>("sliding_window");
  // An older name of the same number, which some files still carry beside it.
  if (config.positive_or<int64_t>("sliding_window_size", window) != window)
    fail(ErrorKind::bad_file, "{}: expected {} as sliding_window says, got {}", config.where("sliding_window_size"),
         window, config.get<int64_t>("sliding_window_size"));
  const auto sliding = read_sliding_layers(config, shape->layers, [](int64_t layer) { return layer % 2 == 0; });
  shape->rotary = rotary(read_rope(config), shape->head_dim);
  shape->embedding_scale = embedding_scale(*shape, Weights(weights, "model"));
  shape->memory = memory_of(*shape, weights, window_of(sliding, window));
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

}  // namespace glassbox
