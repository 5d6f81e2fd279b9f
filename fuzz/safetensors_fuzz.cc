// Any bytes as a safetensors file: an Error of one line, or a file whose every tensor can be read.
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "formats/safetensors.h"
#include "fuzz/require.h"

namespace {

using namespace glassbox;

void read(std::string_view text) {
  // A block of exactly this size, so that a byte read past its end is noticed.
  const std::shared_ptr<std::byte[]> bytes(new std::byte[text.size()]);
  if (!text.empty()) std::memcpy(bytes.get(), text.data(), text.size());
  try {
    const Checkpoint checkpoint = Checkpoint::of(SafeTensors::from_bytes({bytes.get(), text.size()}, bytes, "fuzz"));
    uint64_t total = 0;
    unsigned sum = 0;
    for (const std::string_view name : checkpoint.names()) {
      const std::optional<RawTensor> tensor = checkpoint.find(name);
      require(tensor && tensor->name == name);
      require(tensor_bytes(tensor->dtype, tensor->shape) == tensor->bytes.size());
      require(reinterpret_cast<uintptr_t>(tensor->bytes.data()) % info(tensor->dtype).bytes == 0);
      for (const std::byte value : tensor->bytes) sum += std::to_integer<unsigned>(value);
      total += tensor->bytes.size();
    }
    require(total == checkpoint.total_bytes() && total <= text.size());
    volatile unsigned keep = sum;
    (void)keep;
  } catch (const Error& error) { require_one_line(error.what()); }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read(text);
  // Again with a length that fits the header, which a fuzzer would seldom guess: the input without its first
  // 8 bytes is header up to its last brace, and data after it.
  if (size < 8) return 0;
  const std::string_view rest = text.substr(8);
  const size_t header = rest.find_last_of('}') + 1;  // 0 if there is none
  std::string file(8, '\0');
  for (size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(uint64_t{header} >> (8 * i));
  read(file + std::string(rest));
  return 0;
}
