// Any bytes as a GGUF file of a model: an Error of one line, or a configuration and tensors of the sizes they say.
#include <cstdint>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "formats/gguf_checkpoint.h"
#include "formats/gguf_config.h"
#include "fuzz/require.h"
#include "models/registry.h"

using namespace glassbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A block of exactly this size, so that a byte read past its end is noticed.
  const std::shared_ptr<std::byte[]> bytes(new std::byte[size]);
  if (size > 0) std::memcpy(bytes.get(), data, size);
  try {
    const GgufCheckpoint checkpoint = gguf_checkpoint(Gguf::from_bytes({bytes.get(), size}, bytes, "fuzz"));
    require(checkpoint.config().is_object());
    beyond_gguf(checkpoint.file(), checkpoint.family());
    gguf_generation_config(checkpoint.file());
    unsigned sum = 0;
    for (const TensorInfo& tensor : checkpoint.tensors())
      for (const bool exact : {false, true}) {
        const auto raw = checkpoint.find(tensor.name, exact);
        require(raw && raw->name == tensor.name && raw->shape == tensor.shape);
        require(tensor_bytes(raw->dtype, raw->shape) == raw->bytes.size());
        require(exact || raw->dtype == tensor.dtype);
        for (const std::byte value : raw->bytes) sum += std::to_integer<unsigned>(value);
      }
    volatile unsigned keep = sum;
    (void)keep;
  } catch (const Error& error) { require_one_line(error.what()); }
  return 0;
}
