#include "tensor/numbers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/blocks.h"

namespace glassbox {
namespace {

template <class T, class Widen>
void each(const void* bytes, float* values, int64_t count, const Widen& widen) {
  for (int64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, static_cast<const std::byte*>(bytes) + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    values[i] = widen(value);
  }
}

// A kernel takes halves where halves may stand; those of a file may stand anywhere.
void each_half(const void* bytes, float* values, int64_t count,
               void (*widen)(const uint16_t* x, float* y, int64_t n) noexcept) {
  if (reinterpret_cast<uintptr_t>(bytes) % alignof(uint16_t) == 0)
    return widen(static_cast<const uint16_t*>(bytes), values, count);
  std::array<uint16_t, 1024> aligned;
  for (int64_t done = 0; done < count;) {
    const int64_t some = std::min<int64_t>(aligned.size(), count - done);
    std::memcpy(aligned.data(), static_cast<const std::byte*>(bytes) + 2 * done, static_cast<size_t>(some) * 2);
    widen(aligned.data(), values + done, some);
    done += some;
  }
}

float rounded(double value) {
  const auto narrow = static_cast<float>(value);
  if (std::isinf(narrow) && std::isfinite(value))
    fail(ErrorKind::unsupported, "a number of dtype F64, {}, is more than float32 holds", value);
  return narrow;
}

}  // namespace

bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

void to_float(DType dtype, const void* bytes, float* values, int64_t count) {
  if (is_blocks(dtype)) return dequantize(dtype, bytes, values, count);
  switch (dtype) {
    case DType::f32:
      std::memcpy(values, bytes, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::f16:
      return each_half(bytes, values, count, kernels().from_f16);
    case DType::bf16:
      return each_half(bytes, values, count, kernels().from_bf16);
    case DType::f64:
      return each<double>(bytes, values, count, rounded);
    case DType::f8_e4m3:
      return each<uint8_t>(bytes, values, count, f8_e4m3_to_f32);
    case DType::f8_e5m2:
      return each<uint8_t>(bytes, values, count, f8_e5m2_to_f32);
    default:
      fail(ErrorKind::unsupported, "numbers of dtype {} cannot be converted", info(dtype).name);
  }
}

void from_float(DType dtype, std::span<const float> values, std::byte* bytes) {
  if (dtype == DType::f32) {
    std::memcpy(bytes, values.data(), values.size_bytes());
    return;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = dtype == DType::f16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
    std::memcpy(bytes + 2 * i, &bits, 2);
  }
}

}  // namespace glassbox
