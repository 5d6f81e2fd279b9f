// IQ1, IQ2 and IQ3: an index of some bits stands for eight weights, or four, of a grid (kernels/grids.h); signs lie
// apart. Scales of parts are odd integers, so that a block's sum is exact as with other blocks of 256.

template <int n>
struct Constant {
  static constexpr int value = n;
};
// Shifts want constants: f(Constant<i>) for i in [i, n).
template <int n, int i = 0, class F>
KERNEL_INLINE void unrolled(const F& f) {
  if constexpr (i < n) {
    f(Constant<i>{});
    unrolled<n, i + 1>(f);
  }
}
#define STEP(i) [&](auto i) __attribute__((always_inline))

template <int at>
KERNEL_INLINE I ones_where_bit(I a) {
  return shift_right<31>(shift_left<31 - at>(a));
}

// A bit for each of four bytes.
alignas(64) constexpr uint32_t kSignMasks[16] = {0x00000000, 0x0000007f, 0x00007f00, 0x00007f7f, 0x007f0000, 0x007f007f,
                                                 0x007f7f00, 0x007f7f7f, 0x7f000000, 0x7f00007f, 0x7f007f00, 0x7f007f7f,
                                                 0x7f7f0000, 0x7f7f007f, 0x7f7f7f00, 0x7f7f7f7f};

// Four weights whose sizes are below 128, negative where a bit of `four` is set, lifted: 127 - w + lift - 127 where it
// is. Bytes borrow from each other on the way, and the sum of all is right.
template <int lift>
KERNEL_INLINE I with_signs(I sizes, I four, Words masks) {
  const I mask = pick(masks, four);
  return add(bit_xor(sizes, mask), sub(integer(lift * kBytes1), mask));
}
// Fields of seven signs, anywhere in a word: the eighth of each, which makes the count even, at its lowest bit.
KERNEL_INLINE I eighth_signs(I a) {
  const I two = bit_xor(a, shift_right<1>(a));
  const I four = bit_xor(two, shift_right<2>(two));
  return bit_xor(bit_xor(four, shift_right<4>(two)), shift_right<6>(a));
}
// Signs 4 to 7 of the field that begins at bit `at`.
template <int at>
KERNEL_INLINE I last_signs(I field, I eighth) {
  return bit_or(bit_and(shift_right<at + 4>(field), integer(7)), bit_and(shifted<at - 3>(eighth), integer(8)));
}
// Sixteen weights' worth of nibbles n as scales 2 n + 1, the low one of a byte first.
KERNEL_INLINE void odd_scales(I nibbles, I* scale) {
  const I low = bit_or(shift_left<1>(field<0, 4>(nibbles)), integer(kBytes1)),
          high = bit_or(shift_left<1>(field<4, 4>(nibbles)), integer(kBytes1));
  scale[0] = byte_of<0>(low), scale[1] = byte_of<0>(high), scale[2] = byte_of<1>(low), scale[3] = byte_of<1>(high);
  scale[4] = byte_of<2>(low), scale[5] = byte_of<2>(high), scale[6] = byte_of<3>(low), scale[7] = byte_of<3>(high);
}
template <int at>  // bits of a scale n, from here
KERNEL_INLINE I odd_scale(I a, int mask) {
  return bit_or(bit_and(shifted<at - 1>(a), integer(2 * mask)), integer(1));
}

struct Iq2Xxs : Plain256 {
  static constexpr bool kFew = false;
  static constexpr int64_t kBytes = 66, kPart = 32;
  static constexpr int kOffset = 64;
  static inline void unpack(const auto& r, int64_t at, Entry256& e) {
    e.d = mul(half_low(column(r, at)), broadcast(0.125f));
    const Words masks = sixteen_words(kSignMasks);
    for (int c = 0; c < 4; ++c) {
      I packed[4];
      chunk(r, at + 2 + 16 * c, packed);
      UNROLL
      for (int p = 0; p < 2; ++p) {
        const I index = packed[2 * p], signs = packed[2 * p + 1], eighth = eighth_signs(signs);
        I* w = e.w + 16 * c + 8 * p;
        e.scale[2 * c + p] = odd_scale<28>(signs, 15);
        unrolled<4>(STEP(i) {
          constexpr int g = decltype(i)::value;
          I low, high;
          pairs_at(kIq2XxsGrid.at, byte_of<g>(index), low, high);
          w[2 * g] = with_signs<kOffset>(low, shift_right<7 * g>(signs), masks);
          w[2 * g + 1] = with_signs<kOffset>(high, last_signs<7 * g>(signs, eighth), masks);
        });
      }
    }
  }
};

struct Iq2Xs : Plain256 {
  static constexpr bool kFew = false;
  static constexpr int64_t kBytes = 74, kPart = 16;
  static constexpr int kOffset = 64;
  static inline void unpack(const auto& r, int64_t at, Entry256& e) {
    e.d = mul(half_low(column(r, at)), broadcast(0.125f));
    odd_scales(column(r, at + 66), e.scale);
    odd_scales(column(r, at + 70), e.scale + 8);
    const Words masks = sixteen_words(kSignMasks);
    for (int c = 0; c < 4; ++c) {
      I packed[4];
      chunk(r, at + 2 + 16 * c, packed);
      UNROLL
      for (int j = 0; j < 4; ++j) {
        const I both = packed[j], eighth = eighth_signs(both);
        I* w = e.w + 16 * c + 4 * j;
        unrolled<2>(STEP(i) {
          constexpr int g = decltype(i)::value, bit = 16 * g;
          I low, high;
          pairs_at(kIq2XsGrid.at, bit_and(shift_right<bit>(both), integer(511)), low, high);
          w[2 * g] = with_signs<kOffset>(low, shift_right<bit + 9>(both), masks);
          w[2 * g + 1] = with_signs<kOffset>(high, last_signs<bit + 9>(both, eighth), masks);
        });
      }
    }
  }
};

struct Iq2S : Plain256 {
  static constexpr bool kFew = false;
  static constexpr int64_t kBytes = 82, kPart = 16;
  static constexpr int kOffset = 64;
  static inline void unpack(const auto& r, int64_t at, Entry256& e) {
    e.d = mul(half_low(column(r, at)), broadcast(0.125f));
    odd_scales(column(r, at + 74), e.scale);
    odd_scales(column(r, at + 78), e.scale + 8);
    const Words masks = sixteen_words(kSignMasks);
    for (int c = 0; c < 2; ++c) {
      I index[4], signs[4];
      chunk(r, at + 2 + 16 * c, index);
      chunk(r, at + 34 + 16 * c, signs);
      I above = column(r, at + 66 + 4 * c);  // two bits of each index, the next ones lowest
      for (int j = 0; j < 4; ++j, above = shift_right<8>(above)) {
        I* w = e.w + 32 * c + 8 * j;
        unrolled<4>(STEP(i) {
          constexpr int g = decltype(i)::value;
          I low, high;
          pairs_at(kIq2SGrid.at, bit_or(byte_of<g>(index[j]), bit_and(shifted<2 * g - 8>(above), integer(0x300))), low,
                   high);
          w[2 * g] = with_signs<kOffset>(low, shift_right<8 * g>(signs[j]), masks);
          w[2 * g + 1] = with_signs<kOffset>(high, shift_right<8 * g + 4>(signs[j]), masks);
        });
      }
    }
  }
};

struct Iq3Xxs : Plain256 {
  static constexpr bool kFew = false;
  static constexpr int64_t kBytes = 98, kPart = 32;
  static constexpr int kOffset = 64;
  static inline void unpack(const auto& r, int64_t at, Entry256& e) {
    e.d = mul(half_low(column(r, at)), broadcast(0.25f));
    I signs[8];
    eight_vectors(r, at + 66, signs);
    const Words masks = sixteen_words(kSignMasks);
    for (int c = 0; c < 4; ++c) {
      I index[4];
      chunk(r, at + 2 + 16 * c, index);
      UNROLL
      for (int p = 0; p < 2; ++p) {
        const I seven = signs[2 * c + p], eighth = eighth_signs(seven);
        I* w = e.w + 16 * c + 8 * p;
        e.scale[2 * c + p] = odd_scale<28>(seven, 15);
        unrolled<4>(STEP(i) {
          constexpr int g = decltype(i)::value;
          const I two = index[2 * p + g / 2];
          const I first = words_at(kIq3XxsGrid.at, byte_of<g % 2 * 2>(two)),
                  second = words_at(kIq3XxsGrid.at, byte_of<g % 2 * 2 + 1>(two));
          w[2 * g] = with_signs<kOffset>(first, shift_right<7 * g>(seven), masks);
          w[2 * g + 1] = with_signs<kOffset>(second, last_signs<7 * g>(seven, eighth), masks);
        });
      }
    }
  }
};

struct Iq3S : Plain256 {
  static constexpr bool kFew = false;
  static constexpr int64_t kBytes = 110, kPart = 32;
  static constexpr int kOffset = 16;
  static inline void unpack(const auto& r, int64_t at, Entry256& e) {
    e.d = half_low(column(r, at));
    odd_scales(column(r, at + 106), e.scale);
    const Words masks = sixteen_words(kSignMasks);
    I signs[8];
    eight_vectors(r, at + 74, signs);
    for (int h = 0; h < 2; ++h) {
      I index[8];
      eight_vectors(r, at + 2 + 32 * h, index);
      I above = column(r, at + 66 + 4 * h);  // a bit of each index, the next ones lowest
      for (int j = 0; j < 8; ++j, above = shift_right<4>(above)) {
        const I both = signs[4 * h + j / 2], four = j % 2 == 0 ? both : shift_right<16>(both);
        unrolled<4>(STEP(i) {
          constexpr int g = decltype(i)::value;
          const I place = bit_or(byte_of<g>(index[j]), bit_and(shifted<g - 8>(above), integer(0x100)));
          e.w[32 * h + 4 * j + g] = with_signs<kOffset>(words_at(kIq3SGrid.at, place), shift_right<4 * g>(four), masks);
        });
      }
    }
  }
};

// Eight weights of IQ1, eight times themselves and one more or less: entries are lifted by 8, and all by 9.
KERNEL_INLINE void ternary_eight(I index, I less, I* w) {
  const I more = sub(integer(2 * kBytes1), bit_and(less, integer(2 * kBytes1)));
  pairs_at(kIq1Grid.at, index, w[0], w[1]);
  w[0] = add(w[0], more);
  w[1] = add(w[1], more);
}

struct Iq1S : Plain256 {
  static constexpr bool kFew = false;
  static constexpr int64_t kBytes = 50, kPart = 32;
  static constexpr int kOffset = 9;
  static inline void unpack(const auto& r, int64_t at, Entry256& e) {
    e.d = mul(half_low(column(r, at)), broadcast(0.125f));
    I index[8], above[4];
    eight_vectors(r, at + 2, index);
    chunk(r, at + 34, above);
    for (int p = 0; p < 8; ++p) {
      // Three bits of each of four indices, three of the scale, the sign of what is one more or less.
      const I half = p % 2 == 0 ? above[p / 2] : shift_right<16>(above[p / 2]);
      e.scale[p] = odd_scale<12>(half, 7);
      const I less = ones_where_bit<15>(half);
      unrolled<4>(STEP(i) {
        constexpr int g = decltype(i)::value;
        ternary_eight(bit_or(byte_of<g>(index[p]), bit_and(shifted<3 * g - 8>(half), integer(0x700))), less,
                      e.w + 8 * p + 2 * g);
      });
    }
  }
};

struct Iq1M : Plain256 {
  static constexpr bool kFew = false;
  static constexpr int64_t kBytes = 56, kPart = 16;
  static constexpr int kOffset = 9;
  static inline void unpack(const auto& r, int64_t at, Entry256& e) {
    const I a = column(r, at + 48), b = column(r, at + 52);
    // The scale is what lies above four scales of parts, four times.
    const I d =
        bit_or(bit_or(bit_and(shift_right<12>(a), integer(0xf)), bit_and(shift_right<24>(a), integer(0xf0))),
               bit_or(bit_and(shift_right<4>(b), integer(0xf00)), bit_and(shift_right<16>(b), integer(0xf000))));
    e.d = mul(half_low(d), broadcast(0.125f));
    unrolled<8>(STEP(i) {
      constexpr int part = decltype(i)::value, bit = part / 4 * 16 + part % 4 * 3;
      e.scale[part] = odd_scale<bit>(a, 7);
      e.scale[8 + part] = odd_scale<bit>(b, 7);
    });
    I index[8], above[4];
    eight_vectors(r, at, index);
    chunk(r, at + 32, above);
    for (int j = 0; j < 8; ++j) {
      // Three bits of each of four indices, each with the sign of what is one more or less.
      const I half = j % 2 == 0 ? above[j / 2] : shift_right<16>(above[j / 2]);
      unrolled<4>(STEP(i) {
        constexpr int g = decltype(i)::value;
        ternary_eight(bit_or(byte_of<g>(index[j]), bit_and(shifted<4 * g - 8>(half), integer(0x700))),
                      ones_where_bit<4 * g + 3>(half), e.w + 8 * j + 2 * g);
      });
    }
  }
};

#undef STEP
