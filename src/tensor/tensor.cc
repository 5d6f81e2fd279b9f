#include "tensor/tensor.h"

#include <algorithm>

#include "base/error.h"

namespace glassbox {

Shape::Shape(std::initializer_list<int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const int64_t> sizes) : rank_(static_cast<int>(sizes.size())) {
  check(sizes.size() <= sizes_.size(), "Shape: at most four dimensions");
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
}

int64_t Shape::elements() const {
  int64_t product = 1;
  for (const int64_t size : sizes()) product *= size;
  return product;
}

bool Shape::operator==(const Shape& other) const { return std::ranges::equal(sizes(), other.sizes()); }

std::string Shape::text() const { return fmt::format("[{}]", fmt::join(sizes(), ", ")); }

size_t Tensor::bytes() const {
  return static_cast<size_t>(shape_.elements()) / info(dtype_).block * info(dtype_).bytes;
}

Tensor Tensor::reshaped(Shape shape) const {
  check(shape.elements() == shape_.elements(), "Tensor: reshaped to another number of elements");
  Tensor view = *this;
  view.shape_ = shape;
  return view;
}

Tensor Tensor::opened(std::shared_ptr<Gradient> gradient) const {
  check(gradient && gradient->memory && gradient->size == shape_.elements(),
        "Tensor: opened with a gradient of another size");
  Tensor open = *this;
  open.gradient_ = std::move(gradient);
  return open;
}

}  // namespace glassbox
