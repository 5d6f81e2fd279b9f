// AdamW over named tensors (Loshchilov and Hutter, arXiv:1711.05101).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/threads.h"
#include "nn/parameters.h"

namespace glassbox {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0.1;  // of matrices; vectors (norms, biases) do not decay
  double clip = 1;            // largest norm of all gradients together; 0: as they come
};

// Moments live here, masters and gradients in the tensors, which must outlive this.
class AdamW {
 public:
  AdamW(std::span<Parameter* const> tensors, const AdamWOptions& options);

  // Update number `step` (from 1) of the masters with the gradients as they stand. Returns the gradients' norm before
  // clipping. Throws Error(bad_request), and changes nothing, where that is not finite. The
  // same bits with any number of threads: sums run over fixed pieces of each parameter, in order.
  double update(int64_t step, float rate, ThreadPool& pool);

  // First and second moments of tensor i, for checkpoints.
  std::vector<float>& first(size_t i) { return first_[i]; }
  std::vector<float>& second(size_t i) { return second_[i]; }
  const std::vector<float>& first(size_t i) const { return first_[i]; }
  const std::vector<float>& second(size_t i) const { return second_[i]; }

 private:
  struct Piece {
    size_t tensor, begin, count;
    std::span<float> of(std::span<float> all) const { return all.subspan(begin, count); }
  };
  double norm(ThreadPool& pool) const;

  std::vector<Parameter*> tensors_;
  AdamWOptions options_;
  std::vector<std::vector<float>> first_, second_;
  std::vector<Piece> pieces_;
};

}  // namespace glassbox
