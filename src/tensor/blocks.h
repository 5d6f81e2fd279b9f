// Quantized weights: blocks of integers that share scales, to float32 and back. Layouts are ggml's (ggml-common.h),
// where consecutive values of a row form a block; what a block means is what the `gguf` package's dequantization gives,
// to the bit.
//
// A block of i4 is ours: a float16 scale, a byte of zero point, a byte of zeros, and 32 values of 4 bits as q4_0 has
// them: scale * (value - zero).
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "base/threads.h"

namespace glassbox {

// `count` values, a multiple of the type's block. `type` is a block type.
void dequantize(DType type, const void* blocks, float* values, int64_t count);

// Rows of `width` floats (whole blocks of `type`) as blocks, byte for byte as llama.cpp's reference quantizers make
// them when they are built without contraction; rows are shared out among the pool's threads. `importance`: how much
// the error of each input matters, `width` values above or equal 0, or null; q8_0, q8_k and mxfp4 do not look at it.
// Throws Error(bad_file) naming a row with an infinity or a NaN, and Error(unsupported) for types that are read and not
// written.
void quantize(ThreadPool& pool, DType type, const float* values, int64_t rows, int64_t width, const float* importance,
              void* blocks);

// The type itself where rows of this width are whole blocks, else what llama.cpp puts in its place: a type of blocks of
// 32 (q4_k becomes q5_0, q5_k q5_1, q6_k and q8_k q8_0, q2_k and q3_k q4_0, iq4_xs iq4_nl), or at last f16.
DType fitting_type(DType type, int64_t width);

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
// Half of an UE4M3, as NVFP4's scales are taken: its sign says nothing, and 0x7f is 0.
float ue4m3_half(uint8_t bits);

// Exactly. NaN stays NaN (E4M3: S.1111.111; it has no infinities).
float f8_e4m3_to_f32(uint8_t bits);
float f8_e5m2_to_f32(uint8_t bits);

// IEEE half precision, exactly; and rounded to nearest even.
float f16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);

}  // namespace glassbox
