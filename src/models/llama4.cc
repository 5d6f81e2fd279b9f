// Llama 4's text (ai.meta.com/blog/llama-4-multimodal-intelligence; the reference code is Meta's): three of four layers
// turn queries and keys and see the chunk a token stands in; the fourth knows no positions, sees all, and sharpens
// queries with distance. Some layers are mixtures, whose experts are weighed by what goes in, beside a shared one.
// T tokens of the pass, D width, H heads, K key/value heads, E head width, I expert width, V vocabulary, R rows ordered
// by expert, and rows that want logits. Field names are the checkpoint's.
#include "models/families.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "models/decoder.h"
#include "models/shape.h"
#include "nn/moe.h"

namespace glassbox {
namespace {

struct Llama4Shape : DecoderShape {
  bool attention_bias = false, use_qk_norm = false, attn_temperature_tuning = false;
  double floor_scale = 0, attn_scale = 0;
  int64_t intermediate_size_mlp = 0;
  std::vector<bool> uses_rope, mixtures;  // of each layer
  Rotary rotary;
  Tensor ones;  // [E]: of norms without weights
};

struct Attention {
  const Llama4Shape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;

  Attention(const Weights& w, const Llama4Shape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden, s.attention_bias),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden, s.attention_bias),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim, s.attention_bias) {}

  Tensor rotated(const Tensor& x) const {
    const Tensor y = rope(x, shape.rotary);
    return shape.use_qk_norm ? rms_norm(y, shape.ones, shape.norm_eps) : y;
  }
  // log(floor((position + 1) / floor_scale) + 1) * attn_scale + 1 (arXiv:2501.19399)
  Tensor sharpened(const Tensor& q) const {
    std::vector<float> factors;
    for (const int32_t position : q.pass()->positions())
      factors.push_back(static_cast<float>(
          std::log1p(std::floor((static_cast<double>(position) + 1) / shape.floor_scale)) * shape.attn_scale + 1));
    return scale_tokens(q, factors);
  }

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const auto i = static_cast<size_t>(layer);
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    Tensor q = split(queries, shape.heads);          // [T, H, E]
    Tensor k = split(keys, shape.kv_heads);          // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);  // [T, K, E]
    if (shape.uses_rope[i]) {
      q = rotated(q);
      k = rotated(k);
    } else if (shape.attn_temperature_tuning) {
      q = sharpened(q);
    }
    return o_proj(merge(attend(q, remember(layer, k, v))));  // [T, D]
  }
};

struct Experts {
  StackedExperts gate_up_proj, down_proj;
  int64_t inner;

  Experts(const Weights& w, const Llama4Shape& s)
      : gate_up_proj(w, "gate_up_proj", s.experts, 2 * s.intermediate, s.hidden),
        down_proj(w, "down_proj", s.experts, s.hidden, s.intermediate),
        inner(s.intermediate) {}

  Tensor operator()(const Tensor& x, const Routing& to) const {                      // [T, D]
    const Tensor gate_up = gate_up_proj(weighted(dispatch(x, to), to), to);          // [R, 2 I]
    const Tensor y = silu(slice(gate_up, 0, inner)) * slice(gate_up, inner, inner);  // [R, I]
    return combine(down_proj(y, to), to, false);
  }
};

struct Moe {
  RouteRule rule;
  Named<Router> router;
  Named<Experts> experts;
  Named<GatedMlp> shared_expert;

  Moe(const Weights& w, const Llama4Shape& s)
      : rule({.weights = RouteRule::Weights::sigmoid, .experts = s.experts, .chosen = s.experts_per_token}),
        router(w["router"], s.experts, s.hidden),
        experts(w["experts"], s),
        shared_expert(w["shared_expert"], s.hidden, s.intermediate, silu) {}

  Tensor operator()(const Tensor& x) const { return shared_expert(x) + experts(x, route(router(x), rule)); }
};

struct Block {
  using Shape = Llama4Shape;
  using FinalNorm = Named<RmsNorm>;
  using FeedForward = std::variant<Named<Moe>, Named<GatedMlp>>;
  Named<RmsNorm> input_layernorm;
  Named<Attention> self_attn;
  Named<RmsNorm> post_attention_layernorm;
  FeedForward feed_forward;

  Block(const Weights& w, const Llama4Shape& s, int64_t layer)
      : input_layernorm(w["input_layernorm"], s.hidden, s.norm_eps),
        self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
        feed_forward(s.mixtures[static_cast<size_t>(layer)]
                         ? FeedForward(std::in_place_type<Named<Moe>>, w["feed_forward"], s)
                         : FeedForward(std::in_place_type<Named<GatedMlp>>, w["feed_forward"], s.hidden,
                                       s.intermediate_size_mlp, silu)) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + self_attn(input_layernorm(x));
    return h + std::visit([&](const auto& f) { return f(post_attention_layernorm(h)); }, feed_forward);
  }
};

// Layers that are mixtures: moe_layers, or where the file has none every interleave_moe_layer_step-th.
std::vector<bool> read_mixture_layers(const Config& config, int64_t layers) {
  std::vector<bool> mixtures(static_cast<size_t>(layers));
  const auto step = config.positive<int64_t>("interleave_moe_layer_step", 1 << 16);
  if (const auto published = config.optional<std::vector<int64_t>>("moe_layers")) {
    for (const int64_t layer : *published) {
      if (layer < 0 || layer >= layers)
        fail(ErrorKind::bad_file, "{}: expected layers below {}, got {}", config.where("moe_layers"), layers, layer);
      mixtures[static_cast<size_t>(layer)] = true;
    }
    return mixtures;
  }
  for (int64_t layer = step - 1; layer < layers; layer += step) mixtures[static_cast<size_t>(layer)] = true;
  return mixtures;
}

// Published as a number, too, of which only nought says no.
bool read_temperature_tuning(const Config& config) {
  if (config.raw("attn_temperature_tuning")->is_boolean()) return config.get<bool>("attn_temperature_tuning");
  return config.get<int64_t>("attn_temperature_tuning") != 0;
}

// `tied`: where the model is part of another, whose configuration decides.
std::unique_ptr<LanguageModel> make(Config config, WeightSource& source, const std::string& place,
                                    std::optional<bool> tied = {}) {
  auto shape = std::make_unique<Llama4Shape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, source, {.tied_outside = tied}, place);
  shape->norm_eps = static_cast<float>(config.between<double>("rms_norm_eps", 0, 1));
  shape->attention_bias = config.get_or<bool>("attention_bias", false);
  shape->use_qk_norm = config.get<bool>("use_qk_norm");
  shape->attn_temperature_tuning = read_temperature_tuning(config);
  shape->floor_scale = config.between<double>("floor_scale", 1, 1e12);
  shape->attn_scale = config.between<double>("attn_scale", 0, 1e6);
  const auto chunk = config.positive<int64_t>("attention_chunk_size");
  shape->intermediate_size_mlp = config.positive<int64_t>("intermediate_size_mlp");
  shape->experts = read_experts(config);
  shape->experts_per_token = config.positive<int64_t>("num_experts_per_tok", shape->experts);
  shape->uses_rope = read_rope_layers(config, shape->layers);
  const auto chunked = read_sliding_layers(
      config, shape->layers, [&](int64_t layer) { return shape->uses_rope[static_cast<size_t>(layer)]; },
      "chunked_attention");
  shape->mixtures = read_mixture_layers(config, shape->layers);
  config.choice_or("hidden_act", "silu", {"silu"});
  config.harmless({"router_aux_loss_coef", "router_jitter_noise"});  // of training
  config.harmless({"for_llm_compressor"});                           // how another program unpacks it
  shape->rotary = rotary(read_rope(config), shape->head_dim);
  shape->rotary.interleaved = true;
  auto ones = std::make_shared<std::vector<float>>(static_cast<size_t>(shape->head_dim), 1.0f);
  const void* data = ones->data();
  shape->ones = Tensor({shape->head_dim}, DType::f32, std::move(ones), data);
  const Weights w(source, place);
  shape->memory = memory_of(
      *shape, source, [&](int64_t layer) { return Sight{.chunk = chunked[static_cast<size_t>(layer)] ? chunk : 0}; });
  return std::make_unique<Decoder<Block>>(std::move(shape), w);
}

}  // namespace

std::unique_ptr<LanguageModel> make_llama4_text(Config& config, WeightSource& weights) {
  return make(config, weights, "");
}

std::unique_ptr<LanguageModel> make_llama4(Config& config, WeightSource& weights) {
  return make(text_within(config, weights, "llama4_text", "vision_model"), weights, kTextPlace,
              config.get_or<bool>("tie_word_embeddings", false));
}

}  // namespace glassbox
