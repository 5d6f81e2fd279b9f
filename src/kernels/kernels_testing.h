// What the kernels' tests share: numbers to compute with, and the comparison of sets bit for bit.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/threads.h"
#include "kernels/kernels.h"

namespace glassbox::testing {

// Every type of weights in blocks.
struct BlockFormat {
  DType type;
  std::vector<size_t> halves;  // bytes of a block where float16 values lie
};
inline const std::vector<BlockFormat> kBlockFormats = {
    {DType::q4_0, {0}},      {DType::q4_1, {0, 2}}, {DType::q5_0, {0}},    {DType::q5_1, {0, 2}}, {DType::q8_0, {0}},
    {DType::q2_k, {80, 82}}, {DType::q3_k, {108}},  {DType::q4_k, {0, 2}}, {DType::q5_k, {0, 2}}, {DType::q6_k, {208}},
    {DType::q8_k, {}},       {DType::iq4_nl, {0}},  {DType::iq4_xs, {0}},  {DType::mxfp4, {}},    {DType::i4, {0}},
    {DType::f4_e2m1, {}},    {DType::iq1_s, {0}},   {DType::iq1_m, {}},    {DType::iq2_xxs, {0}}, {DType::iq2_xs, {0}},
    {DType::iq2_s, {0}},     {DType::iq3_xxs, {0}}, {DType::iq3_s, {0}},   {DType::tq1_0, {52}},  {DType::tq2_0, {64}},
    {DType::nvfp4, {}},      {DType::q1_0, {0}},    {DType::q2_0, {0}}};

// splitmix64: the same numbers on every machine.
class Numbers {
 public:
  explicit Numbers(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
  float uniform(float from, float to) { return from + (to - from) * static_cast<float>(bits() >> 40) * 0x1p-24f; }

  // Mostly between -2 and 2; some zeros of both signs, denormals, very small and rather large values.
  float rough() {
    switch (below(40)) {
      case 0:
        return 0.0f;
      case 1:
        return -0.0f;
      case 2:
        return uniform(-1, 1) * 1e-39f;
      case 3:
        return uniform(-1, 1) * 1e-25f;
      case 4:
        return uniform(-1, 1) * 300.0f;
      default:
        return uniform(-2, 2);
    }
  }
  std::vector<float> floats(int64_t n, bool smooth = false) {
    std::vector<float> v(static_cast<size_t>(n));
    for (float& x : v) x = smooth ? uniform(-1, 1) : rough();
    return v;
  }
  std::vector<uint16_t> bf16s(int64_t n, bool smooth = false) {
    std::vector<uint16_t> v(static_cast<size_t>(n));
    for (uint16_t& x : v) x = f32_to_bf16(smooth ? uniform(-1, 1) : rough());
    return v;
  }

 private:
  uint64_t state_;
};

inline const Kernels& plain() { return *available_kernels().front(); }

// "", or where two arrays differ first.
inline std::string difference(const std::vector<float>& want, const std::vector<float>& got) {
  if (want.size() != got.size()) return "sizes differ";
  if (want.empty() || std::memcmp(want.data(), got.data(), want.size() * sizeof(float)) == 0) return "";
  for (size_t i = 0; i < want.size(); ++i)
    if (std::memcmp(&want[i], &got[i], sizeof(float)) != 0) {
      char text[120];
      std::snprintf(text, sizeof text, "at %zu of %zu: expected %a, got %a", i, want.size(),
                    static_cast<double>(want[i]), static_cast<double>(got[i]));
      return text;
    }
  return "";
}

// run(set, out) fills `out` as it came, with every set; all must agree with the plain one, to the bit. `out` comes with
// room beyond what run may write, so that a store too many is seen too.
template <class Run>
void expect_same(const std::string& what, const std::vector<float>& out, Run run) {
  const FlushDenormals flush;
  std::vector<float> want = out;
  run(plain(), want);
  for (const Kernels* set : available_kernels()) {
    std::vector<float> got = out;
    run(*set, got);
    ASSERT_EQ(difference(want, got), "") << what << " with " << set->name;
  }
}

}  // namespace glassbox::testing
