// Choosing scales and integers for blocks. The searches are llama.cpp's (ggml-quants.c), operation for operation where
// a bit could differ: their results are byte for byte the same.
#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <span>

#include "base/error.h"
#include "tensor/blocks.h"

namespace glassbox {
namespace {

constexpr float kNothing = 1e-15f;  // a group no larger than this is zero

// Nearest whole number, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no bits for the fraction.
int nearest(float x) { return (__builtin_bit_cast(int, x + 12582912.0f) & 0x007fffff) - 0x00400000; }

// The value of largest size: the first of them.
float extreme(std::span<const float> x, float* size) {
  float value = 0;
  *size = 0;
  for (const float v : x)
    if (std::fabs(v) > *size) {
      *size = std::fabs(v);
      value = v;
    }
  return value;
}

// --- fits: integers l and a scale (and minimum) that bring scale * l near x ---

// sum of w x l and of w l l: the scale that suits given integers best is their quotient.
struct Moments {
  float xl = 0, ll = 0;
  void add(float w, float x, int l) {
    const auto f = static_cast<float>(l);
    xl += w * x * f;
    ll += w * f * f;
  }
};

// Integers from -levels to levels - 1, stored lifted by `levels`; 19 scales around the obvious one are tried. The
// square of x weighs where there are no weights.
float fit_signed(std::span<const float> x, int levels, const float* weights, int8_t* l) {
  float size;
  const float top = extreme(x, &size);
  if (size < kNothing) {
    std::fill_n(l, x.size(), int8_t{0});
    return 0;
  }
  const auto level = [&](float inverse, size_t i) { return std::clamp(nearest(inverse * x[i]), -levels, levels - 1); };
  const auto moments = [&](float inverse) {
    Moments m;
    for (size_t i = 0; i < x.size(); ++i) m.add(weights ? weights[i] : x[i] * x[i], x[i], level(inverse, i));
    return m;
  };
  const auto keep = [&](float inverse) {
    for (size_t i = 0; i < x.size(); ++i) l[i] = static_cast<int8_t>(level(inverse, i) + levels);
  };
  float inverse = static_cast<float>(-levels) / top;
  keep(inverse);
  Moments m = moments(inverse);
  float scale = m.ll != 0 ? m.xl / m.ll : 0.0f, best = scale * m.xl;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    inverse = -(static_cast<float>(levels) + 0.1f * static_cast<float>(step)) / top;
    m = moments(inverse);
    if (m.ll > 0 && m.xl * m.xl > best * m.ll) {
      keep(inverse);
      scale = m.xl / m.ll;
      best = scale * m.xl;
    }
  }
  return scale;
}

// The same range, by moving one integer at a time while that helps.
float fit_signed_stepwise(std::span<const float> x, int levels, int8_t* l) {
  float size;
  const float top = extreme(x, &size);
  if (size < kNothing) {
    std::fill_n(l, x.size(), int8_t{0});
    return 0;
  }
  const float inverse = static_cast<float>(-levels) / top;
  Moments m;
  for (size_t i = 0; i < x.size(); ++i) {
    l[i] = static_cast<int8_t>(std::clamp(nearest(inverse * x[i]), -levels, levels - 1));
    m.add(x[i] * x[i], x[i], l[i]);
  }
  for (int round = 0; round < 5; ++round) {
    bool changed = false;
    for (size_t i = 0; i < x.size(); ++i) {
      const float w = x[i] * x[i], old = l[i];
      Moments without{m.xl - w * x[i] * old, 0};
      if (!(without.xl > 0)) continue;
      without.ll = m.ll - w * old * old;
      const int next = std::clamp(nearest(x[i] * without.ll / without.xl), -levels, levels - 1);
      if (next == l[i]) continue;
      without.add(w, x[i], next);
      if (without.ll > 0 && without.xl * without.xl * m.ll > m.xl * m.xl * without.ll) {
        l[i] = static_cast<int8_t>(next);
        m = without;
        changed = true;
      }
    }
    if (!changed) break;
  }
  for (size_t i = 0; i < x.size(); ++i) l[i] = static_cast<int8_t>(l[i] + levels);
  return m.ll > 0 ? m.xl / m.ll : 0.0f;
}

// How the affine fit searches: scales for (first + step * i + levels) steps over the range, i from 0 to `steps`.
struct Search {
  float first, step;
  int steps;
  bool absolute = false;  // errors count by size, not squared
};
struct Affine {
  float scale, minimum;  // x is near scale * l - minimum; minimum >= 0
};

// Integers from 0 to levels.
Affine fit_affine(std::span<const float> x, int levels, const float* weights, const Search& search, uint8_t* l) {
  float low = x[0], high = x[0], sum_w = weights[0], sum_x = sum_w * x[0];
  for (size_t i = 1; i < x.size(); ++i) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  if (low > 0) low = 0;
  if (high <= low) {
    std::fill_n(l, x.size(), uint8_t{0});
    return {0, -low};
  }
  const auto error_of = [&](const uint8_t* levels_of, float scale, float minimum) {
    float error = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const float d = scale * static_cast<float>(levels_of[i]) + minimum - x[i];
      error += weights[i] * (search.absolute ? std::fabs(d) : d * d);
    }
    return error;
  };
  const auto level = [&](float inverse, size_t i) {
    return static_cast<uint8_t>(std::clamp(nearest(inverse * (x[i] - low)), 0, levels));
  };
  const float inverse = static_cast<float>(levels) / (high - low);
  float scale = 1 / inverse;
  for (size_t i = 0; i < x.size(); ++i) l[i] = level(inverse, i);
  float best = error_of(l, scale, low);
  std::array<uint8_t, 32> tried;
  for (int step = 0; step <= search.steps; ++step) {
    // From the best minimum so far, which may lie elsewhere than the values' own.
    const float by =
        (search.first + search.step * static_cast<float>(step) + static_cast<float>(levels)) / (high - low);
    float sum_l = 0, sum_ll = 0, sum_xl = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      tried[i] = level(by, i);
      const auto f = static_cast<float>(tried[i]);
      sum_l += weights[i] * f;
      sum_ll += weights[i] * f * f;
      sum_xl += weights[i] * f * x[i];
    }
    const float determinant = sum_w * sum_ll - sum_l * sum_l;
    if (!(determinant > 0)) continue;
    float this_scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    float this_low = (sum_ll * sum_x - sum_l * sum_xl) / determinant;
    if (this_low > 0) {
      this_low = 0;
      this_scale = sum_xl / sum_ll;
    }
    const float error = error_of(tried.data(), this_scale, this_low);
    if (error < best) {
      std::copy_n(tried.begin(), x.size(), l);
      best = error;
      scale = this_scale;
      low = this_low;
    }
  }
  return {scale, -low};
}

// Scales themselves, none negative, as integers from 0 to levels: with weights.
float fit_scales(std::span<const float> x, int levels, const float* weights, uint8_t* l) {
  float top = 0;
  for (const float v : x) top = top > v ? top : v;
  if (top < kNothing) {
    std::fill_n(l, x.size(), uint8_t{0});
    return 0;
  }
  const auto error_of = [&](float inverse, bool cut) {
    const float scale = 1 / inverse;
    float error = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const int rounded = nearest(inverse * x[i]);
      const float d =
          x[i] - scale * static_cast<float>(cut ? std::min(levels, rounded) : static_cast<uint8_t>(rounded));
      error += weights[i] * d * d;
    }
    return error;
  };
  float inverse = static_cast<float>(levels) / top, best = error_of(inverse, false);
  for (int step = -4; step <= 4; ++step) {
    if (step == 0) continue;
    const float tried = (0.1f * static_cast<float>(step) + static_cast<float>(levels)) / top;
    const float error = error_of(tried, true);
    if (error < best) {
      best = error;
      inverse = tried;
    }
  }
  Moments m;
  for (size_t i = 0; i < x.size(); ++i) {
    const int level = std::min(levels, nearest(inverse * x[i]));
    l[i] = static_cast<uint8_t>(level);
    m.add(weights[i], x[i], level);
  }
  for (int round = 0; round < 5; ++round) {
    bool changed = false;
    for (size_t i = 0; i < x.size(); ++i) {
      const float w = weights[i], old = l[i];
      Moments without{m.xl - w * x[i] * old, m.ll - w * old * old};
      if (!(without.xl > 0 && without.ll > 0)) continue;
      const int next = std::min(levels, nearest(x[i] * without.ll / without.xl));
      if (next == l[i]) continue;
      without.add(w, x[i], next);
      if (without.xl * without.xl * m.ll > m.xl * m.xl * without.ll) {
        l[i] = static_cast<uint8_t>(next);
        m = without;
        changed = true;
      }
    }
    if (!changed) break;
  }
  return m.ll > 0 ? m.xl / m.ll : 0.0f;
}

// --- blocks of 32 ---

float sum_of_squares(std::span<const float> x) {
  float sum = 0;
  for (const float v : x) sum += v * v;
  return sum;
}
void put_half(uint8_t* to, float value) {
  const uint16_t bits = f32_to_f16(value);
  std::memcpy(to, &bits, sizeof bits);
}
// How much an input's error weighs: its importance, and somewhat its size.
template <size_t n>
std::array<float, n> weights_of(const float* importance, const float* x, float square) {
  std::array<float, n> w;
  for (size_t i = 0; i < n; ++i) w[i] = importance[i] * std::sqrt(square + x[i] * x[i]);
  return w;
}
// 32 integers as the low and high halves of 16 bytes, and their fifth bits as a word.
template <class L>
void put_nibbles(const L* l, uint8_t* to) {
  for (int i = 0; i < 16; ++i) to[i] = static_cast<uint8_t>((l[i] & 15) | (l[i + 16] & 15) << 4);
}
template <class L>
void put_fifth_bits(const L* l, uint8_t* to) {
  uint32_t word = 0;
  for (int i = 0; i < 32; ++i) word |= static_cast<uint32_t>(l[i] >> 4 & 1) << i;
  std::memcpy(to, &word, sizeof word);
}

struct Row {
  const float* x;
  int64_t width;
  const float* importance;
  float mean_square;  // of the whole row
};

// Q4_0 and Q5_0: levels 8 or 16 each way.
void quantize_signed(const Row& row, int64_t at, int levels, uint8_t* to) {
  const float* x = row.x + at;
  std::array<int8_t, 32> l;
  float d;
  if (row.importance) {
    const auto w = weights_of<32>(row.importance + at, x, row.mean_square);
    d = fit_signed({x, 32}, levels, w.data(), l.data());
  } else {
    float size;
    d = extreme({x, 32}, &size) / static_cast<float>(-levels);
    const float inverse = d != 0 ? 1.0f / d : 0.0f;
    for (size_t i = 0; i < 32; ++i)
      l[i] = static_cast<int8_t>(
          std::min(2 * levels - 1, static_cast<int>(x[i] * inverse + (static_cast<float>(levels) + 0.5f))));
  }
  put_half(to, d);
  if (levels == 16) put_fifth_bits(l.data(), to + 2);
  put_nibbles(l.data(), to + (levels == 16 ? 6 : 2));
}

// Q4_1 and Q5_1: levels 15 or 31.
void quantize_affine(const Row& row, int64_t at, int levels, uint8_t* to) {
  const float* x = row.x + at;
  std::array<uint8_t, 32> l;
  float d, minimum;
  if (row.importance) {
    const auto w = weights_of<32>(row.importance + at, x, row.mean_square);
    const Affine fit = fit_affine({x, 32}, levels, w.data(), {-0.9f, 0.05f, 36}, l.data());
    d = fit.scale;
    minimum = -fit.minimum;
  } else {
    float low = FLT_MAX, high = -FLT_MAX;
    for (int i = 0; i < 32; ++i) {
      if (x[i] < low) low = x[i];
      if (x[i] > high) high = x[i];
    }
    d = (high - low) / static_cast<float>(levels);
    minimum = low;
    const float inverse = d != 0 ? 1.0f / d : 0.0f;
    for (size_t i = 0; i < 32; ++i)
      l[i] = static_cast<uint8_t>(std::min(levels, static_cast<int>((x[i] - low) * inverse + 0.5f)));
  }
  put_half(to, d);
  put_half(to + 2, minimum);
  if (levels == 31) put_fifth_bits(l.data(), to + 4);
  put_nibbles(l.data(), to + (levels == 31 ? 8 : 4));
}

void quantize_q8_0(const float* x, uint8_t* to) {
  float size;
  extreme({x, 32}, &size);
  const float d = size / 127, inverse = d != 0 ? 1.0f / d : 0.0f;
  put_half(to, d);
  for (int i = 0; i < 32; ++i) to[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * inverse)));
}

void quantize_mxfp4(const float* x, uint8_t* to) {
  float size;
  extreme({x, 32}, &size);
  // Two below the power of two of the largest, as 6 = 1.5 * 2^2 is the largest value of E2M1.
  *to = size > 0 ? static_cast<uint8_t>(static_cast<int>(std::floor(std::log2(size)) - 2 + 127)) : uint8_t{0};
  const float d = e8m0_half(*to);
  std::array<uint8_t, 32> l;
  for (size_t i = 0; i < 32; ++i) {
    l[i] = 0;
    float best = std::fabs(static_cast<float>(kE2M1Doubled[0]) * d - x[i]);
    for (uint8_t level = 1; level < 16; ++level) {
      const float error = std::fabs(static_cast<float>(kE2M1Doubled[level]) * d - x[i]);
      if (error < best) {
        best = error;
        l[i] = level;
      }
    }
  }
  put_nibbles(l.data(), to + 1);
}

// --- blocks of 256 ---

// Four planes of two bits: values 0, 32, 64, 96 apart of each half block share a byte.
template <class L>
void put_two_bits(const L* l, uint8_t* to) {
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < 32; ++i) {
      const L* from = l + half * 128 + i;
      to[half * 32 + i] = static_cast<uint8_t>(from[0] | from[32] << 2 | from[64] << 4 | from[96] << 6);
    }
}
float half_at(const uint8_t* from) {
  uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return f16_to_f32(bits);
}
// Integers anew for scales as they were rounded; where the scale is zero, those of the fit stay.
template <class L>
void again(const float* x, int count, float d, float minimum, int low, int high, int lift, L* l) {
  if (d == 0) return;
  for (int i = 0; i < count; ++i) l[i] = static_cast<L>(std::clamp(nearest((x[i] + minimum) / d), low, high) + lift);
}

void quantize_q2_k(const float* x, const float* importance, uint8_t* to) {
  std::array<uint8_t, 256> l;
  std::array<float, 16> scales, minimums, weight{};
  std::array<uint8_t, 16> s{}, m{};
  const float mean_square = importance ? sum_of_squares({x, 256}) / 256 : 0.0f;
  for (size_t j = 0; j < 16; ++j) {
    const float* part = x + 16 * j;
    std::array<float, 16> w;
    if (importance) {
      w = weights_of<16>(importance + 16 * j, part, mean_square);
      for (const float one : w) weight[j] += one;
    } else {
      for (size_t i = 0; i < 16; ++i) w[i] = std::fabs(part[i]);
    }
    const Search search = importance ? Search{-0.9f, 0.05f, 36} : Search{-0.5f, 0.1f, 15, true};
    const Affine fit = fit_affine({part, 16}, 3, w.data(), search, l.data() + 16 * j);
    scales[j] = fit.scale;
    minimums[j] = fit.minimum;
  }
  float d, d_minimum;
  if (importance) {
    d = fit_scales(scales, 15, weight.data(), s.data());
    d_minimum = fit_scales(minimums, 15, weight.data(), m.data());
  } else {
    const auto rounded = [](const std::array<float, 16>& from, std::array<uint8_t, 16>& levels) {
      const float top = std::max(0.0f, *std::max_element(from.begin(), from.end()));
      if (!(top > 0)) return 0.0f;
      const float inverse = 15.0f / top;
      for (size_t j = 0; j < 16; ++j) levels[j] = static_cast<uint8_t>(nearest(inverse * from[j]));
      return top / 15.0f;
    };
    d = rounded(scales, s);
    d_minimum = rounded(minimums, m);
  }
  for (size_t j = 0; j < 16; ++j) to[j] = static_cast<uint8_t>(s[j] | m[j] << 4);
  put_half(to + 80, d);
  put_half(to + 82, d_minimum);
  for (int j = 0; j < 16; ++j)
    again(x + 16 * j, 16, half_at(to + 80) * static_cast<float>(to[j] & 15),
          half_at(to + 82) * static_cast<float>(to[j] >> 4), 0, 3, 0, l.data() + 16 * j);
  put_two_bits(l.data(), to + 16);
}

void quantize_q3_k(const float* x, const float* importance, uint8_t* to) {
  std::array<int8_t, 256> l;
  std::array<float, 16> scales;
  std::array<int8_t, 16> s{};
  float d = 0;
  if (importance) {
    const float mean_square = 2 * sum_of_squares({x, 256}) / 256;
    std::array<float, 16> weight;
    for (size_t j = 0; j < 16; ++j) {
      const auto w = weights_of<16>(importance + 16 * j, x + 16 * j, mean_square);
      weight[j] = 0;
      for (const float one : w) weight[j] += one;
      scales[j] = fit_signed({x + 16 * j, 16}, 4, w.data(), l.data() + 16 * j);
    }
    d = fit_signed(scales, 32, weight.data(), s.data());
  } else {
    for (size_t j = 0; j < 16; ++j) scales[j] = fit_signed_stepwise({x + 16 * j, 16}, 4, l.data() + 16 * j);
    float size;
    const float top = extreme(scales, &size);
    if (top != 0) {
      const float inverse = -32.0f / top;
      for (size_t j = 0; j < 16; ++j)
        s[j] = static_cast<int8_t>(std::clamp<int>(static_cast<int8_t>(nearest(inverse * scales[j])), -32, 31) + 32);
      d = 1 / inverse;
    }
  }
  std::memset(to + 96, 0, 12);
  for (int j = 0; j < 16; ++j) {
    const int six = s[static_cast<size_t>(j)];
    to[96 + j % 8] = static_cast<uint8_t>(to[96 + j % 8] | (six & 15) << (j / 8 * 4));
    to[104 + j % 4] = static_cast<uint8_t>(to[104 + j % 4] | six >> 4 << (j / 4 * 2));
  }
  put_half(to + 108, d);
  for (int j = 0; j < 16; ++j)
    again(x + 16 * j, 16, half_at(to + 108) * static_cast<float>(s[static_cast<size_t>(j)] - 32), 0.0f, -4, 3, 4,
          l.data() + 16 * j);
  std::memset(to, 0, 32);
  for (size_t i = 0; i < 256; ++i)
    if (l[i] > 3) {
      to[i % 32] = static_cast<uint8_t>(to[i % 32] | 1 << (i / 32));
      l[i] = static_cast<int8_t>(l[i] - 4);
    }
  put_two_bits(l.data(), to + 32);
}

// Q4_K and Q5_K: levels 15 or 31, eight parts of 32.
void quantize_pairs(const float* x, const float* importance, int levels, uint8_t* to) {
  std::array<uint8_t, 256> l;
  std::array<float, 8> scales, minimums, weight;
  std::array<uint8_t, 8> s, m;
  const float mean_square = 2 * sum_of_squares({x, 256}) / 256;
  for (size_t j = 0; j < 8; ++j) {
    const float* part = x + 32 * j;
    std::array<float, 32> w;
    Search search{-0.9f, 0.05f, 36};
    if (importance) {
      w = weights_of<32>(importance + 32 * j, part, mean_square);
    } else {
      const float typical = std::sqrt(sum_of_squares({part, 32}) / 32);
      for (size_t i = 0; i < 32; ++i) w[i] = typical + std::fabs(part[i]);
      search = levels == 15 ? Search{-1.0f, 0.1f, 20} : Search{-0.5f, 0.1f, 15};
    }
    weight[j] = 0;
    for (const float one : w) weight[j] += one;
    const Affine fit = fit_affine({part, 32}, levels, w.data(), search, l.data() + 32 * j);
    scales[j] = fit.scale;
    minimums[j] = fit.minimum;
  }
  float d, d_minimum;
  if (importance) {
    d = fit_scales(scales, 63, weight.data(), s.data());
    d_minimum = fit_scales(minimums, 63, weight.data(), m.data());
  } else {
    const auto rounded = [](const std::array<float, 8>& from, std::array<uint8_t, 8>& out) {
      const float top = std::max(0.0f, *std::max_element(from.begin(), from.end()));
      const float inverse = top > 0 ? 63.0f / top : 0.0f;
      for (size_t j = 0; j < 8; ++j) out[j] = std::min<uint8_t>(63, static_cast<uint8_t>(nearest(inverse * from[j])));
      return top / 63.0f;
    };
    d = rounded(scales, s);
    d_minimum = rounded(minimums, m);
  }
  put_half(to, d);
  put_half(to + 2, d_minimum);
  // Six bits each: four whole pairs, whose upper bits carry those of the other four.
  uint8_t* packed = to + 4;
  for (size_t j = 0; j < 4; ++j) {
    s[j] = std::min<uint8_t>(63, s[j]);
    m[j] = std::min<uint8_t>(63, m[j]);
    s[j + 4] = std::min<uint8_t>(63, s[j + 4]);
    m[j + 4] = std::min<uint8_t>(63, m[j + 4]);
    packed[j] = static_cast<uint8_t>(s[j] | s[j + 4] >> 4 << 6);
    packed[j + 4] = static_cast<uint8_t>(m[j] | m[j + 4] >> 4 << 6);
    packed[j + 8] = static_cast<uint8_t>((s[j + 4] & 15) | (m[j + 4] & 15) << 4);
  }
  for (size_t j = 0; j < 8; ++j)
    again(x + 32 * j, 32, half_at(to) * static_cast<float>(s[j]), half_at(to + 2) * static_cast<float>(m[j]), 0, levels,
          0, l.data() + 32 * j);
  uint8_t* low = to + 16;
  if (levels == 31) {
    low += 32;
    std::memset(to + 16, 0, 32);
    for (size_t i = 0; i < 256; ++i) to[16 + i % 32] = static_cast<uint8_t>(to[16 + i % 32] | (l[i] >> 4) << (i / 32));
  }
  for (size_t i = 0; i < 128; ++i) {
    const size_t at = i / 32 * 64 + i % 32;
    low[i] = static_cast<uint8_t>((l[at] & 15) | (l[at + 32] & 15) << 4);
  }
}

void quantize_q6_k(const float* x, const float* importance, uint8_t* to) {
  std::array<int8_t, 256> l;
  std::array<float, 16> scales;
  for (size_t j = 0; j < 16; ++j)
    scales[j] = fit_signed({x + 16 * j, 16}, 32, importance ? importance + 16 * j : nullptr, l.data() + 16 * j);
  float size;
  const float top = extreme(scales, &size);
  if (size < kNothing) {
    std::memset(to, 0, 210);
    return;
  }
  const float inverse = -128.0f / top;
  put_half(to + 208, 1 / inverse);
  for (int j = 0; j < 16; ++j) {
    const auto scale = static_cast<int8_t>(std::min(127, nearest(inverse * scales[static_cast<size_t>(j)])));
    to[192 + j] = static_cast<uint8_t>(scale);
    again(x + 16 * j, 16, half_at(to + 208) * static_cast<float>(scale), 0.0f, -32, 31, 32, l.data() + 16 * j);
  }
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < 32; ++i) {
      const int8_t* from = l.data() + 128 * half + i;
      to[64 * half + i] = static_cast<uint8_t>((from[0] & 15) | (from[64] & 15) << 4);
      to[64 * half + 32 + i] = static_cast<uint8_t>((from[32] & 15) | (from[96] & 15) << 4);
      to[128 + 32 * half + i] =
          static_cast<uint8_t>(from[0] >> 4 | from[32] >> 4 << 2 | from[64] >> 4 << 4 | from[96] >> 4 << 6);
    }
}

void quantize_q8_k(const float* x, uint8_t* to) {
  float size;
  const float top = extreme({x, 256}, &size);
  std::memset(to, 0, 292);
  if (size == 0) return;
  const float inverse = -127.0f / top, d = 1 / inverse;
  std::memcpy(to, &d, sizeof d);
  for (int part = 0; part < 16; ++part) {
    int sum = 0;
    for (int i = 16 * part; i < 16 * part + 16; ++i) {
      const auto q = static_cast<int8_t>(std::min(127, nearest(inverse * x[i])));
      to[4 + i] = static_cast<uint8_t>(q);
      sum += q;
    }
    const auto stored = static_cast<int16_t>(sum);
    std::memcpy(to + 260 + 2 * part, &stored, sizeof stored);
  }
}

// --- the uneven levels of IQ4 ---

// The nearest level; of two as near the upper.
uint8_t nearest_level(float x) {
  if (x <= static_cast<float>(kIq4Levels[0])) return 0;
  if (x >= static_cast<float>(kIq4Levels[15])) return 15;
  uint8_t above = 1;
  while (above < 15 && !(x < static_cast<float>(kIq4Levels[above]))) ++above;
  const auto below = static_cast<uint8_t>(above - 1);
  return x - static_cast<float>(kIq4Levels[below]) < static_cast<float>(kIq4Levels[above]) - x ? below : above;
}

// A scale for 32 values: fifteen are tried around the obvious one.
float fit_levels(std::span<const float> x, const float* weights) {
  float size;
  const float top = extreme(x, &size);
  if (size < kNothing) return 0;
  const auto moments = [&](float inverse) {
    Moments m;
    for (size_t i = 0; i < x.size(); ++i) {
      const auto q = static_cast<float>(kIq4Levels[nearest_level(inverse * x[i])]);
      m.xl += weights[i] * q * x[i];
      m.ll += weights[i] * q * q;
    }
    return m;
  };
  float d = -top / static_cast<float>(kIq4Levels[0]);
  Moments m = moments(1 / d);
  d = m.ll > 0 ? m.xl / m.ll : 0.0f;
  float best = d * m.xl;
  for (int step = -7; step <= 7; ++step) {
    m = moments(static_cast<float>(step + kIq4Levels[0]) / top);
    if (m.ll > 0 && m.xl * m.xl > best * m.ll) {
      d = m.xl / m.ll;
      best = d * m.xl;
    }
  }
  return d;
}

float fit_levels(const float* x, const float* importance, float mean_square) {
  std::array<float, 32> w;
  if (importance)
    w = weights_of<32>(importance, x, mean_square);
  else
    for (size_t i = 0; i < 32; ++i) w[i] = x[i] * x[i];
  return fit_levels({x, 32}, w.data());
}
void put_levels(const float* x, float d, uint8_t* to) {
  const float inverse = d != 0 ? 1 / d : 0.0f;
  std::array<uint8_t, 32> l;
  for (size_t i = 0; i < 32; ++i) l[i] = nearest_level(inverse * x[i]);
  put_nibbles(l.data(), to);
}

void quantize_iq4_nl(const float* x, const float* importance, uint8_t* to) {
  const float mean_square = sum_of_squares({x, 32}) * (2.0f / 32);
  const float d = fit_levels(x, importance, mean_square);
  put_half(to, d);
  put_levels(x, d, to + 2);
}

void quantize_iq4_xs(const float* x, const float* importance, uint8_t* to) {
  const float mean_square = sum_of_squares({x, 256}) * (2.0f / 256);
  std::array<float, 8> scales;
  for (size_t j = 0; j < 8; ++j)
    scales[j] = fit_levels(x + 32 * j, importance ? importance + 32 * j : nullptr, mean_square);
  float size;
  const float d = -extreme(scales, &size) / 32, inverse = d != 0 ? 1 / d : 0.0f;
  put_half(to, d);
  std::memset(to + 2, 0, 6);
  for (int j = 0; j < 8; ++j) {
    const int l = std::clamp(nearest(inverse * scales[static_cast<size_t>(j)]), -32, 31), lifted = l + 32;
    to[2 + j / 4] = static_cast<uint8_t>(to[2 + j / 4] | lifted >> 4 << (j % 4 * 2));
    to[4 + j / 2] = static_cast<uint8_t>(to[4 + j / 2] | (lifted & 15) << (j % 2 * 4));
    put_levels(x + 32 * j, d * static_cast<float>(l), to + 8 + 16 * j);
  }
}

void quantize_row(DType type, const Row& row, uint8_t* to) {
  const auto step = static_cast<int64_t>(info(type).block);
  for (int64_t at = 0; at < row.width; at += step, to += info(type).bytes) {
    const float* x = row.x + at;
    const float* importance = row.importance ? row.importance + at : nullptr;
    switch (type) {
      case DType::q4_0:
        quantize_signed(row, at, 8, to);
        break;
      case DType::q4_1:
        quantize_affine(row, at, 15, to);
        break;
      case DType::q5_0:
        quantize_signed(row, at, 16, to);
        break;
      case DType::q5_1:
        quantize_affine(row, at, 31, to);
        break;
      case DType::q8_0:
        quantize_q8_0(x, to);
        break;
      case DType::q2_k:
        quantize_q2_k(x, importance, to);
        break;
      case DType::q3_k:
        quantize_q3_k(x, importance, to);
        break;
      case DType::q4_k:
        quantize_pairs(x, importance, 15, to);
        break;
      case DType::q5_k:
        quantize_pairs(x, importance, 31, to);
        break;
      case DType::q6_k:
        quantize_q6_k(x, importance, to);
        break;
      case DType::q8_k:
        quantize_q8_k(x, to);
        break;
      case DType::iq4_nl:
        quantize_iq4_nl(x, importance, to);
        break;
      case DType::iq4_xs:
        quantize_iq4_xs(x, importance, to);
        break;
      case DType::mxfp4:
        quantize_mxfp4(x, to);
        break;
      default:
        fail(ErrorKind::unsupported, "nothing is quantized to {}", info(type).name);
    }
  }
}

}  // namespace

void quantize(ThreadPool& pool, DType type, const float* values, int64_t rows, int64_t width, const float* importance,
              void* blocks) {
  const auto block = static_cast<int64_t>(info(type).block);
  if (!is_blocks(type) || type == DType::i4)
    fail(ErrorKind::unsupported, "nothing is quantized to {}", info(type).name);
  check(width % block == 0, "quantize: rows are no whole blocks");
  const int64_t row_bytes = width / block * static_cast<int64_t>(info(type).bytes);
  pool.parallel_ranges(
      rows, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, width)), [&](int64_t begin, int64_t end) {
        const KeepDenormals exactly;
        for (int64_t r = begin; r < end; ++r) {
          Row row{values + r * width, width, importance, 0};
          // Not the sum, which may overflow by itself; 0 times what is no number is none either.
          float wrong = 0;
          for (int64_t i = 0; i < width; ++i) wrong += row.x[i] * 0.0f;
          if (wrong != 0) fail(ErrorKind::bad_file, "row {}: infinite or not a number: cannot be quantized", r);
          if (importance)
            row.mean_square = sum_of_squares({row.x, static_cast<size_t>(width)}) / static_cast<float>(width);
          quantize_row(type, row, static_cast<uint8_t*>(blocks) + r * row_bytes);
        }
      });
}

}  // namespace glassbox
