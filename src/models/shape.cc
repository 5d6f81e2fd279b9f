#include "models/shape.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace glassbox {

namespace {

bool is_tied(const Config& config, WeightSource& weights, const ShapeDefaults& defaults, const std::string& before) {
  const bool said = config.get_or<bool>("tie_word_embeddings", defaults.tied);
  if (!defaults.tied_outside.value_or(said)) return false;
  const std::string table = before + "model.embed_tokens.weight", head = before + "lm_head.weight";
  if (weights.copy_of(table, head) != WeightSource::Copy::different) return true;
  config.warn(fmt::format("{}: true, but the checkpoint has a {} with other numbers than {}: it is used",
                          config.where("tie_word_embeddings"), head, table));
  return false;
}

}  // namespace

ModelShape read_shape(Config& config, WeightSource& weights, const ShapeDefaults& defaults, const std::string& place) {
  ModelShape shape;
  if (!place.empty()) shape.prefix = place + ".";
  shape.model_type = config.get<std::string>("model_type");
  const auto counted = [&](std::string_view key, int64_t fallback, int64_t highest) {
    return fallback > 0 ? config.positive_or<int64_t>(key, fallback, highest) : config.positive<int64_t>(key, highest);
  };
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  shape.vocabulary = counted("vocab_size", defaults.vocabulary, kMost);
  shape.hidden = config.positive<int64_t>("hidden_size");
  shape.intermediate = config.positive<int64_t>("intermediate_size");
  shape.layers = config.positive<int64_t>("num_hidden_layers", 4096);
  shape.heads = counted("num_attention_heads", defaults.heads, 1 << 16);
  shape.kv_heads = config.positive_or<int64_t>("num_key_value_heads",
                                               defaults.kv_heads > 0 ? defaults.kv_heads : shape.heads, shape.heads);
  if (shape.heads % shape.kv_heads != 0)
    fail(ErrorKind::bad_file, "{}: expected a divisor of num_attention_heads = {}, got {}",
         config.where("num_key_value_heads"), shape.heads, shape.kv_heads);
  if (!config.has("head_dim") && defaults.head_dim == 0 && shape.hidden % shape.heads != 0)
    fail(ErrorKind::bad_file, "{}: expected a multiple of num_attention_heads = {}, got {}",
         config.where("hidden_size"), shape.heads, shape.hidden);
  shape.head_dim = config.positive_or<int64_t>(
      "head_dim", defaults.head_dim > 0 ? defaults.head_dim : shape.hidden / shape.heads, 1 << 16);
  if (shape.head_dim % 2 != 0)
    fail(ErrorKind::bad_file, "{}: expected an even number, got {}", config.where("head_dim"), shape.head_dim);
  shape.context = counted("max_position_embeddings", defaults.context, kMost);
  shape.tied = is_tied(config, weights, defaults, shape.prefix);
  return shape;
}

Config text_within(const Config& config, WeightSource& weights, std::string_view model_type, const std::string& tower) {
  const auto text = config.nested_config("text_config");
  if (!text) fail(ErrorKind::bad_file, "{}: expected an object, found none", config.where("text_config"));
  text->choice_or("model_type", model_type, {model_type});
  config.harmless({"boi_token_index", "eoi_token_index", "image_token_index"});  // where pictures would stand
  weights.ignore_below(tower);
  weights.ignore_below("multi_modal_projector");
  return *text;
}

DType memory_dtype(WeightSource& weights, const ModelShape& shape) {
  const Tensor embedding =
      Weights(weights, shape.prefix + "model.embed_tokens").tensor("weight", {shape.vocabulary, shape.hidden});
  return embedding.dtype() == DType::f32 ? DType::f32 : DType::bf16;
}

namespace {

// Where on the dimension axis a pair turns `rotations` times within the original context.
double yarn_dimension(const RopeConfig& rope, double head_dim, double rotations) {
  const auto context = static_cast<double>(rope.original_max_position_embeddings);
  return head_dim * std::log(context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(rope.theta));
}

// How much of a pair's frequency YaRN keeps: 1 before the blend, 0 after it.
float yarn_kept(const RopeConfig& rope, int64_t head_dim, int64_t pair) {
  double low = yarn_dimension(rope, static_cast<double>(head_dim), rope.beta_fast);
  double high = yarn_dimension(rope, static_cast<double>(head_dim), rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(head_dim - 1));
  if (low == high) high += 0.001;  // as the reference does: a step
  const auto ramp = static_cast<float>((static_cast<float>(pair) - low) / (high - low));
  return 1 - std::clamp(ramp, 0.0f, 1.0f);
}

float scaled(const RopeConfig& rope, float frequency, int64_t head_dim, int64_t pair) {
  switch (rope.kind) {
    case RopeConfig::Kind::standard:
      return frequency;
    case RopeConfig::Kind::linear:
      return static_cast<float>(frequency / rope.factor);
    case RopeConfig::Kind::llama3: {
      const double keep = llama3_kept(rope, frequency);
      return static_cast<float>((1 - keep) * frequency / rope.factor + keep * frequency);
    }
    case RopeConfig::Kind::yarn: {
      const float keep = yarn_kept(rope, head_dim, pair), slowed = static_cast<float>(frequency / rope.factor);
      return slowed * (1 - keep) + frequency * keep;
    }
  }
  return frequency;
}

}  // namespace

Rotary rotary(const RopeConfig& rope, int64_t head_dim) {
  const int64_t width = rotated_width(rope.partial_rotary_factor, head_dim);
  if (width < 2 || width % 2 != 0)
    fail(ErrorKind::unsupported, "partial_rotary_factor: {} of a head's {} numbers would turn, expected pairs", width,
         head_dim);
  std::vector<float> frequencies;
  for (int64_t pair = 0; pair < width / 2; ++pair)
    frequencies.push_back(scaled(rope, rope_frequency(rope.theta, width, pair), width, pair));
  return {std::move(frequencies), static_cast<float>(rope.attention_factor)};
}

std::vector<bool> read_rope_layers(const Config& config, int64_t layers) {
  const int64_t interval = config.positive<int64_t>("no_rope_layer_interval", 1 << 16);
  std::vector<bool> uses_rope;
  const auto published = config.optional<std::vector<int64_t>>("no_rope_layers");
  if (!published || published->empty()) {
    for (int64_t layer = 0; layer < layers; ++layer) uses_rope.push_back((layer + 1) % interval != 0);
    return uses_rope;
  }
  if (static_cast<int64_t>(published->size()) != layers)
    fail(ErrorKind::bad_file, "{}: expected {} layers, got {}", config.where("no_rope_layers"), layers,
         published->size());
  for (const int64_t turn : *published) {
    if (turn != 0 && turn != 1)
      fail(ErrorKind::bad_file, "{}: expected 0 or 1 for each layer, got {}", config.where("no_rope_layers"), turn);
    uses_rope.push_back(turn == 1);
  }
  return uses_rope;
}

int64_t read_experts(const Config& config) {
  constexpr int64_t kMost = 1 << 16;
  const char* known = nullptr;
  int64_t experts = 0;
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    if (!config.has(key)) continue;
    const auto count = config.positive<int64_t>(key, kMost);
    if (known && count != experts)
      fail(ErrorKind::bad_file, "{}: expected {} as {} says, got {}", config.where(key), experts, known, count);
    known = key;
    experts = count;
  }
  return known ? experts : config.positive<int64_t>("num_experts", kMost);
}

std::function<Sight(int64_t layer)> window_of(std::vector<bool> sliding, int64_t window) {
  return [sliding = std::move(sliding), window](int64_t layer) {
    return Sight{.window = sliding[static_cast<size_t>(layer)] ? window : 0};
  };
}

MemoryShape memory_of(const ModelShape& shape, WeightSource& weights,
                      const std::function<Sight(int64_t layer)>& sight) {
  const DType dtype = memory_dtype(weights, shape);
  std::vector<LayerMemory> layers;
  for (int64_t layer = 0; layer < shape.layers; ++layer)
    layers.push_back({KeysValues{shape.kv_heads, shape.head_dim, dtype, sight ? sight(layer) : Sight()}});
  return MemoryShape(std::move(layers));
}

}  // namespace glassbox
