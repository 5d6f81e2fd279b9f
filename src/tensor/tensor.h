// Tensors: a shape, an element type and a place in memory, cheap to copy.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

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

  // The same memory in another shape of as many elements.
  Tensor reshaped(Shape shape) const;

  Pass* pass() const { return pass_; }
  // Null unless a tape follows this value or it is a weight opened to train.
  Gradient* gradient() const { return gradient_.get(); }
  // The same value, opened to train: tapes add its gradient there. REQUIRES: memory for shape().elements() floats.
  Tensor opened(std::shared_ptr<Gradient> gradient) const;

 private:
  friend class Pass;
  Shape shape_;
  DType dtype_ = DType::f32;
  std::shared_ptr<const void> memory_;
  const void* data_ = nullptr;
  Pass* pass_ = nullptr;
  std::shared_ptr<Gradient> gradient_;
};

}  // namespace glassbox
