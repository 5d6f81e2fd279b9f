// Element types of tensors, by the names safetensors gives them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace glassbox {

enum class DType : uint8_t {
  f32,
  f16,
  bf16,
  f64,
  i64,
  i32,
  i16,
  i8,
  u8,
  boolean,
  u16,
  u32,
  u64,
  f8_e4m3,
  f8_e5m2,
  f8_e8m0
};

// Block formats (several values share a scale) have block() > 1: bytes() is of one block, not one value.
struct DTypeInfo {
  std::string_view name;  // as in safetensors: "F32", "BF16", ...
  size_t block;           // values in a block
  size_t bytes;           // bytes of a block
};

const DTypeInfo& info(DType type);
std::optional<DType> dtype_named(std::string_view name);  // "BF16" or "bf16" or "bfloat16"

// bfloat16: the upper half of a float32; rounding to nearest, ties to even; NaN stays NaN.
inline float bf16_to_f32(uint16_t bits) { return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16); }
inline uint16_t f32_to_bf16(float value) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace glassbox
