// Gemma 3 (arXiv:2503.19786), the language model: Gemma 2 with norms on query and key heads in place of soft caps, and
// five layers that look through a window for each that sees all; the two kinds turn at frequencies of their own.
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I MLP width, V vocabulary, R rows that want
// logits. Field names are the checkpoint's.
#include "models/families.h"

#include <cmath>

#include "models/decoder.h"
#include "models/gemma.h"
#include "models/shape.h"

namespace glassbox {
namespace {

struct Gemma3TextShape : DecoderShape {
  bool attention_bias = false;
  std::vector<bool> sliding;  // the layers that look through the window
  AttendOptions scores;
  Rotary full, local;  // of the layers that see all, and of the others
};

struct Attention {
  const Gemma3TextShape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;
  Named<GemmaNorm> q_norm, k_norm;

  Attention(const Weights& w, const Gemma3TextShape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, s.attention_bias),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim, s.attention_bias),
        q_norm(w["q_norm"], s.head_dim, s.norm_eps),
        k_norm(w["k_norm"], s.head_dim, s.norm_eps) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const bool local = shape.sliding[static_cast<size_t>(layer)];
    const Rotary& rotary = local ? shape.local : shape.full;
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(q_norm(split(queries, shape.heads)), rotary);    // [T, H, E]
    const Tensor k = rope(k_norm(split(keys, shape.kv_heads)), rotary);    // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);                        // [T, K, E]
    return o_proj(merge(attend(q, remember(layer, k, v), shape.scores)));  // [T, D]
  }
};

struct Block {
  using Shape = Gemma3TextShape;
  using FinalNorm = Named<GemmaNorm>;
  Named<GemmaNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<GemmaNorm> post_attention_layernorm, pre_feedforward_layernorm;
  Named<GatedMlp> mlp;
  Named<GemmaNorm> post_feedforward_layernorm;

  Block(const Weights& w, const Gemma3TextShape& s, int64_t layer)
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

// `tied`: where the model is part of another, whose configuration decides.
std::unique_ptr<LanguageModel> make(Config config, WeightSource& weights, const std::string& place,
                                    std::optional<bool> tied = {}) {
  auto shape = std::make_unique<Gemma3TextShape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights,
                                                {.tied = true,
                                                 .tied_outside = tied,
                                                 .head_dim = 256,
                                                 .vocabulary = 262208,
                                                 .heads = 8,
                                                 .kv_heads = 4,
                                                 .context = 131072},
                                                place);
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  // Both spellings of one activation, of which transformers reads the second.
  config.choice_or("hidden_act", "gelu_pytorch_tanh", {"gelu_pytorch_tanh"});
  config.choice_or("hidden_activation", "gelu_pytorch_tanh", {"gelu_pytorch_tanh"});
  shape->scores.scale =
      static_cast<float>(1 / std::sqrt(config.between_or<double>("query_pre_attn_scalar", 256, 1e-6, 1e6)));
  shape->final_logit_softcapping =
      static_cast<float>(config.between_or<double>("final_logit_softcapping", 0, 1e-6, 1e6));
  const auto window = config.positive<int64_t>("sliding_window");
  const int64_t pattern = config.positive_or<int64_t>("sliding_window_pattern", 6, 1 << 16);
  config.harmless({"_sliding_window_pattern"});  // of which layer_types were made
  shape->sliding =
      read_sliding_layers(config, shape->layers, [=](int64_t layer) { return (layer + 1) % pattern != 0; });
  const RopeConfigs ropes = read_ropes(config);
  shape->full = rotary(ropes.full, shape->head_dim);
  shape->local = rotary(ropes.sliding, shape->head_dim);
  const Weights w(weights, place);
  shape->embedding_scale = embedding_scale(*shape, w["model"]);
  shape->memory = memory_of(*shape, weights, window_of(shape->sliding, window));
  return std::make_unique<Decoder<Block>>(std::move(shape), w);
}

}  // namespace

std::unique_ptr<LanguageModel> make_gemma3_text(Config& config, WeightSource& weights) {
  return make(config, weights, "");
}

std::unique_ptr<LanguageModel> make_gemma3(Config& config, WeightSource& weights) {
  config.harmless({"mm_tokens_per_image"});
  return make(text_within(config, weights, "gemma3_text", "vision_tower"), weights, kTextPlace,
              config.get_or<bool>("tie_word_embeddings", true));
}

}  // namespace glassbox
