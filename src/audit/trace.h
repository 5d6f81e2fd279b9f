// Looks inside a model: what its named places held while it read some tokens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/output.h"
#include "engine/model.h"

namespace glassbox {

struct TracedValue {
  std::string name;  // "model.layers.3.self_attn.out"
  std::vector<int64_t> shape;
  std::vector<float> values;  // row major
};

struct ValueSummary {
  float smallest, largest;
  double mean, deviation;  // of the finite values
  int64_t not_finite;      // masked scores, or trouble
};

// Walks `tokens` once, at positions 0 onwards, recording every place that one of `taps` matches (globs; `logits` is
// one), in the order a token meets them. Throws Error(bad_request) for a tap that matches nothing, tokens outside the
// vocabulary, or more tokens than the model's context. `adapter`: what of the model it changes, or null.
std::vector<TracedValue> trace(const Model& model, std::span<const int32_t> tokens, std::span<const std::string> taps,
                               int threads = 0, const Adapter* adapter = nullptr);

// All names of places, in the order a token meets them.
std::vector<std::string> tap_names(const Model& model, int threads = 0);

// As a safetensors file, float32, with the model's name among its metadata. Throws as write_safetensors().
void write_trace(const std::filesystem::path& file, std::span<const TracedValue> values, const Model& model,
                 Existing existing = Existing::replaced);

ValueSummary summarize(std::span<const float> values);

}  // namespace glassbox
