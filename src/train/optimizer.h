// Optimizers: how named tensors follow their gradients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/threads.h"
#include "nn/parameters.h"

namespace glassbox {

struct Update {
  int64_t step;              // counted from 1
  float rate;                // the learning rate
  float gradient_scale = 1;  // gradients count times this: what clipping leaves of them
};

// Bytes that a checkpoint holds, in place: it writes them and reads them back.
struct StateTensor {
  std::string name;
  DType dtype;
  Shape shape;
  std::span<std::byte> bytes;
};

// Over the tensors of a Trainable, which must outlive it. One thread at a time.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // Masters follow the gradients as they stand. The same bits with any number of threads.
  virtual void update(const Update& update, ThreadPool& pool) = 0;

  // What is kept from one update to the next, by names of their own ("first.model.norm.weight"): always the same ones.
  virtual std::vector<StateTensor> state() = 0;
};

// Numbers of one tensor that a thread takes at once. The norm's order of sums rests on where tensors are cut.
struct Piece {
  size_t tensor, begin, count;
  std::span<float> of(std::span<float> all) const { return all.subspan(begin, count); }
};
std::vector<Piece> pieces_of(std::span<Parameter* const> tensors);

// The norm of all gradients together, the same bits with any number of threads.
double gradient_norm(std::span<Parameter* const> tensors, ThreadPool& pool);
// What a gradient of that norm is scaled by, so that it is no longer than `clip` (0: as it comes).
float clip_scale(double norm, double clip);

}  // namespace glassbox
