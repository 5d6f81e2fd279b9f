// Any bytes as a GGUF file: an Error of one line, or a file whose every value and tensor can be read.
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "base/error.h"
#include "formats/gguf.h"
#include "fuzz/require.h"

namespace {

using namespace glassbox;

size_t walk(const GgufValue& value, int depth) {
  require(depth <= 4);
  require(value.text().find('\n') == std::string::npos);
  size_t bytes = value.bytes().size();
  if (const auto parts = value.parts()) {
    require(parts->size() == value.size());
    size_t inside = 12;
    for (const GgufValue& part : *parts) inside += walk(part, depth + 1);
    require(inside == bytes);
  } else if (const auto string = value.string()) {
    require(string->size() + 8 == bytes);
  } else {
    require(value.number() || value.boolean());
  }
  value.strings();
  value.integers();
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A block of exactly this size, so that a byte read past its end is noticed.
  const std::shared_ptr<std::byte[]> bytes(new std::byte[size]);
  if (size > 0) std::memcpy(bytes.get(), data, size);
  try {
    const Gguf file = Gguf::from_bytes({bytes.get(), size}, bytes, "fuzz");
    for (const GgufEntry& entry : file.metadata()) {
      require(file.find(entry.key) == &entry.value);
      walk(entry.value, 0);
    }
    uint64_t total = 0;
    unsigned sum = 0;
    for (const TensorInfo& tensor : file.tensors()) {
      const auto raw = file.tensor(tensor.name);
      require(raw && raw->name == tensor.name && raw->bytes.size() == tensor.bytes);
      require(tensor_bytes(raw->dtype, raw->shape) == tensor.bytes);
      for (const std::byte value : raw->bytes) sum += std::to_integer<unsigned>(value);
      total += tensor.bytes;
    }
    require(total == file.total_bytes() && total <= size);
    volatile unsigned keep = sum;
    (void)keep;
  } catch (const Error& error) { require_one_line(error.what()); }
  return 0;
}
