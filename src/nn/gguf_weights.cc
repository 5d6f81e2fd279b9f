#include "nn/gguf_weights.h"

#include "base/error.h"

namespace glassbox {

Tensor GgufWeights::get(const std::string& name, const Shape& shape) {
  const std::string& source = checkpoint_.file().source();
  if (const auto made = made_.find(name); made != made_.end() && made->second.shape() == shape) return made->second;
  const auto raw = checkpoint_.find(name);
  if (!raw)
    fail(ErrorKind::bad_file, "{}: expected a tensor {} of shape {}, there is none", source, name, shape.text());
  if (Shape(std::span<const int64_t>(raw->shape)) != shape)
    fail(ErrorKind::bad_file, "{}: tensor {}: expected shape {}, got [{}]", source, name, shape.text(),
         fmt::join(raw->shape, ", "));
  if (!is_blocks(raw->dtype) && raw->dtype != DType::f32 && raw->dtype != DType::f16 && raw->dtype != DType::bf16)
    fail(ErrorKind::unsupported, "{}: tensor {}: weights of dtype {} are not supported", source, name,
         info(raw->dtype).name);
  if (is_blocks(raw->dtype) && shape.rank() < 2)
    fail(ErrorKind::unsupported, "{}: tensor {}: a vector in {} is not supported", source, name, info(raw->dtype).name);
  return made_[name] = Tensor(shape, raw->dtype, raw->owner, raw->bytes.data());
}

void GgufWeights::finish() const {
  std::vector<std::string> unused;
  for (const TensorInfo& tensor : checkpoint_.tensors())
    if (!made_.contains(tensor.name)) unused.push_back(tensor.name);
  if (unused.empty()) return;
  const size_t total = unused.size();
  if (unused.size() > 3) unused.resize(3);
  fail(ErrorKind::unsupported, "{}: {} tensors are no part of this architecture: {}{}", checkpoint_.file().source(),
       total, fmt::join(unused, ", "), total > 3 ? ", ..." : "");
}

}  // namespace glassbox
