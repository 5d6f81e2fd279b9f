// What config.json says of rotary positions, as frequencies; and of sizes, as a ModelShape: the same for every family.
#pragma once

#include <vector>

#include "formats/config.h"
#include "models/language_model.h"
#include "nn/weights.h"

namespace glassbox {

// hidden_size, num_attention_heads and the rest, checked against each other. Throws Error(bad_file).
ModelShape read_shape(Config& config);

// The cache holds float32 for float32 models, else bf16 (docs/design.md, Numbers). The embedding tells: files of
// quantized weights keep their norms in float32.
DType cache_dtype(WeightSource& weights, const ModelShape& shape);

// theta^(-2i/E) in float32, i < E/2, and what Llama 3.1's scaling makes of them (arXiv:2407.21783; its formula is
// Meta's reference code's): wavelengths beyond original context / low_freq_factor are slowed by `factor`, short ones
// are kept, and those between are blended.
std::vector<float> rope_frequencies(const RopeConfig& rope, int64_t head_dim);

}  // namespace glassbox
