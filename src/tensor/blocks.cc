#include "tensor/blocks.h"

#include <bit>
#include <cstring>

#include "base/error.h"
#include "kernels/grids.h"

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

// 240 where E4M3 has its second NaN, 0 where it has the first.
float ue4m3_half(uint8_t bits) {
  if (bits == 0x7f) return 0;
  if (bits == 0xff) return 240;
  return 0.5f * f8_e4m3_to_f32(bits & 0x7f);
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
  uint32_t word16(int i) const { return static_cast<uint32_t>(at[i] | at[i + 1] << 8); }
  uint32_t word(int i) const { return word16(i) | word16(i + 2) << 16; }
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

// Weights of a grid's entry, negative where a bit of `signs` is set.
template <class Word>
void from_grid(Word entry, unsigned signs, int8_t* q) {
  for (size_t i = 0; i < sizeof(Word); ++i, entry >>= 8) {
    const auto size = static_cast<int8_t>(entry & 127);
    q[i] = static_cast<int8_t>(signs >> i & 1 ? -size : size);
  }
}
// Seven signs, and an eighth that makes their count even.
unsigned eight_signs(uint32_t seven) { return seven | static_cast<unsigned>(std::popcount(seven) & 1) << 7; }

int nibble(Reader r, int at, int i) { return r[at + i / 2] >> (i % 2 * 4) & 15; }
// Scales 2 n + 1 of so many parts, times d; n in the nibbles from `at`.
void odd_scales(Reader r, int at, float d, UnpackedBlock& b) {
  for (int i = 0; i < 256 / b.part; ++i) b.scale[i] = d * static_cast<float>(2 * nibble(r, at, i) + 1);
}

void unpack_iq2_xxs(Reader r, UnpackedBlock& b) {
  b.part = 32;
  const float d = r.half(0) * 0.125f;
  for (int p = 0; p < 8; ++p) {
    const uint32_t word = r.word(6 + 8 * p);  // four times seven signs, and the scale
    b.scale[p] = d * static_cast<float>(2 * (word >> 28) + 1);
    for (int i = 0; i < 4; ++i)
      from_grid(kIq2XxsGrid.at[r[2 + 8 * p + i]], eight_signs(word >> (7 * i) & 127), b.q + 32 * p + 8 * i);
  }
}

void unpack_iq3_xxs(Reader r, UnpackedBlock& b) {
  b.part = 32;
  const float d = r.half(0) * 0.25f;
  for (int p = 0; p < 8; ++p) {
    const uint32_t word = r.word(66 + 4 * p);
    b.scale[p] = d * static_cast<float>(2 * (word >> 28) + 1);
    for (int i = 0; i < 8; ++i)
      from_grid(kIq3XxsGrid.at[r[2 + 8 * p + i]], eight_signs(word >> (i / 2 * 7) & 127) >> (i % 2 * 4),
                b.q + 32 * p + 4 * i);
  }
}

void unpack_iq2_xs(Reader r, UnpackedBlock& b) {
  b.part = 16;
  odd_scales(r, 66, r.half(0) * 0.125f, b);
  for (int i = 0; i < 32; ++i) {
    const uint32_t both = r.word16(2 + 2 * i);
    from_grid(kIq2XsGrid.at[both & 511], eight_signs(both >> 9), b.q + 8 * i);
  }
}

void unpack_iq2_s(Reader r, UnpackedBlock& b) {
  b.part = 16;
  odd_scales(r, 74, r.half(0) * 0.125f, b);
  for (int i = 0; i < 32; ++i)
    from_grid(kIq2SGrid.at[r[2 + i] | (r[66 + i / 4] >> (i % 4 * 2) & 3) << 8], r[34 + i], b.q + 8 * i);
}

void unpack_iq3_s(Reader r, UnpackedBlock& b) {
  b.part = 32;
  odd_scales(r, 106, r.half(0), b);
  for (int i = 0; i < 64; ++i)
    from_grid(kIq3SGrid.at[r[2 + i] | (r[66 + i / 8] >> (i % 8) & 1) << 8], static_cast<unsigned>(nibble(r, 74, i)),
              b.q + 4 * i);
}

// Eight times a weight of -1, 0 or 1, and one more or less.
void from_ternary_grid(int index, bool less, int8_t* q) {
  for (int i = 0; i < 8; ++i)
    q[i] = static_cast<int8_t>(static_cast<int>(kIq1Grid.at[index] >> (8 * i) & 255) - 8 + (less ? -1 : 1));
}

void unpack_iq1_s(Reader r, UnpackedBlock& b) {
  b.part = 32;
  const float d = r.half(0) * 0.125f;
  for (int p = 0; p < 8; ++p) {
    const uint32_t above = r.word16(34 + 2 * p);
    b.scale[p] = d * static_cast<float>(2 * (above >> 12 & 7) + 1);
    for (int i = 0; i < 4; ++i)
      from_ternary_grid(static_cast<int>(r[2 + 4 * p + i] | (above >> (3 * i) & 7) << 8), above >> 15,
                        b.q + 32 * p + 8 * i);
  }
}

void unpack_iq1_m(Reader r, UnpackedBlock& b) {
  b.part = 16;
  uint32_t bits = 0;  // of a float16: four above the scales of each four parts
  for (int i = 0; i < 4; ++i) bits |= r.word16(48 + 2 * i) >> 12 << (4 * i);
  const float d = f16_to_f32(static_cast<uint16_t>(bits)) * 0.125f;
  for (int p = 0; p < 16; ++p)
    b.scale[p] = d * static_cast<float>(2 * (r.word16(48 + p / 4 * 2) >> (p % 4 * 3) & 7) + 1);
  for (int i = 0; i < 32; ++i) {
    const int above = nibble(r, 32, i);
    from_ternary_grid(r[i] | (above & 7) << 8, above & 8, b.q + 8 * i);
  }
}

// Bytes that hold `count` values of three levels each, as fractions of 256.
void ternary(Reader r, int at, int bytes, int count, int8_t* q) {
  for (int i = 0; i < bytes; ++i) {
    unsigned fraction = r[at + i];
    for (int n = 0; n < count; ++n) {
      fraction *= 3;
      q[n * bytes + i] = static_cast<int8_t>(static_cast<int>(fraction >> 8) - 1);
      fraction &= 255;
    }
  }
}

void unpack_nvfp4(Reader r, UnpackedBlock& b) {
  b.part = 16;
  for (int p = 0; p < 4; ++p) {
    b.scale[p] = ue4m3_half(r[p]);
    for (int i = 0; i < 16; ++i) b.q[16 * p + i] = kE2M1Doubled[r[4 + 8 * p + i % 8] >> (i / 8 * 4) & 15];
  }
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
    case DType::iq1_s:
      unpack_iq1_s(r, b);
      break;
    case DType::iq1_m:
      unpack_iq1_m(r, b);
      break;
    case DType::iq2_xxs:
      unpack_iq2_xxs(r, b);
      break;
    case DType::iq2_xs:
      unpack_iq2_xs(r, b);
      break;
    case DType::iq2_s:
      unpack_iq2_s(r, b);
      break;
    case DType::iq3_xxs:
      unpack_iq3_xxs(r, b);
      break;
    case DType::iq3_s:
      unpack_iq3_s(r, b);
      break;
    case DType::tq1_0:
      b.part = 256;
      b.scale[0] = r.half(52);
      ternary(r, 0, 32, 5, b.q);
      ternary(r, 32, 16, 5, b.q + 160);
      ternary(r, 48, 4, 4, b.q + 240);
      break;
    case DType::tq2_0:
      b.part = 256;
      b.scale[0] = r.half(64);
      for (int i = 0; i < 256; ++i) b.q[i] = r[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
      offset(b.q, 256, 1);
      break;
    case DType::nvfp4:
      unpack_nvfp4(r, b);
      break;
    case DType::q1_0:
      b.part = 128;
      b.scale[0] = r.half(0);
      for (int i = 0; i < 128; ++i) b.q[i] = r[2 + i / 8] >> (i % 8) & 1 ? 1 : -1;
      break;
    case DType::q2_0:
      b.part = 64;
      b.scale[0] = r.half(0);
      for (int i = 0; i < 64; ++i) b.q[i] = static_cast<int8_t>((r[2 + i / 4] >> (i % 4 * 2) & 3) - 1);
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
