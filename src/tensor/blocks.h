// Quantized weights: blocks of integers that share scales, to float32 and back. Layouts are ggml's (ggml-common.h),
// where consecutive values of a row form a block; what a block means is what the `gguf` package's dequantization gives,
// to the bit (denormal results are flushed where denormals are, as on a pool's threads).
//
// A block of i4 is ours: a float16 scale, a byte of zero point, a byte of zeros, and 32 values of 4 bits as q4_0 has
// them: scale * (value - zero).
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace glassbox {

// `count` values, a multiple of the type's block. `type` is a block type.
void dequantize(DType type, const void* blocks, float* values, int64_t count);

// One block as integers and what they are multiplied by: value i = scale[i / part] * q[i] + minimum[i / part].
struct UnpackedBlock {
  int part = 0;  // values that share a scale
  bool minimums = false;
  int8_t q[256];
  float scale[16], minimum[16];
};
UnpackedBlock unpack(DType type, const void* block);

// The values of E2M1 (OCP Microscaling Formats, 5.3.3), doubled to be integers, and the levels of IQ4_NL.
extern const int8_t kE2M1Doubled[16];
extern const int8_t kIq4Levels[16];
// Half of 2^(e - 127): what the doubled values of E2M1 are multiplied by.
float e8m0_half(uint8_t e);

// Exactly. NaN stays NaN (E4M3: S.1111.111; it has no infinities).
float f8_e4m3_to_f32(uint8_t bits);
float f8_e5m2_to_f32(uint8_t bits);

// IEEE half precision, exactly; and rounded to nearest even.
float f16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);

}  // namespace glassbox
