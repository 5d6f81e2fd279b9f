// Tensors: a shape, an element type and a place in memory, cheap to copy.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace glassbox {

class Pass;

// Up to four dimensions, the last one contiguous.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes);
  explicit Shape(std::span<const int64_t> sizes);  // throws std::logic_error beyond four

  int rank() const { return rank_; }
  int64_t operator[](int dimension) const {
    return sizes_[static_cast<size_t>(dimension < 0 ? rank_ + dimension : dimension)];
  }
  int64_t elements() const;
  std::span<const int64_t> sizes() const { return {sizes_.data(), static_cast<size_t>(rank_)}; }
  bool operator==(const Shape& other) const;
  std::string text() const;  // "[4, 256]"

 private:
  std::array<int64_t, 4> sizes_{};
  int rank_ = 0;
};

// Where the gradient of one value is summed: float32, of the value's shape. A tape allocates those of intermediates
// when something first arrives; those of weights belong to whoever trains them.
struct Gradient {
  std::shared_ptr<void> memory;
  int64_t size = 0;
  float* sum() const { return static_cast<float*>(memory.get()); }  // null: nothing has arrived
};

// What a weight's own numbers are multiplied by, where a checkpoint keeps that in a tensor of its own: one scale for
// `rows` x `columns` weights (128 x 128 for DeepSeek's FP8, 1 x 32 for published MXFP4), as a row-major grid for each
// matrix; what sticks out of the last blocks counts as a block.
struct Scales {
  DType dtype = DType::f32;  // f32 or f8_e8m0
  int64_t rows = 1, columns = 1;
  std::shared_ptr<const void> memory;
  const void* data = nullptr;
};

// A handle: copies share memory. Intermediates carry the Pass that made them, which must outlive them; weights carry
// none.
class Tensor {
 public:
  Tensor() = default;
  Tensor(Shape shape, DType dtype, std::shared_ptr<const void> memory, const void* data)
      : shape_(shape), dtype_(dtype), memory_(std::move(memory)), data_(data) {}

  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  int64_t rows() const { return shape_.elements() / width(); }  // all dimensions but the last
  int64_t width() const { return shape_[-1]; }
  size_t bytes() const;
  explicit operator bool() const { return data_ != nullptr; }

  template <class T>
  const T* data() const {
    return static_cast<const T*>(data_);
  }
  const float* f32() const { return data<float>(); }  // REQUIRES: dtype() == f32
  std::span<const float> values() const { return {f32(), static_cast<size_t>(shape_.elements())}; }

  // The same memory in another shape of as many elements; rows of blocks, and matrices with scales, stay whole.
  Tensor reshaped(Shape shape) const;
  // A view of index i of the first dimension, one dimension less: an expert's matrix of a stack, a row of a matrix. Its
  // gradient is a view too, of a weight opened to train. REQUIRES: no value that a tape follows.
  Tensor select(int64_t i) const;

  // Null but for weights whose scales lie elsewhere.
  const Scales* scales() const { return scales_.get(); }
  Tensor with(Scales scales) const;

  // Null but for weights whose rows lie in an order of their own: the place j of a row belongs to input order[j] (GPTQ
  // that quantized inputs by importance). REQUIRES of with_input_order(): a permutation of the width, and a matrix of
  // blocks.
  const std::vector<int32_t>* input_order() const { return input_order_.get(); }
  Tensor with_input_order(std::vector<int32_t> order) const;

  Pass* pass() const { return pass_; }
  // Null unless a tape follows this value or it is a weight opened to train.
  Gradient* gradient() const { return gradient_.get(); }
  // The same value, opened to train: tapes add its gradient there. REQUIRES: memory for shape().elements() floats.
  // Throws Error(unsupported) for quantized weights, whose steps would be lost between two levels.
  Tensor opened(std::shared_ptr<Gradient> gradient) const;

 private:
  friend class Pass;
  friend class Tape;
  Shape shape_;
  DType dtype_ = DType::f32;
  std::shared_ptr<const void> memory_;
  const void* data_ = nullptr;
  Pass* pass_ = nullptr;
  std::shared_ptr<Gradient> gradient_;
  std::shared_ptr<const Scales> scales_;
  std::shared_ptr<const std::vector<int32_t>> input_order_;
};

}  // namespace glassbox
