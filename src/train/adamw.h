// AdamW (Loshchilov and Hutter, arXiv:1711.05101).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/optimizer.h"

namespace glassbox {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0.1;  // of matrices; vectors (norms, biases) do not decay
};

// Keeps two float32 moments of every number: states "first.NAME" and "second.NAME".
class AdamW : public Optimizer {
 public:
  AdamW(std::span<Parameter* const> tensors, const AdamWOptions& options);

  void update(const Update& update, ThreadPool& pool) override;
  std::vector<StateTensor> state() override;

 private:
  std::vector<Parameter*> tensors_;
  AdamWOptions options_;
  std::vector<std::vector<float>> first_, second_;
  std::vector<Piece> pieces_;
};

}  // namespace glassbox
