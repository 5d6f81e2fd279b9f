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
  const auto bytes = tensor_bytes(dtype_, shape_.sizes());
  check(bytes.has_value(), "Tensor: rows are no whole blocks");
  return *bytes;
}

Tensor Tensor::reshaped(Shape shape) const {
  check(shape.elements() == shape_.elements(), "Tensor: reshaped to another number of elements");
  check(info(dtype_).block == 1 || shape[-1] == width(), "Tensor: rows of blocks keep their width");
  check(!scales_ || (shape.rank() > 1 && shape[-1] == width() && shape[-2] == shape_[-2]),
        "Tensor: matrices with scales keep their shape");
  Tensor view = *this;
  view.shape_ = shape;
  return view;
}

Tensor Tensor::select(int64_t i) const {
  check(shape_.rank() > 1 && i >= 0 && i < shape_[0], "Tensor: an index outside the first dimension");
  check(!gradient_ || gradient_->memory, "Tensor: a part of what a tape follows");
  Tensor view = *this;
  view.shape_ = Shape(shape_.sizes().subspan(1));
  const int64_t values = view.shape_.elements();
  const auto type = info(dtype_);
  view.data_ = static_cast<const std::byte*>(data_) + static_cast<size_t>(i * values) / type.block * type.bytes;
  if (gradient_) {
    float* sum = gradient_->sum() + i * values;
    view.gradient_ = std::make_shared<Gradient>(Gradient{{gradient_->memory, sum}, values});
  }
  if (scales_) {
    auto scales = std::make_shared<Scales>(*scales_);
    const int64_t across = (width() + scales->columns - 1) / scales->columns;
    const int64_t down = (shape_[-2] + scales->rows - 1) / scales->rows;
    const int64_t skipped =
        shape_.rank() == 2 ? i / scales->rows * across : values / (shape_[-2] * width()) * i * down * across;
    scales->data =
        static_cast<const std::byte*>(scales->data) + static_cast<size_t>(skipped) * info(scales->dtype).bytes;
    view.scales_ = std::move(scales);
  }
  return view;
}

Tensor Tensor::with(Scales scales) const {
  check(scales.rows > 0 && scales.columns > 0 && scales.data, "Tensor: scales of nothing");
  Tensor scaled = *this;
  scaled.scales_ = std::make_shared<const Scales>(std::move(scales));
  return scaled;
}

Tensor Tensor::with_input_order(std::vector<int32_t> order) const {
  check(is_blocks(dtype_) && shape_.rank() == 2 && static_cast<int64_t>(order.size()) == width(),
        "Tensor: an order of inputs is that of a matrix of blocks");
  Tensor ordered = *this;
  ordered.input_order_ = std::make_shared<const std::vector<int32_t>>(std::move(order));
  return ordered;
}

Tensor Tensor::opened(std::shared_ptr<Gradient> gradient) const {
  check(gradient && gradient->memory && gradient->size == shape_.elements(),
        "Tensor: opened with a gradient of another size");
  if (dtype_ != DType::f32 && dtype_ != DType::f16 && dtype_ != DType::bf16)
    fail(ErrorKind::unsupported, "weights of dtype {} cannot be trained: only adapters on top of them",
         info(dtype_).name);
  Tensor open = *this;
  open.gradient_ = std::move(gradient);
  return open;
}

}  // namespace glassbox
