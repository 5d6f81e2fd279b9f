// Weights of a GGUF file, asked for by the checkpoint's names.
#pragma once

#include <set>

#include "formats/gguf_checkpoint.h"
#include "nn/weights.h"

namespace glassbox {

// As published: in place, in whatever type the file has, but for tensors whose rows GGUF orders otherwise: those are
// copies in the checkpoint's order. Stacked experts have a row for each output, whatever the checkpoint has.
class GgufWeights : public WeightSource {
 public:
  explicit GgufWeights(GgufCheckpoint checkpoint) : checkpoint_(std::move(checkpoint)) {}

  bool has(const std::string& name) const override { return checkpoint_.has(name) && !checkpoint_.is_transposed(name); }
  Tensor get(const std::string& name, const Shape& shape) override;
  void finish() const override;

 private:
  GgufCheckpoint checkpoint_;
  std::map<std::string, Tensor> made_;  // a weight asked for twice is held once
};

}  // namespace glassbox
