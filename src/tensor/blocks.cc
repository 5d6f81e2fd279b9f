#include "tensor/blocks.h"

#include <cstring>

#include "base/error.h"

namespace glassbox {

const int8_t kE2M1Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
const int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

float e8m0_half(uint8_t e) {
  return __builtin_bit_cast(float, e < 2 ? 0x00200000u << e : static_cast<uint32_t>(e - 1) << 23);
}

float f8_e4m3_to_f32(uint8_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x80) << 24, exponent = (bits >> 3) & 15u, fraction = bits & 7u;
  if (exponent == 15 && fraction == 7) return __builtin_bit_cast(float, sign | 0x7fc00000u);
  const float size = exponent == 0 ? static_cast<float>(fraction) * 0x1p-9f
                                   : __builtin_bit_cast(float, (exponent + 120) << 23 | fraction << 20);
  return __builtin_bit_cast(float, sign | __builtin_bit_cast(uint32_t, size));
}

float f8_e5m2_to_f32(uint8_t bits) { return f16_to_f32(static_cast<uint16_t>(bits << 8)); }

float f16_to_f32(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, exponent = (bits >> 10) & 31u,
                 fraction = bits & 0x3ffu;
  uint32_t size;
  if (exponent == 31)
    size = 0x7f800000u | fraction << 13;
  else if (exponent == 0)
    size = __builtin_bit_cast(uint32_t, static_cast<float>(fraction) * 0x1p-24f);
  else
    size = (exponent + 112) << 23 | fraction << 13;
  return __builtin_bit_cast(float, sign | size);
}

uint16_t f32_to_f16(float value) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, value), size = bits & 0x7fffffffu;
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  if (size > 0x7f800000u) return sign | 0x7e00u;
  if (size >= 0x47800000u) return sign | 0x7c00u;  // 65536 and above; 65520 and above round up to it below
  if (size < 0x38800000u) {                        // below 2^-14: multiples of 2^-24, rounded by the addition
    const float sum = __builtin_bit_cast(float, size) + 0.5f;
    return static_cast<uint16_t>(sign | (__builtin_bit_cast(uint32_t, sum) - __builtin_bit_cast(uint32_t, 0.5f)));
  }
  const uint32_t rounded = size + 0xfffu + (size >> 13 & 1u);
  return static_cast<uint16_t>(sign | ((rounded - (112u << 23)) >> 13));
}

namespace {

struct Reader {
  const uint8_t* at;
  uint8_t operator[](int i) const { return at[i]; }
  float half(int i) const {
    uint16_t bits;
    std::memcpy(&bits, at + i, sizeof bits);
    return f16_to_f32(bits);
  }
};

// 32 values of 4 bits: the low halves of 16 bytes, then the high ones.
void nibbles(const uint8_t* from, int8_t* q) {
  for (int i = 0; i < 16; ++i) {
    q[i] = from[i] & 15;
    q[16 + i] = static_cast<int8_t>(from[i] >> 4);
  }
}
// Their fifth bits, from a word of 32.
void fifth_bits(const uint8_t* from, int8_t* q) {
  for (int i = 0; i < 32; ++i) q[i] = static_cast<int8_t>(q[i] | (from[i / 8] >> (i % 8) & 1) << 4);
}
void offset(int8_t* q, int count, int by) {
  for (int i = 0; i < count; ++i) q[i] = static_cast<int8_t>(q[i] - by);
}
void looked_up(const int8_t (&levels)[16], int8_t* q, int count) {
  for (int i = 0; i < count; ++i) q[i] = levels[q[i]];
}

// Q4_K's and Q5_K's twelve bytes: eight scales and eight minimums of six bits.
void six_bit_pairs(const uint8_t* from, float d, float d_minimum, UnpackedBlock& b) {
  for (int i = 0; i < 8; ++i) {
    const int high = 8 + i % 4;
    const int scale = i < 4 ? from[i] & 63 : (from[high] & 15) | from[i - 4] >> 6 << 4;
    const int minimum = i < 4 ? from[i + 4] & 63 : from[high] >> 4 | from[i] >> 6 << 4;
    b.scale[i] = d * static_cast<float>(scale);
    b.minimum[i] = -(d_minimum * static_cast<float>(minimum));
  }
}

void unpack_q2_k(Reader r, UnpackedBlock& b) {
  b.part = 16;
  b.minimums = true;
  const float d = r.half(80), d_minimum = r.half(82);
  for (int i = 0; i < 16; ++i) {
    b.scale[i] = d * static_cast<float>(r[i] & 15);
    b.minimum[i] = -(d_minimum * static_cast<float>(r[i] >> 4));
  }
  for (int i = 0; i < 256; ++i) b.q[i] = r[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

void unpack_q3_k(Reader r, UnpackedBlock& b) {
  b.part = 16;
  const float d = r.half(108);
  for (int i = 0; i < 16; ++i) {
    const int low = r[96 + i % 8] >> (i / 8 * 4) & 15, high = r[104 + i % 4] >> (i / 4 * 2) & 3;
    b.scale[i] = d * static_cast<float>((low | high << 4) - 32);
  }
  for (int i = 0; i < 256; ++i) {
    const int low = r[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3, high = r[i % 32] >> (i / 32) & 1;
    b.q[i] = static_cast<int8_t>(low - (high ? 0 : 4));
  }
}

void unpack_q4_k(Reader r, UnpackedBlock& b) {
  b.part = 32;
  b.minimums = true;
  six_bit_pairs(r.at + 4, r.half(0), r.half(2), b);
  for (int i = 0; i < 256; ++i) b.q[i] = r[16 + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
}

void unpack_q5_k(Reader r, UnpackedBlock& b) {
  b.part = 32;
  b.minimums = true;
  six_bit_pairs(r.at + 4, r.half(0), r.half(2), b);
  for (int i = 0; i < 256; ++i)
    b.q[i] = static_cast<int8_t>((r[48 + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15) |
                                 (r[16 + i % 32] >> (i / 32) & 1) << 4);
}

void unpack_q6_k(Reader r, UnpackedBlock& b) {
  b.part = 16;
  const float d = r.half(208);
  for (int i = 0; i < 16; ++i) b.scale[i] = d * static_cast<float>(static_cast<int8_t>(r[192 + i]));
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, in = i % 128;
    const int low = r[half * 64 + in % 64] >> (in / 64 * 4) & 15,
              high = r[128 + half * 32 + in % 32] >> (in / 32 * 2) & 3;
    b.q[i] = static_cast<int8_t>((low | high << 4) - 32);
  }
}

void unpack_iq4_xs(Reader r, UnpackedBlock& b) {
  b.part = 32;
  const float d = r.half(0);
  for (int i = 0; i < 8; ++i) {
    const int low = r[4 + i / 2] >> (i % 2 * 4) & 15, high = r[2 + i / 4] >> (i % 4 * 2) & 3;
    b.scale[i] = d * static_cast<float>((low | high << 4) - 32);
    nibbles(r.at + 8 + 16 * i, b.q + 32 * i);
  }
  looked_up(kIq4Levels, b.q, 256);
}

}  // namespace

DType fitting_type(DType type, int64_t width) {
  const auto divides = [&](DType t) { return width % static_cast<int64_t>(info(t).block) == 0; };
  if (divides(type)) return type;
  const DType smaller = [&] {
    switch (type) {
      case DType::q2_k:
      case DType::q3_k:
        return DType::q4_0;
      case DType::q4_k:
        return DType::q5_0;
      case DType::q5_k:
        return DType::q5_1;
      case DType::q6_k:
      case DType::q8_k:
        return DType::q8_0;
      case DType::iq4_xs:
        return DType::iq4_nl;
      default:
        return type;
    }
  }();
  return divides(smaller) ? smaller : DType::f16;
}

UnpackedBlock unpack(DType type, const void* block) {
  const Reader r{static_cast<const uint8_t*>(block)};
  UnpackedBlock b;
  b.part = 32;
  switch (type) {
    case DType::q4_0:
      b.scale[0] = r.half(0);
      nibbles(r.at + 2, b.q);
      offset(b.q, 32, 8);
      break;
    case DType::q4_1:
      b.minimums = true;
      b.scale[0] = r.half(0);
      b.minimum[0] = r.half(2);
      nibbles(r.at + 4, b.q);
      break;
    case DType::q5_0:
      b.scale[0] = r.half(0);
      nibbles(r.at + 6, b.q);
      fifth_bits(r.at + 2, b.q);
      offset(b.q, 32, 16);
      break;
    case DType::q5_1:
      b.minimums = true;
      b.scale[0] = r.half(0);
      b.minimum[0] = r.half(2);
      nibbles(r.at + 8, b.q);
      fifth_bits(r.at + 4, b.q);
      break;
    case DType::q8_0:
      b.scale[0] = r.half(0);
      std::memcpy(b.q, r.at + 2, 32);
      break;
    case DType::q2_k:
      unpack_q2_k(r, b);
      break;
    case DType::q3_k:
      unpack_q3_k(r, b);
      break;
    case DType::q4_k:
      unpack_q4_k(r, b);
      break;
    case DType::q5_k:
      unpack_q5_k(r, b);
      break;
    case DType::q6_k:
      unpack_q6_k(r, b);
      break;
    case DType::q8_k:
      b.part = 256;
      std::memcpy(&b.scale[0], r.at, sizeof(float));
      std::memcpy(b.q, r.at + 4, 256);
      break;
    case DType::iq4_nl:
      b.scale[0] = r.half(0);
      nibbles(r.at + 2, b.q);
      looked_up(kIq4Levels, b.q, 32);
      break;
    case DType::iq4_xs:
      unpack_iq4_xs(r, b);
      break;
    case DType::mxfp4:
      b.scale[0] = e8m0_half(r[0]);
      nibbles(r.at + 1, b.q);
      looked_up(kE2M1Doubled, b.q, 32);
      break;
    case DType::i4:
      b.scale[0] = r.half(0);
      nibbles(r.at + 4, b.q);
      offset(b.q, 32, r[2]);
      break;
    default:
      fail(ErrorKind::unsupported, "{} is no block type", info(type).name);
  }
  return b;
}

void dequantize(DType type, const void* blocks, float* values, int64_t count) {
  const auto block = static_cast<int64_t>(info(type).block);
  check(block > 1 && count % block == 0, "dequantize: expected whole blocks");
  const KeepDenormals exactly;
  const auto* from = static_cast<const std::byte*>(blocks);
  for (int64_t i = 0; i < count; i += block, from += info(type).bytes) {
    const UnpackedBlock b = unpack(type, from);
    for (int64_t part = 0; part * b.part < block; ++part) {
      const int8_t* q = b.q + part * b.part;
      float* to = values + i + part * b.part;
      const float scale = b.scale[part], minimum = b.minimum[part];
      if (b.minimums)
        for (int j = 0; j < b.part; ++j) to[j] = scale * static_cast<float>(q[j]) + minimum;
      else
        for (int j = 0; j < b.part; ++j) to[j] = scale * static_cast<float>(q[j]);
    }
  }
}

}  // namespace glassbox
