// Cross-entropy of each next token: pretraining, and fine-tuning on what the assistant says.
#pragma once

#include <span>

#include "train/objective.h"

namespace glassbox {

struct NextTokenOptions {
  double assistant_weight = 1, other_weight = 0;  // of a token's loss: of one in the loss mask, and of any other
};

// A weighted mean over the tokens of a batch, each sequence by itself. Tokens without a weight never reach the output
// matrix. Metric: "accuracy", of the tokens in the loss mask that have a weight how many are the model's first choice.
class NextToken : public Objective {
 public:
  explicit NextToken(const NextTokenOptions& options) : options_(options) {}

  double weight(std::span<const Example> part) const override;
  Tensor loss(const Policy& policy, std::span<const Example> part, double weight, Pass& pass,
              Metrics* metrics) const override;

 private:
  float weight_of(const Sequence& sequence, size_t token) const;

  NextTokenOptions options_;
};

}  // namespace glassbox
