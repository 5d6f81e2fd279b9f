#include "models/rope.h"

#include <cmath>
#include <numbers>

namespace glassbox {

ModelShape read_shape(Config& config) {
  ModelShape shape;
  shape.model_type = config.get<std::string>("model_type");
  shape.vocabulary = config.positive<int64_t>("vocab_size");
  shape.hidden = config.positive<int64_t>("hidden_size");
  shape.intermediate = config.positive<int64_t>("intermediate_size");
  shape.layers = config.positive<int64_t>("num_hidden_layers", 4096);
  shape.heads = config.positive<int64_t>("num_attention_heads", 1 << 16);
  shape.kv_heads = config.positive_or<int64_t>("num_key_value_heads", shape.heads, shape.heads);
  if (shape.heads % shape.kv_heads != 0)
    fail(ErrorKind::bad_file, "{}: expected a divisor of num_attention_heads = {}, got {}",
         config.where("num_key_value_heads"), shape.heads, shape.kv_heads);
  if (!config.has("head_dim") && shape.hidden % shape.heads != 0)
    fail(ErrorKind::bad_file, "{}: expected a multiple of num_attention_heads = {}, got {}",
         config.where("hidden_size"), shape.heads, shape.hidden);
  shape.head_dim = config.positive_or<int64_t>("head_dim", shape.hidden / shape.heads, 1 << 16);
  if (shape.head_dim % 2 != 0)
    fail(ErrorKind::bad_file, "{}: expected an even number, got {}", config.where("head_dim"), shape.head_dim);
  shape.context = config.positive<int64_t>("max_position_embeddings");
  shape.tied = config.get_or<bool>("tie_word_embeddings", false);
  return shape;
}

DType cache_dtype(WeightSource& weights, const ModelShape& shape) {
  const Tensor embedding = Weights(weights, "model.embed_tokens").tensor("weight", {shape.vocabulary, shape.hidden});
  return embedding.dtype() == DType::f32 ? DType::f32 : DType::bf16;
}

std::vector<float> rope_frequencies(const RopeConfig& rope, int64_t head_dim) {
  std::vector<float> frequencies;
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    const auto exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const auto frequency = static_cast<float>(1 / std::pow(rope.theta, static_cast<double>(exponent)));
    const double wavelength = 2 * std::numbers::pi / static_cast<double>(frequency);
    const auto original = static_cast<double>(rope.original_max_position_embeddings);
    switch (rope.kind) {
      case RopeConfig::Kind::standard:
        frequencies.push_back(frequency);
        break;
      case RopeConfig::Kind::linear:
        frequencies.push_back(static_cast<float>(frequency / rope.factor));
        break;
      case RopeConfig::Kind::llama3:
        if (wavelength < original / rope.high_freq_factor) {
          frequencies.push_back(frequency);
        } else if (wavelength > original / rope.low_freq_factor) {
          frequencies.push_back(static_cast<float>(frequency / rope.factor));
        } else {
          const double keep =
              (original / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
          frequencies.push_back(static_cast<float>((1 - keep) * frequency / rope.factor + keep * frequency));
        }
        break;
    }
  }
  return frequencies;
}

}  // namespace glassbox
