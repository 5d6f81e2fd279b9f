// Looks inside a model: what its named places held while it read some tokens.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/language_model.h"
#include "tensor/tensor.h"

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
std::vector<TracedValue> trace(const LanguageModel& model, std::span<const int32_t> tokens,
                               std::span<const std::string> taps, Workspace& workspace,
                               const Adapter* adapter = nullptr);

ValueSummary summarize(std::span<const float> values);

}  // namespace glassbox
