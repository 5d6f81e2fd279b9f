#include "nn/weights.h"

#include <cstring>

#include "base/error.h"
#include "base/random.h"

namespace glassbox {

bool CheckpointWeights::has(const std::string& name) const { return checkpoint_.find(name).has_value(); }

Tensor CheckpointWeights::get(const std::string& name, const Shape& shape) {
  const auto raw = checkpoint_.find(name);
  if (!raw)
    fail(ErrorKind::bad_file, "{}: expected a tensor {} of shape {}, there is none", checkpoint_.source(), name,
         shape.text());
  if (raw->dtype != DType::f32 && raw->dtype != DType::f16 && raw->dtype != DType::bf16)
    fail(ErrorKind::unsupported, "{}: tensor {}: weights of dtype {} are not supported", checkpoint_.source(), name,
         info(raw->dtype).name);
  if (raw->shape.size() > 4 || Shape(std::span<const int64_t>(raw->shape)) != shape)
    fail(ErrorKind::bad_file, "{}: tensor {}: expected shape {}, got [{}]", checkpoint_.source(), name, shape.text(),
         fmt::join(raw->shape, ", "));
  used_.insert(name);
  return Tensor(shape, raw->dtype, raw->owner, raw->bytes.data());
}

void CheckpointWeights::finish() const {
  std::vector<std::string> unused;
  for (const std::string_view name : checkpoint_.names()) {
    // Old checkpoints store the RoPE frequencies that config.json already gives.
    if (!used_.contains(std::string(name)) && !name.ends_with("rotary_emb.inv_freq")) unused.emplace_back(name);
  }
  if (unused.empty()) return;
  const size_t total = unused.size();
  if (unused.size() > 3) unused.resize(3);
  fail(ErrorKind::unsupported, "{}: {} tensors are no part of this architecture: {}{}", checkpoint_.source(), total,
       fmt::join(unused, ", "), total > 3 ? ", ..." : "");
}

bool PlannedWeights::has(const std::string& name) const { return !name.ends_with(".bias"); }

Tensor PlannedWeights::get(const std::string& name, const Shape& shape) {
  static constexpr std::byte kNothing{};
  const auto sizes = shape.sizes();
  const auto bytes = tensor_bytes(dtype_, sizes);
  if (!bytes) fail(ErrorKind::bad_file, "tensor {}: shape {} is no tensor's", name, shape.text());
  asked_[name] = {name, dtype_, {sizes.begin(), sizes.end()}, 0, *bytes};
  return Tensor(shape, dtype_, nullptr, &kNothing);
}

std::vector<const TensorInfo*> PlannedWeights::tensors() const {
  std::vector<const TensorInfo*> all;
  for (const auto& [name, tensor] : asked_) all.push_back(&tensor);
  return all;
}

bool RandomWeights::has(const std::string& name) const { return !name.ends_with(".bias"); }

Tensor RandomWeights::get(const std::string& name, const Shape& shape) {
  if (const auto made = made_.find(name); made != made_.end()) return made->second;
  const size_t count = static_cast<size_t>(shape.elements()), size = info(dtype_).bytes;
  std::shared_ptr<std::byte[]> memory(new std::byte[count * size]);
  // Random values once, then repeated: what matters is that none is zero, tiny or huge.
  constexpr size_t kPeriod = 1 << 16;
  const uint64_t key = key_of(1, name);
  for (size_t i = 0; i < std::min(count, kPeriod); ++i) {
    const float value = shape.rank() == 1 ? 1.0f : (uniform(key, i) - 0.5f) * 0.1f;
    if (dtype_ == DType::bf16) {
      const uint16_t bits = f32_to_bf16(value);
      std::memcpy(memory.get() + i * size, &bits, size);
    } else {
      std::memcpy(memory.get() + i * size, &value, size);
    }
  }
  for (size_t done = kPeriod; done < count; done += kPeriod)
    std::memcpy(memory.get() + done * size, memory.get(), std::min(kPeriod, count - done) * size);
  const void* data = memory.get();
  return made_[name] = Tensor(shape, dtype_, std::move(memory), data);
}

}  // namespace glassbox
