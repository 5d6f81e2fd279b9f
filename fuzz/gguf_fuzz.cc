// Any bytes as a GGUF file, or as two parts of one: an Error of one line, or a file whose every value, tensor and block
// can be read.
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "formats/gguf.h"
#include "fuzz/require.h"
#include "tensor/blocks.h"

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

// Every block of a tensor, a row's worth of bytes at a time.
void dequantize_all(const RawTensor& raw) {
  const DTypeInfo& type = info(raw.dtype);
  std::vector<float> values(type.block);
  for (size_t at = 0; at < raw.bytes.size(); at += type.bytes) {
    const UnpackedBlock block = unpack(raw.dtype, raw.bytes.data() + at);
    require(block.part > 0 && type.block % static_cast<size_t>(block.part) == 0);
    dequantize(raw.dtype, raw.bytes.data() + at, values.data(), static_cast<int64_t>(type.block));
  }
}

// A block of exactly this size, so that a byte read past its end is noticed.
Gguf file_of(const uint8_t* data, size_t size) {
  const std::shared_ptr<std::byte[]> bytes(new std::byte[size]);
  if (size > 0) std::memcpy(bytes.get(), data, size);
  return Gguf::from_bytes({bytes.get(), size}, bytes, "fuzz");
}

void read_all(const Gguf& file, size_t size) {
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
    if (is_blocks(raw->dtype)) dequantize_all(*raw);
    file.release(raw->bytes);
    total += tensor.bytes;
  }
  require(total == file.total_bytes() && total <= size);
  volatile unsigned keep = sum;
  (void)keep;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kMagic = "GGUF";
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t second = size > 0 ? text.find(kMagic, 1) : text.npos;
  try {
    if (second != text.npos) {
      const Gguf parts[] = {file_of(data, second), file_of(data + second, size - second)};
      read_all(Gguf::joined({parts[0], parts[1]}), size);
    }
  } catch (const Error& error) { require_one_line(error.what()); }
  try {
    read_all(file_of(data, size), size);
  } catch (const Error& error) { require_one_line(error.what()); }
  return 0;
}
