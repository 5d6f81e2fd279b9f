// How sixteen rows of each block format become vectors of unsigned bytes: vector j holds inputs 4 j .. 4 j + 3 of every
// row. What is signed or looked up is lifted by kOffset, and so is never negative.

constexpr int kBytes1 = 0x01010101;

// A block of 32 inputs.
struct Entry32 {
  I w[8];
  V scale;
  V minimum;  // or the zero point, as bits, or the scale of the second half
};
// A block of 256: parts of 16 or 32 inputs with scales of their own. Formats fill in scales before weights, and the
// weights of a part in their order: they may meet activations at once (matmul_blocks_few.inl), where `w` is no array.
struct Entry256 {
  I w[64];
  I scale[16];
  I minimums[8];  // of neighbouring parts, 16 bits each
  V d, d_minimum;
};

template <int shift, int bits>
KERNEL_INLINE I field(I a) {  // of each byte
  return bit_and(shift_right<shift>(a), integer(((1 << bits) - 1) * kBytes1));
}
// To the right, or to the left by what is below zero.
template <int by>
KERNEL_INLINE I shifted(I a) {
  if constexpr (by >= 0) return shift_right<by>(a);
  if constexpr (by < 0) return shift_left<-by>(a);
}
template <int byte>
KERNEL_INLINE I byte_of(I a) {
  return bit_and(shift_right<8 * byte>(a), integer(255));
}
KERNEL_INLINE V half_high(I a) { return half_low(shift_right<16>(a)); }
KERNEL_INLINE I flip_sign(I a) {  // of each byte: x becomes x + 128
  return bit_xor(a, integer(static_cast<int32_t>(0x80808080)));
}

// 16 bytes of each row: 32 inputs, the low halves first.
KERNEL_INLINE void halves(const auto& r, int64_t at, I* w) {
  I packed[4];
  chunk(r, at, packed);
  UNROLL
  for (int j = 0; j < 4; ++j) {
    w[j] = field<0, 4>(packed[j]);
    w[4 + j] = field<4, 4>(packed[j]);
  }
}
KERNEL_INLINE void bytes(const auto& r, int64_t at, auto w) {
  I packed[4];
  chunk(r, at, packed);
  UNROLL
  for (int j = 0; j < 4; ++j) w[j] = flip_sign(packed[j]);
}
// For each of four bits, 16 in a byte.
alignas(64) constexpr uint32_t kFifthBits[16] = {0x00000000, 0x00000010, 0x00001000, 0x00001010, 0x00100000, 0x00100010,
                                                 0x00101000, 0x00101010, 0x10000000, 0x10000010, 0x10001000, 0x10001010,
                                                 0x10100000, 0x10100010, 0x10101000, 0x10101010};
// The fifth bits of 32 inputs, from a word of 32 bits.
template <int j = 0>
KERNEL_INLINE void fifth_bits_from(I word, Words bits, I* w) {
  if constexpr (j < 8) {
    w[j] = bit_or(w[j], pick(bits, shift_right<4 * j>(word)));
    fifth_bits_from<j + 1>(word, bits, w);
  }
}
// e - 1 as an exponent: half of 2^(e - 127). The two that would be denormal are zero.
KERNEL_INLINE V e8m0_half_of(I e) {
  const I below = sub(e, integer(1));
  return from_bits(bit_and(shift_left<23>(below), sub(integer(-1), shift_right<31>(below))));
}

alignas(16) constexpr uint8_t kIq4Lifted[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                                129, 141, 153, 166, 181, 197, 217, 241};
alignas(16) constexpr uint8_t kE2M1Lifted[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

// What a format says about itself, with the usual answers.
struct PlainBlocks {
  static constexpr bool kSmall = true;  // lifted weights stay below 128
  static constexpr bool kScalesApart = false;
  static constexpr bool kFew = true;  // few rows of activations meet weights as soon as they are unpacked
};
struct Plain32 : PlainBlocks {
  static constexpr int64_t kInputs = 32;
  static constexpr bool kMinimum = false;  // a float is added to every weight of the block
  static constexpr bool kZero = false;     // every row has a zero point of its own in place of kOffset
  static constexpr bool kHalves = false;   // sixteen inputs share a scale: the second lies in place of the minimum
  static constexpr int64_t kSpans = 1;     // spans of 32 inputs in a block; where more, unpack() gets which
};

struct Q4_0 : Plain32 {
  static constexpr int64_t kBytes = 18;
  static constexpr int kOffset = 8;
  static inline void unpack(const auto& r, int64_t at, Entry32& e) {
    e.scale = half_low(column(r, at));
    halves(r, at + 2, e.w);
  }
};
struct Q4_1 : Plain32 {
  static constexpr int64_t kBytes = 20;
  static constexpr int kOffset = 0;
  static constexpr bool kMinimum = true;
  static inline void unpack(const auto& r, int64_t at, Entry32& e) {
    const I head = column(r, at);
    e.scale = half_low(head);
    e.minimum = half_high(head);
    halves(r, at + 4, e.w);
  }
};
struct Q5_0 : Plain32 {
  static constexpr int64_t kBytes = 22;
  static constexpr int kOffset = 16;
  static inline void unpack(const auto& r, int64_t at, Entry32& e) {
    e.scale = half_low(column(r, at));
    halves(r, at + 6, e.w);
    fifth_bits_from(column(r, at + 2), sixteen_words(kFifthBits), e.w);
  }
};
struct Q5_1 : Plain32 {
  static constexpr int64_t kBytes = 24;
  static constexpr int kOffset = 0;
  static constexpr bool kMinimum = true;
  static inline void unpack(const auto& r, int64_t at, Entry32& e) {
    const I head = column(r, at);
    e.scale = half_low(head);
    e.minimum = half_high(head);
    halves(r, at + 8, e.w);
    fifth_bits_from(column(r, at + 4), sixteen_words(kFifthBits), e.w);
  }
};
struct Q8_0 : Plain32 {
  static constexpr int64_t kBytes = 34;
  static constexpr int kOffset = 128;
  static constexpr bool kSmall = false;
  static inline void unpack(const auto& r, int64_t at, Entry32& e) {
    e.scale = half_low(column(r, at));
    bytes(r, at + 2, e.w);
    bytes(r, at + 18, e.w + 4);
  }
};
struct Iq4Nl : Plain32 {
  static constexpr int64_t kBytes = 18;
  static constexpr int kOffset = 128;
  static constexpr bool kSmall = false;
  static inline void unpack(const auto& r, int64_t at, Entry32& e) {
    e.scale = half_low(column(r, at));
    halves(r, at + 2, e.w);
    const Table levels = table(kIq4Lifted);
    UNROLL
    for (int j = 0; j < 8; ++j) e.w[j] = lookup(levels, e.w[j]);
  }
};
struct Mxfp4 : Plain32 {
  static constexpr int64_t kBytes = 17;
  static constexpr int kOffset = 12;
  static inline void unpack(const auto& r, int64_t at, Entry32& e) {
    e.scale = e8m0_half_of(byte_of<0>(column(r, at)));
    halves(r, at + 1, e.w);
    const Table levels = table(kE2M1Lifted);
    UNROLL
    for (int j = 0; j < 8; ++j) e.w[j] = lookup(levels, e.w[j]);
  }
};
// Published MXFP4: two neighbours a byte, scales in a tensor of their own.
struct PairedMxfp4 : Plain32 {
  static constexpr int64_t kBytes = 16;
  static constexpr int kOffset = 12;
  static constexpr bool kScalesApart = true;
  static inline void unpack(const auto& r, int64_t at, Entry32& e) {
    I packed[4];
    chunk(r, at, packed);
    const Table levels = table(kE2M1Lifted);
    // Two bytes apart, then their halves apart: b1 b0 -> 0 b1 0 b0 -> (high low) (high low).
    const auto spread = [&](I two) {
      const I apart = bit_or(bit_and(two, integer(0xff)), shift_left<8>(bit_and(two, integer(0xff00))));
      const I low = bit_and(apart, integer(0x000f000f)), high = bit_and(apart, integer(0x00f000f0));
      return lookup(levels, bit_or(low, shift_left<4>(high)));
    };
    UNROLL
    for (int j = 0; j < 4; ++j) {
      e.w[2 * j] = spread(packed[j]);
      e.w[2 * j + 1] = spread(shift_right<16>(packed[j]));
    }
  }
};
struct I4 : Plain32 {
  static constexpr bool kFew = false;
  static constexpr int64_t kBytes = 20;
  static constexpr int kOffset = 0;
  static constexpr bool kZero = true;
  static inline void unpack(const auto& r, int64_t at, Entry32& e) {
    const I head = column(r, at);
    e.scale = half_low(head);
    e.minimum = from_bits(byte_of<2>(head));
    halves(r, at + 4, e.w);
  }
};

// UE4M3, halved: a float16 whose exponent is eight too small; 0x7f is zero, and the sign says nothing.
KERNEL_INLINE V ue4m3_half_of(I byte) {
  const V x = to_float(byte), value = mul(half_low(shift_left<7>(bit_and(byte, integer(127)))), broadcast(128.0f));
  const V if_less = select(less(x, broadcast(126.5f)), value, zero());
  return select(less(x, broadcast(127.5f)), if_less, value);
}
struct Nvfp4 : Plain32 {
  static constexpr bool kFew = false;
  static constexpr int64_t kBytes = 36, kSpans = 2;
  static constexpr int kOffset = 12;
  static constexpr bool kHalves = true;
  static inline void unpack(const auto& r, int64_t at, int64_t span, Entry32& e) {
    const I scales = column(r, at);
    e.scale = ue4m3_half_of(span == 0 ? byte_of<0>(scales) : byte_of<2>(scales));
    e.minimum = ue4m3_half_of(span == 0 ? byte_of<1>(scales) : byte_of<3>(scales));
    I packed[4];
    chunk(r, at + 4 + 16 * span, packed);
    const Table levels = table(kE2M1Lifted);
    UNROLL
    for (int j = 0; j < 4; ++j) {
      I* to = e.w + j / 2 * 4 + j % 2;
      to[0] = lookup(levels, field<0, 4>(packed[j]));
      to[2] = lookup(levels, field<4, 4>(packed[j]));
    }
  }
};
struct Q1_0 : Plain32 {
  static constexpr bool kFew = false;
  static constexpr int64_t kBytes = 18, kSpans = 4;
  static constexpr int kOffset = 1;
  static inline void unpack(const auto& r, int64_t at, int64_t span, Entry32& e) {
    e.scale = half_low(column(r, at));
    const I signs = column(r, at + 2 + 4 * span);
    UNROLL
    for (int j = 0; j < 8; ++j) e.w[j] = integer(0);
    fifth_bits_from(signs, sixteen_words(kFifthBits), e.w);
    UNROLL
    for (int j = 0; j < 8; ++j) e.w[j] = shift_right<3>(e.w[j]);
  }
};
struct Q2_0 : Plain32 {
  static constexpr bool kFew = false;
  static constexpr int64_t kBytes = 18, kSpans = 2;
  static constexpr int kOffset = 1;
  static inline void unpack(const auto& r, int64_t at, int64_t span, Entry32& e) {
    e.scale = half_low(column(r, at));
    // Neighbours share a byte: 3210 -> 32 . 10 -> 3 2 1 0.
    const auto spread = [](I byte) {
      const I two = bit_and(bit_or(byte, shift_left<12>(byte)), integer(0x000f000f));
      return bit_and(bit_or(two, shift_left<6>(two)), integer(3 * kBytes1));
    };
    UNROLL
    for (int j = 0; j < 2; ++j) {
      const I packed = column(r, at + 2 + 8 * span + 4 * j);
      e.w[4 * j] = spread(byte_of<0>(packed));
      e.w[4 * j + 1] = spread(byte_of<1>(packed));
      e.w[4 * j + 2] = spread(byte_of<2>(packed));
      e.w[4 * j + 3] = spread(byte_of<3>(packed));
    }
  }
};

// --- blocks of 256 ---

struct Plain256 : PlainBlocks {
  static constexpr int64_t kInputs = 256;
  static constexpr bool kMinimum = false;  // scaled integers are subtracted from every weight of a part
};

// Four scales in the bytes of a vector become four vectors.
template <int first>
KERNEL_INLINE void four_scales(I a, int lowered_by, auto& e) {
  const I by = integer(lowered_by);
  e.scale[first] = sub(byte_of<0>(a), by);
  e.scale[first + 1] = sub(byte_of<1>(a), by);
  e.scale[first + 2] = sub(byte_of<2>(a), by);
  e.scale[first + 3] = sub(byte_of<3>(a), by);
}
KERNEL_INLINE void four_minimums(I a, I* pairs) {
  pairs[0] = bit_or(byte_of<0>(a), shift_left<16>(byte_of<1>(a)));
  pairs[1] = bit_or(byte_of<2>(a), shift_left<16>(byte_of<3>(a)));
}
// 64 bytes of each row: 256 inputs of two bits, as Q2_K and Q3_K have them, and a bit above these where there is one:
// bit n of `third` for the inputs [32 n, 32 n + 32).
template <int n, bool has_third>
KERNEL_INLINE I two_or_three_bits(I two, I third) {
  const I low = field<n % 4 * 2, 2>(two);
  if constexpr (has_third) return and_or(shifted<n - 2>(third), integer(4 * kBytes1), low);
  return low;
}
template <bool has_third = false>
KERNEL_INLINE void two_bits(const auto& r, int64_t at, auto w, const I* third = nullptr) {
  const auto eight = [&]<int half>(I(&packed)[4], int c) __attribute__((always_inline)) {
    const auto to = w + half * 32 + c * 4;
    UNROLL
    for (int q = 0; q < 4; ++q) {
      const I high = has_third ? third[4 * c + q] : integer(0);
      to[q] = two_or_three_bits<4 * half, has_third>(packed[q], high);
      to[8 + q] = two_or_three_bits<4 * half + 1, has_third>(packed[q], high);
      to[16 + q] = two_or_three_bits<4 * half + 2, has_third>(packed[q], high);
      to[24 + q] = two_or_three_bits<4 * half + 3, has_third>(packed[q], high);
    }
  };
  UNROLL
  for (int c = 0; c < 4; ++c) {
    I packed[4];
    chunk(r, at + 16 * c, packed);
    if (c < 2)
      eight.template operator()<0>(packed, c);
    else
      eight.template operator()<1>(packed, c - 2);
  }
}
KERNEL_INLINE void eight_vectors(const auto& r, int64_t at, I (&out)[8]) {
  I first[4], second[4];
  chunk(r, at, first);
  chunk(r, at + 16, second);
  UNROLL
  for (int j = 0; j < 4; ++j) {
    out[j] = first[j];
    out[4 + j] = second[j];
  }
}
// 128 bytes of each row: for every 64 inputs the low halves of 32 bytes, then the high ones.
KERNEL_INLINE void four_bits(const auto& r, int64_t at, auto w) {
  UNROLL
  for (int c = 0; c < 8; ++c) {
    I packed[4];
    chunk(r, at + 16 * c, packed);
    const auto to = w + (c / 2 * 16 + c % 2 * 4);
    UNROLL
    for (int q = 0; q < 4; ++q) {
      to[q] = field<0, 4>(packed[q]);
      to[8 + q] = field<4, 4>(packed[q]);
    }
  }
}
// The same with a fifth bit: bit n of `fifth` for the inputs [32 n, 32 n + 32).
template <int n = 0>
KERNEL_INLINE void five_bits(const auto& r, int64_t at, const I (&fifth)[8], auto w) {
  if constexpr (n < 8) {
    UNROLL
    for (int c = 0; c < 2; ++c) {
      I packed[4];
      chunk(r, at + 16 * n + 16 * c, packed);
      const auto to = w + (8 * n + 4 * c);
      const I sixteen = integer(16 * kBytes1);
      UNROLL
      for (int q = 0; q < 4; ++q) {
        to[q] = and_or(shifted<n - 4>(fifth[4 * c + q]), sixteen, field<0, 4>(packed[q]));
        to[8 + q] = and_or(shifted<n - 3>(fifth[4 * c + q]), sixteen, field<4, 4>(packed[q]));
      }
    }
    five_bits<n + 2>(r, at, fifth, w);
  }
}

struct Q2_K : Plain256 {
  static constexpr int64_t kBytes = 84, kPart = 16;
  static constexpr int kOffset = 0;
  static constexpr bool kMinimum = true;
  static inline void unpack(const auto& r, int64_t at, auto& e) {
    I head[4];
    chunk(r, at, head);
    four_scales<0>(field<0, 4>(head[0]), 0, e);
    four_scales<4>(field<0, 4>(head[1]), 0, e);
    four_scales<8>(field<0, 4>(head[2]), 0, e);
    four_scales<12>(field<0, 4>(head[3]), 0, e);
    UNROLL
    for (int j = 0; j < 4; ++j) four_minimums(field<4, 4>(head[j]), e.minimums + 2 * j);
    two_bits(r, at + 16, e.w);
    const I both = column(r, at + 80);
    e.d = half_low(both);
    e.d_minimum = half_high(both);
  }
};
struct Q3_K : Plain256 {
  static constexpr int64_t kBytes = 110, kPart = 16;
  static constexpr int kOffset = 4;
  static inline void unpack(const auto& r, int64_t at, auto& e) {
    const I a = column(r, at + 96), b = column(r, at + 100), c = column(r, at + 104);
    four_scales<0>(bit_or(field<0, 4>(a), shift_left<4>(field<0, 2>(c))), 32, e);
    four_scales<4>(bit_or(field<0, 4>(b), shift_left<4>(field<2, 2>(c))), 32, e);
    four_scales<8>(bit_or(field<4, 4>(a), shift_left<4>(field<4, 2>(c))), 32, e);
    four_scales<12>(bit_or(field<4, 4>(b), shift_left<4>(field<6, 2>(c))), 32, e);
    e.d = half_high(column(r, at + 106));
    I third[8];
    eight_vectors(r, at, third);
    two_bits<true>(r, at + 32, e.w, third);
  }
};
KERNEL_INLINE void six_bit_pairs(const auto& r, int64_t at, auto& e) {
  I head[4];
  chunk(r, at, head);
  e.d = half_low(head[0]);
  e.d_minimum = half_high(head[0]);
  four_scales<0>(field<0, 6>(head[1]), 0, e);
  four_scales<4>(bit_or(field<0, 4>(head[3]), shift_left<4>(field<6, 2>(head[1]))), 0, e);
  four_minimums(field<0, 6>(head[2]), e.minimums);
  four_minimums(bit_or(field<4, 4>(head[3]), shift_left<4>(field<6, 2>(head[2]))), e.minimums + 2);
}
struct Q4_K : Plain256 {
  static constexpr int64_t kBytes = 144, kPart = 32;
  static constexpr int kOffset = 0;
  static constexpr bool kMinimum = true;
  static inline void unpack(const auto& r, int64_t at, auto& e) {
    six_bit_pairs(r, at, e);
    four_bits(r, at + 16, e.w);
  }
};
struct Q5_K : Plain256 {
  static constexpr int64_t kBytes = 176, kPart = 32;
  static constexpr int kOffset = 0;
  static constexpr bool kMinimum = true;
  static inline void unpack(const auto& r, int64_t at, auto& e) {
    six_bit_pairs(r, at, e);
    I fifth[8];
    eight_vectors(r, at + 16, fifth);
    five_bits(r, at + 48, fifth, e.w);
  }
};
struct Q6_K : Plain256 {
  static constexpr int64_t kBytes = 210, kPart = 16;
  static constexpr int kOffset = 32;
  static inline void unpack(const auto& r, int64_t at, auto& e) {
    I scales[4];
    chunk(r, at + 192, scales);
    UNROLL
    for (int j = 0; j < 4; ++j) {
      e.scale[4 * j] = shift_right<24>(shift_left<24>(scales[j]));
      e.scale[4 * j + 1] = shift_right<24>(shift_left<16>(scales[j]));
      e.scale[4 * j + 2] = shift_right<24>(shift_left<8>(scales[j]));
      e.scale[4 * j + 3] = shift_right<24>(scales[j]);
    }
    e.d = half_high(column(r, at + 206));
    UNROLL
    for (int h = 0; h < 2; ++h) {
      I high[8];
      eight_vectors(r, at + 128 + 32 * h, high);
      UNROLL
      for (int c = 0; c < 4; ++c) {
        I packed[4];
        chunk(r, at + 64 * h + 16 * c, packed);
        const auto to = e.w + (32 * h + 4 * c);
        const I upper = integer(0x30 * kBytes1);
        UNROLL
        for (int q = 0; q < 4; ++q) {
          const I two = high[c % 2 * 4 + q];
          to[q] = and_or(c < 2 ? shift_left<4>(two) : shift_left<2>(two), upper, field<0, 4>(packed[q]));
          to[16 + q] = and_or(c < 2 ? two : shift_right<2>(two), upper, field<4, 4>(packed[q]));
        }
      }
    }
  }
};
struct Q8_K : Plain256 {
  static constexpr int64_t kBytes = 292, kPart = 256;
  static constexpr int kOffset = 128;
  static constexpr bool kSmall = false;
  static inline void unpack(const auto& r, int64_t at, auto& e) {
    e.d = from_bits(column(r, at));
    for (int c = 0; c < 16; ++c) bytes(r, at + 4 + 16 * c, e.w + 4 * c);
  }
};
// Values of three levels in fractions of 256: three times a byte, what passes 256 is the next of them.
template <int count>
KERNEL_INLINE void ternary(I bytes, int apart, auto w) {
  const I halves = integer(0x00ff00ff);
  I even = bit_and(bytes, halves), odd = bit_and(shift_right<8>(bytes), halves);
  UNROLL
  for (int n = 0; n < count; ++n) {
    even = add(even, shift_left<1>(even));
    odd = add(odd, shift_left<1>(odd));
    w[n * apart] = bit_or(bit_and(shift_right<8>(even), halves), bit_and(odd, integer(0x03000300)));
    even = bit_and(even, halves);
    odd = bit_and(odd, halves);
  }
}
struct Tq1_0 : Plain256 {
  static constexpr int64_t kBytes = 54, kPart = 256;
  static constexpr int kOffset = 1;
  static inline void unpack(const auto& r, int64_t at, auto& e) {
    I packed[4];
    for (int c = 0; c < 2; ++c) {
      chunk(r, at + 16 * c, packed);
      UNROLL
      for (int j = 0; j < 4; ++j) ternary<5>(packed[j], 8, e.w + (4 * c + j));
    }
    chunk(r, at + 32, packed);
    UNROLL
    for (int j = 0; j < 4; ++j) ternary<5>(packed[j], 4, e.w + 40 + j);
    ternary<4>(column(r, at + 48), 1, e.w + 60);
    e.d = half_high(column(r, at + 50));
  }
};
struct Tq2_0 : Plain256 {
  static constexpr int64_t kBytes = 66, kPart = 256;
  static constexpr int kOffset = 1;
  static inline void unpack(const auto& r, int64_t at, auto& e) {
    two_bits(r, at, e.w);
    e.d = half_high(column(r, at + 62));
  }
};
struct Iq4Xs : Plain256 {
  static constexpr int64_t kBytes = 136, kPart = 32;
  static constexpr int kOffset = 128;
  static constexpr bool kSmall = false;
  template <int part>
  static KERNEL_INLINE void scales_of(I low, I high, auto& e) {
    if constexpr (part < 8) {
      const I l = bit_and(shift_right<4 * part>(low), integer(15)),
              h = bit_and(shift_right<2 * part>(high), integer(3));
      e.scale[part] = sub(bit_or(l, shift_left<4>(h)), integer(32));
      scales_of<part + 1>(low, high, e);
    }
  }
  static inline void unpack(const auto& r, int64_t at, auto& e) {
    const I head = column(r, at);
    e.d = half_low(head);
    scales_of<0>(column(r, at + 4), shift_right<16>(head), e);
    const Table levels = table(kIq4Lifted);
    UNROLL
    for (int p = 0; p < 8; ++p) {
      I index[8];
      halves(r, at + 8 + 16 * p, index);
      UNROLL
      for (int j = 0; j < 8; ++j) e.w[8 * p + j] = lookup(levels, index[j]);
    }
  }
};
