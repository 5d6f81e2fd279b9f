// Draws tokens: one request's options and what it has said so far.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"

namespace glassbox {

class Sampler {
 public:
  // `prompt` counts for the repetition penalty. REQUIRES: sampling.validate() passed and sampling.seed is set.
  Sampler(const Sampling& sampling, std::span<const int32_t> prompt, uint64_t choice);

  // The token at `position` of the sequence: one of them, whatever the options and the logits. Its draw is a function
  // of (seed, choice, position) alone: what a batch, a cache or a draft did before does not move it.
  int32_t sample(std::span<const float> logits, int64_t position);

  // Tells what was said: later draws count it.
  void accept(int32_t token);

 private:
  Sampling sampling_;
  uint64_t choice_;
  std::unordered_map<int32_t, int64_t> seen_;  // in prompt and answer
  std::unordered_map<int32_t, int64_t> said_;  // in the answer
  std::vector<float> adjusted_;
  std::vector<int32_t> order_;
};

}  // namespace glassbox
