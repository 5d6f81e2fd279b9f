#include "nn/parameters.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "base/error.h"
#include "base/random.h"
#include "tensor/numbers.h"

namespace glassbox {
namespace {

std::shared_ptr<void> zeros(size_t bytes) {
  std::shared_ptr<std::byte[]> memory = std::make_shared<std::byte[]>(bytes);
  void* data = memory.get();
  return {std::move(memory), data};
}

// Box and Muller's transform of two uniform numbers, in double.
float normal(uint64_t key, uint64_t index) {
  const auto bits = philox(key, index);
  const double u = (bits[0] + 0.5) * 0x1p-32, v = (bits[1] + 0.5) * 0x1p-32;
  return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v));
}

}  // namespace

Parameters::Parameters(DType dtype, uint64_t seed, float deviation)
    : dtype_(dtype), seed_(seed), deviation_(deviation) {
  check(dtype == DType::f32 || dtype == DType::bf16, "Parameters: weights are trained as f32 or bf16");
}

Parameters::Parameters(DType dtype, Checkpoint from) : Parameters(dtype, 0) { from_.emplace(std::move(from)); }

bool Parameters::has(const std::string& name) const { return from_ ? from_->has(name) : true; }

Tensor Parameters::get_from_zero(const std::string& name, const Shape& shape) {
  const size_t known = parameters_.size();
  const Tensor w = get(name, shape);
  if (!from_ && parameters_.size() > known) std::ranges::fill(parameters_.back().master, 0.0f);
  return w;
}

Tensor Parameters::get(const std::string& name, const Shape& shape) {
  Parameter* parameter = nullptr;
  for (Parameter& known : parameters_)
    if (known.name == name) parameter = &known;
  if (!parameter) {
    parameter = &parameters_.emplace_back();
    parameter->name = name;
    parameter->shape = shape;
    const auto count = static_cast<size_t>(shape.elements());
    parameter->master.resize(count);
    if (from_) {
      const Tensor published = from_->get(name, shape);
      if (!is_float(published.dtype()))
        fail(ErrorKind::unsupported, "tensor {}: weights of dtype {} cannot be trained: only adapters on top of them",
             name, info(published.dtype()).name);
      to_float(published.dtype(), published.data<std::byte>(), parameter->master.data(), shape.elements());
    } else if (shape.rank() > 1) {
      const uint64_t key = key_of(seed_, name);
      for (size_t i = 0; i < count; ++i) parameter->master[i] = deviation_ * normal(key, i);
    } else {
      parameter->master.assign(count, name.ends_with(".bias") ? 0.0f : 1.0f);
    }
    parameter->gradient = std::make_shared<Gradient>();
    parameter->gradient->memory = zeros(count * sizeof(float));
    parameter->gradient->size = static_cast<int64_t>(count);
    parameter->served = zeros(count * info(dtype_).bytes);
  }
  check(parameter->shape == shape, "Parameters: one name asked for in two shapes");
  return Tensor(shape, dtype_, parameter->served, parameter->served.get()).opened(parameter->gradient);
}

int64_t Parameters::count() const {
  int64_t sum = 0;
  for (const Parameter& parameter : parameters_) sum += parameter.shape.elements();
  return sum;
}

void Parameters::publish(ThreadPool& pool) {
  pool.parallel_for(static_cast<int64_t>(parameters_.size()), [&](int64_t i) {
    Parameter& parameter = parameters_[static_cast<size_t>(i)];
    if (dtype_ == DType::f32) {
      std::memcpy(parameter.served.get(), parameter.master.data(), parameter.master.size() * sizeof(float));
      return;
    }
    auto* to = static_cast<uint16_t*>(parameter.served.get());
    for (size_t j = 0; j < parameter.master.size(); ++j) to[j] = f32_to_bf16(parameter.master[j]);
  });
}

void Parameters::clear_gradients(ThreadPool& pool) {
  pool.parallel_for(static_cast<int64_t>(parameters_.size()), [&](int64_t i) {
    const auto sums = parameters_[static_cast<size_t>(i)].gradients();
    std::memset(sums.data(), 0, sums.size_bytes());
  });
}

std::vector<RawTensor> Parameters::tensors() const {
  std::vector<RawTensor> list;
  for (const Parameter& p : parameters_)
    list.push_back({p.name,
                    dtype_,
                    {p.shape.sizes().begin(), p.shape.sizes().end()},
                    {static_cast<const std::byte*>(p.served.get()), p.master.size() * info(dtype_).bytes},
                    p.served});
  return list;
}

}  // namespace glassbox
