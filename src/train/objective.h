// Objectives: what training makes smaller.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>

#include "tensor/pass.h"
#include "tensor/tensor.h"
#include "train/corpus.h"
#include "train/trainable.h"

namespace glassbox {

// Means by name, gathered part by part.
struct Mean {
  double sum = 0, count = 0;
  double value() const { return count > 0 ? sum / count : 0; }
};
using Metrics = std::map<std::string, Mean, std::less<>>;

// The loss of a batch is the sum of what its parts lose, over the weight of them all, so that where a batch is cut into
// passes changes no more than rounding. Immutable.
class Objective {
 public:
  virtual ~Objective() = default;

  // How much `part` counts: a sum over its examples, of tokens' weights, of pairs, of whatever the loss is a mean of. 0
  // where there is nothing to learn from it.
  virtual double weight(std::span<const Example> part) const = 0;

  // Enters what it needs of `part` into `pass`, which is empty, walks the policy once, and returns what the part loses
  // over `weight`: a scalar that Pass::backward() can begin at. An example is in one part, whole. Passes of its own (of
  // a reference model, or of the policy as it stands) go before. Adds to `metrics` unless they are null: nobody asks.
  // REQUIRES: weight(part) is not 0.
  virtual Tensor loss(const Policy& policy, std::span<const Example> part, double weight, Pass& pass,
                      Metrics* metrics) const = 0;
};

}  // namespace glassbox
