#include "train/next_token.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tensor/words.h"

namespace glassbox {
namespace {

// For each row of logits whether its largest is the target's, the first of equals.
std::vector<uint8_t> hits(const Tensor& logits, std::span<const int32_t> targets) {
  std::vector<uint8_t> hit(targets.size());
  logits.pass()->pool().parallel_ranges(logits.rows(), 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* first = logits.f32() + row * logits.width();
      hit[static_cast<size_t>(row)] =
          std::max_element(first, first + logits.width()) - first == targets[static_cast<size_t>(row)];
    }
  });
  return hit;
}

}  // namespace

// Nothing foretells the first token.
float NextToken::weight_of(const Sequence& sequence, size_t token) const {
  if (token == 0) return 0;
  return static_cast<float>(sequence.loss_mask[token] ? options_.assistant_weight : options_.other_weight);
}

double NextToken::weight(std::span<const Example> part) const {
  double sum = 0;
  for (const Example& example : part)
    for (const Sequence& sequence : example)
      for (size_t i = 0; i < sequence.tokens.size(); ++i) sum += weight_of(sequence, i);
  return sum;
}

Tensor NextToken::loss(const Policy& policy, std::span<const Example> part, double weight, Pass& pass,
                       Metrics* metrics) const {
  std::vector<int32_t> targets;
  std::vector<float> weights;
  std::vector<uint8_t> of_assistant, logit_mask;
  for (const Example& example : part)
    for (const Sequence& sequence : example) {
      logit_mask.assign(sequence.tokens.size(), 0);
      for (size_t i = 1; i < sequence.tokens.size(); ++i) {
        const float counts = weight_of(sequence, i);
        if (counts == 0) continue;
        logit_mask[i - 1] = 1;
        targets.push_back(sequence.tokens[i]);
        weights.push_back(static_cast<float>(counts / weight));
        of_assistant.push_back(sequence.loss_mask[i]);
      }
      policy.add_sequence(pass, sequence.tokens, logit_mask);
    }
  const Tensor logits = policy(pass);
  if (metrics) {
    Mean& accuracy = (*metrics)["accuracy"];
    const std::vector<uint8_t> hit = hits(logits, targets);
    for (size_t i = 0; i < hit.size(); ++i) {
      accuracy.sum += of_assistant[i] && hit[i];
      accuracy.count += of_assistant[i];
    }
  }
  return cross_entropy(logits, targets, weights);
}

}  // namespace glassbox
