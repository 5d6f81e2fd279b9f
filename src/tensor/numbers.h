// Numbers of any dtype that weights come in, as float32, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/dtype.h"

namespace glassbox {

bool is_float(DType dtype);  // f32, f16, bf16

// `count` numbers from where `bytes` begin: whole blocks of types that have them, at any alignment. Exact but for f64,
// which is rounded. Throws Error(unsupported) for numbers of whole kinds, and an f64 that float32 cannot hold.
void to_float(DType dtype, const void* bytes, float* values, int64_t count);

// As f32, f16 or bf16, rounded to nearest even.
void from_float(DType dtype, std::span<const float> values, std::byte* bytes);

}  // namespace glassbox
