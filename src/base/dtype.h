// Element types of tensors, by the names safetensors and GGUF give them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
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
  f8_e8m0,
  f4_e2m1,  // two values a byte, the first in the low half
  // GGUF's block types, laid out as ggml-common.h says: consecutive values of a row share a scale.
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  q8_k,
  iq4_nl,
  iq4_xs,
  mxfp4,
  // The ones that are read and not written.
  iq1_s,
  iq1_m,
  iq2_xxs,
  iq2_xs,
  iq2_s,
  iq3_xxs,
  iq3_s,
  tq1_0,
  tq2_0,
  nvfp4,
  q1_0,
  q2_0,
  // What published int4 checkpoints (AWQ, GPTQ) are packed into on opening; no file holds it (tensor/blocks.h).
  i4
};

struct DTypeInfo {
  std::string_view name;  // "F32", "BF16", "Q4_K", ...
  size_t block;           // values in a block; 1 but for block types, and 2 for f4_e2m1
  size_t bytes;           // bytes of a block
};

const DTypeInfo& info(DType type);
std::optional<DType> dtype_named(std::string_view name);  // "BF16", "bf16" or "bfloat16"; "Q4_K" or "q4_k"

inline bool is_blocks(DType type) { return type >= DType::q4_0; }

// How many values a shape has; 1 for a scalar's. REQUIRES: it fits, as shapes that were read from a file do.
int64_t elements(std::span<const int64_t> shape);

// Bytes of a tensor; nothing if a dimension is negative, the product overflows, or rows (the last dimension) are no
// whole blocks.
std::optional<uint64_t> tensor_bytes(DType dtype, std::span<const int64_t> shape);

// bfloat16: the upper half of a float32; rounding to nearest, ties to even; NaN stays NaN.
inline float bf16_to_f32(uint16_t bits) { return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16); }
inline uint16_t f32_to_bf16(float value) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace glassbox
