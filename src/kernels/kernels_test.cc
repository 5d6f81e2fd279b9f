// Every function of every set against the plain set, bit for bit, at every awkward size; and the bits of a row must
// not depend on what else is computed with it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/kernels_testing.h"

namespace glassbox {
namespace {

using testing::difference;
using testing::expect_same;
using testing::Numbers;
using testing::plain;

const std::vector<int64_t> kLengths = {0,  1,  2,  3,  7,  8,   9,   15,  16,  17,  31,  32,  33,  47,
                                       48, 49, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 1000};

TEST(Kernels, ValuesOneByOne) {
  Numbers numbers(1);
  for (const int64_t n : kLengths) {
    for (const int64_t offset : {0, 1, 3}) {
      const auto a = numbers.floats(n + offset), b = numbers.floats(n + offset), y = numbers.floats(n + offset + 20);
      const float *pa = a.data() + offset, *pb = b.data() + offset;
      const auto check = [&](const char* name, auto call) {
        expect_same(fmt::format("{} n={} offset={}", name, n, offset), y,
                    [&](const Kernels& k, std::vector<float>& out) { call(k, out.data() + offset); });
      };
      check("add", [&](const Kernels& k, float* o) { k.add(pa, pb, o, n); });
      check("add in place", [&](const Kernels& k, float* o) { k.add(o, pb, o, n); });
      check("multiply", [&](const Kernels& k, float* o) { k.multiply(pa, pb, o, n); });
      check("scale_add", [&](const Kernels& k, float* o) { k.scale_add(1.7f, pa, o, n); });
      check("scale", [&](const Kernels& k, float* o) { k.scale(-0.3f, o, n); });
      check("silu", [&](const Kernels& k, float* o) { k.silu(pa, o, n); });
      check("silu_backward", [&](const Kernels& k, float* o) { k.silu_backward(pa, pb, o, n); });
      check("gelu_tanh", [&](const Kernels& k, float* o) { k.gelu_tanh(pa, o, n); });
      check("gelu_tanh_backward", [&](const Kernels& k, float* o) { k.gelu_tanh_backward(pa, pb, o, n); });
      check("soft_cap", [&](const Kernels& k, float* o) { k.soft_cap(1.3f, pa, o, n); });
      check("soft_cap_backward", [&](const Kernels& k, float* o) { k.soft_cap_backward(1.3f, pa, pb, o, n); });
      check("clamp", [&](const Kernels& k, float* o) { k.clamp(-0.4f, 0.9f, pa, o, n); });
      check("clamp_backward", [&](const Kernels& k, float* o) { k.clamp_backward(-0.4f, 0.9f, pa, pb, o, n); });
      check("multiply_backward", [&](const Kernels& k, float* o) { k.multiply_backward(pa, pb, o, n); });
      check("exp", [&](const Kernels& k, float* o) { k.exp(pa, o, n); });
      check("softmax", [&](const Kernels& k, float* o) { k.softmax(pa, n, 300.0f, 5.0f, 0.5f, o, false); });
      check("softmax added", [&](const Kernels& k, float* o) { k.softmax(pa, n, 2.0f, 5.0f, -0.5f, o, true); });
      check("rope", [&](const Kernels& k, float* o) { k.rope(o, pa, pb, n / 2 * 2); });
      check("sum_squares", [&](const Kernels& k, float* o) { o[0] = k.sum_squares(pa, n); });
      check("log_sum_exp", [&](const Kernels& k, float* o) { k.log_sum_exp(pa, n, o, o + 1); });
      if (n > 0) {
        check("rms_norm", [&](const Kernels& k, float* o) { k.rms_norm(pa, pb, 1e-5f, o, o + n, n); });
        check("layer_norm", [&](const Kernels& k, float* o) { k.layer_norm(pa, 1e-5f, o, o + n, n); });
        check("layer_norm_backward", [&](const Kernels& k, float* o) { k.layer_norm_backward(pa, 0.7f, pb, o, n); });
        check("rms_norm_backward",
              [&](const Kernels& k, float* o) { k.rms_norm_backward(pa, pb, 0.7f, pa, o, nullptr, n); });
      }
    }
  }
}

TEST(Kernels, ValuesOneByOneWithTwoResults) {
  Numbers numbers(2);
  for (const int64_t n : kLengths) {
    if (n == 0) continue;
    const auto x = numbers.floats(n), w = numbers.floats(n), dy = numbers.floats(n), y = numbers.floats(3 * n + 20);
    expect_same(fmt::format("rms_norm_backward n={}", n), y, [&](const Kernels& k, std::vector<float>& out) {
      k.rms_norm_backward(x.data(), w.data(), 0.7f, dy.data(), out.data(), out.data() + n, n);
    });
    auto state = y;
    for (int64_t i = 0; i < n; ++i) state[2 * n + i] = std::abs(state[2 * n + i]);  // v, a mean of squares
    const Kernels::AdamW step = {1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 1.9f, 3.1f, 0.5f};
    expect_same(fmt::format("adamw n={}", n), state, [&](const Kernels& k, std::vector<float>& out) {
      k.adamw(step, dy.data(), out.data(), out.data() + n, out.data() + 2 * n, n);
    });
  }
}

TEST(Kernels, AValueDoesNotDependOnItsPlace) {
  const FlushDenormals flush;
  Numbers numbers(3);
  const auto x = numbers.floats(257);
  for (const Kernels* set : available_kernels()) {
    std::vector<float> whole(x.size()), one(1);
    const auto check = [&](auto call) {
      call(x.data(), whole.data(), static_cast<int64_t>(x.size()));
      for (size_t i = 0; i < x.size(); ++i) {
        call(&x[i], one.data(), 1);
        ASSERT_EQ(std::memcmp(&one[0], &whole[i], sizeof(float)), 0) << set->name << " at " << i;
      }
    };
    check(set->exp);
    check(set->silu);
    check([&](const float* from, float* to, int64_t n) { set->soft_cap(1.0f, from, to, n); });
    check(set->gelu_tanh);
    check([&](const float* from, float* to, int64_t n) { set->softmax(from, n, 1.0f, 3.0f, 1.0f, to, false); });
  }
}

TEST(Kernels, Logarithms) {
  Numbers numbers(4);
  for (const int64_t n : kLengths) {
    auto x = numbers.floats(n);
    for (float& v : x) v = std::abs(v);
    expect_same(fmt::format("log n={}", n), numbers.floats(n + 20),
                [&](const Kernels& k, std::vector<float>& out) { k.log(x.data(), out.data(), n); });
  }
}

TEST(Kernels, Conversions) {
  const FlushDenormals flush;
  Numbers numbers(5);
  for (const Kernels* set : available_kernels()) {
    for (const int64_t n : kLengths) {
      std::vector<float> x(static_cast<size_t>(n));
      for (float& v : x)
        v = __builtin_bit_cast(float, static_cast<uint32_t>(numbers.bits()));  // NaN and infinities too
      std::vector<uint16_t> y(static_cast<size_t>(n) + 20, 0x1234);
      set->to_bf16(x.data(), y.data(), n);
      for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], f32_to_bf16(x[i])) << set->name;
      for (size_t i = static_cast<size_t>(n); i < y.size(); ++i) ASSERT_EQ(y[i], 0x1234) << set->name;
      std::vector<float> back(static_cast<size_t>(n) + 20, 5.0f);
      set->from_bf16(y.data(), back.data(), n);
      for (int64_t i = 0; i < n; ++i)
        ASSERT_EQ(__builtin_bit_cast(uint32_t, back[i]), static_cast<uint32_t>(y[i]) << 16) << set->name;
      for (size_t i = static_cast<size_t>(n); i < back.size(); ++i) ASSERT_EQ(back[i], 5.0f) << set->name;
    }
  }
}

TEST(Kernels, EveryHalf) {
  std::vector<uint16_t> all(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  for (const int64_t n : {65536, 65535, 17, 3})
    expect_same(fmt::format("from_f16 n={}", n), std::vector<float>(static_cast<size_t>(n) + 20),
                [&](const Kernels& k, std::vector<float>& out) { k.from_f16(all.data(), out.data(), n); });
  std::vector<float> wide(65536);
  plain().from_f16(all.data(), wide.data(), 65536);
  for (uint32_t i = 0; i < 65536; ++i) {
    const int exponent = (i >> 10) & 31;
    const double fraction = i & 1023, sign = i & 0x8000 ? -1 : 1;
    if (exponent == 31) {
      ASSERT_TRUE(fraction == 0 ? wide[i] == sign * std::numeric_limits<float>::infinity() : wide[i] != wide[i]) << i;
    } else {
      const double want = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
      ASSERT_EQ(wide[i], sign * want) << i;
    }
  }
}

struct Shape {
  int64_t m, n, k;
};

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const int64_t m : {0, 1, 2, 3, 4, 5, 6, 7, 13})
    for (const int64_t n : {0, 1, 3, 15, 16, 17, 33})
      for (const int64_t k : {0, 1, 2, 15, 31, 32, 33, 65}) all.push_back({m, n, k});
  all.insert(all.end(), {{14, 64, 300},
                         {15, 65, 257},
                         {29, 40, 512},
                         {1, 50, 513},
                         {2, 600, 40},
                         {33, 530, 35},
                         {345, 20, 33},
                         {9, 17, 600},
                         {13, 70, 1100},
                         {53, 66, 2050},
                         // What tiles of sixteen tokens, outputs and 32 inputs take, and what is left of them.
                         {16, 48, 96},
                         {17, 31, 100},
                         {31, 33, 64},
                         {32, 64, 545},
                         {33, 400, 70},
                         {100, 37, 1100},
                         {600, 40, 70}});
  return all;
}

TEST(Kernels, Matmul) {
  Numbers numbers(6);
  for (const auto [m, n, k] : shapes()) {
    const int64_t ldx = k + 3, ldw = k + 1, ldy = n + 5;
    const auto what = fmt::format("m={} n={} k={}", m, n, k);
    const auto y = numbers.floats(m * ldy + 20);
    {
      const auto x = numbers.floats(m * ldx + 1), w = numbers.floats(n * ldw + 1);
      expect_same("matmul_f32 " + what, y, [&](const Kernels& s, std::vector<float>& out) {
        s.matmul_f32(x.data() + 1, ldx, w.data() + 1, ldw, out.data(), ldy, m, n, k);
      });
    }
    {
      const auto x = numbers.floats(m * ldx);
      std::vector<uint16_t> w(static_cast<size_t>(n * ldw));
      for (uint16_t& v : w) v = static_cast<uint16_t>(numbers.bits() & 0xbbffu);  // every half but the infinite and NaN
      expect_same("matmul_f16 " + what, y, [&](const Kernels& s, std::vector<float>& out) {
        s.matmul_f16(x.data(), ldx, w.data(), ldw, out.data(), ldy, m, n, k);
      });
    }
    {
      const auto x = numbers.bf16s(m * ldx + 1), w = numbers.bf16s(n * ldw + 1);
      expect_same("matmul_bf16 " + what, y, [&](const Kernels& s, std::vector<float>& out) {
        s.matmul_bf16(x.data() + 1, ldx, w.data() + 1, ldw, out.data(), ldy, m, n, k);
      });
    }
  }
}

// bf16 of any bits: infinities, NaN, denormals and sums that leave the range. Sets may differ in what a NaN carries.
TEST(Kernels, MatmulOfAnyBits) {
  const FlushDenormals flush;
  Numbers numbers(9);
  for (const auto [m, n, k] : std::vector<Shape>{{3, 17, 70}, {16, 16, 32}, {31, 33, 65}, {48, 40, 600}}) {
    auto x = numbers.bf16s(m * k), w = numbers.bf16s(n * k);
    for (auto* v : {&x, &w})
      for (uint16_t& value : *v) {
        const auto kind = numbers.below(4 * k);
        if (kind < 2) value = static_cast<uint16_t>(numbers.bits());
        if (kind == 2) value = static_cast<uint16_t>(0x7f80 | (numbers.bits() & 0x8000));
        if (kind < 2 * k && kind > k) value = static_cast<uint16_t>(value & 0x80ff);  // denormal, or nearly
      }
    std::vector<float> want(static_cast<size_t>(m * n)), got(want.size());
    plain().matmul_bf16(x.data(), k, w.data(), k, want.data(), n, m, n, k);
    ASSERT_TRUE(std::any_of(want.begin(), want.end(), [](float v) { return std::isnan(v); }));
    ASSERT_TRUE(std::any_of(want.begin(), want.end(), [](float v) { return std::isinf(v); }));
    for (const Kernels* set : available_kernels()) {
      set->matmul_bf16(x.data(), k, w.data(), k, got.data(), n, m, n, k);
      for (float* v : {want.data(), got.data()})
        for (int64_t i = 0; i < m * n; ++i)
          if (std::isnan(v[i])) v[i] = std::nanf("");
      ASSERT_EQ(difference(want, got), "") << set->name << " m=" << m << " n=" << n << " k=" << k;
    }
  }
}

TEST(Kernels, Amx) {
  const auto sets = available_kernels();
  if (std::none_of(sets.begin(), sets.end(), [](const Kernels* set) { return set->name == "amx"; }))
    GTEST_SKIP() << "no AMX here, or no leave to use it: its kernels were compared with nothing";
  EXPECT_EQ(sets.back()->name, "amx");
  EXPECT_NE(sets.back()->matmul_bf16, sets[sets.size() - 2]->matmul_bf16);
  EXPECT_NE(sets.back()->matmul_blocks, sets[sets.size() - 2]->matmul_blocks);
}

TEST(Kernels, Gemm) {
  Numbers numbers(7);
  for (const auto [m, n, k] : shapes()) {
    const int64_t ldb = n + 3, ldc = n + 5;
    const auto c = numbers.floats(m * ldc + 20), b = numbers.floats(k * ldb + 1);
    const auto b16 = numbers.bf16s(k * ldb + 1);
    for (const bool transposed : {false, true}) {
      const int64_t a_row = transposed ? 1 : k + 2, a_column = transposed ? m + 2 : 1;
      const auto a = numbers.floats(transposed ? k * a_column : m * a_row);
      const auto what = fmt::format("m={} n={} k={} transposed={}", m, n, k, transposed);
      expect_same("gemm " + what, c, [&](const Kernels& s, std::vector<float>& out) {
        s.gemm(a.data(), a_row, a_column, b.data() + 1, DType::f32, ldb, out.data(), ldc, m, n, k);
      });
      expect_same("gemm bf16 " + what, c, [&](const Kernels& s, std::vector<float>& out) {
        s.gemm(a.data(), a_row, a_column, b16.data() + 1, DType::bf16, ldb, out.data(), ldc, m, n, k);
      });
    }
  }
}

// One call, or the same cut into tiles of rows, of outputs, and for gemm of the sum.
TEST(Kernels, TilesDoNotChangeBits) {
  const FlushDenormals flush;
  Numbers numbers(8);
  const int64_t m = 33, n = 70, k = 300;
  const auto x = numbers.floats(m * k), w = numbers.floats(n * k), b = numbers.floats(k * n);
  const auto x16 = numbers.bf16s(m * k), w16 = numbers.bf16s(n * k);
  for (const Kernels* s : available_kernels()) {
    std::vector<float> f32(m * n), bf16(m * n), chain(m * n, 0.5f);
    s->matmul_f32(x.data(), k, w.data(), k, f32.data(), n, m, n, k);
    s->matmul_bf16(x16.data(), k, w16.data(), k, bf16.data(), n, m, n, k);
    s->gemm(x.data(), k, 1, b.data(), DType::f32, n, chain.data(), n, m, n, k);
    for (const int64_t tile : {1, 2, 4, 7, 16, 32}) {
      std::vector<float> f32_tiles(m * n), bf16_tiles(m * n), chain_tiles(m * n, 0.5f);
      for (int64_t r = 0; r < m; r += tile)
        for (int64_t o = 0; o < n; o += 2 * tile) {
          const int64_t rows = std::min(tile, m - r), outputs = std::min(2 * tile, n - o);
          s->matmul_f32(&x[r * k], k, &w[o * k], k, &f32_tiles[r * n + o], n, rows, outputs, k);
          s->matmul_bf16(&x16[r * k], k, &w16[o * k], k, &bf16_tiles[r * n + o], n, rows, outputs, k);
          for (int64_t p = 0; p < k; p += 40 * tile)
            s->gemm(&x[r * k + p], k, 1, &b[p * n + o], DType::f32, n, &chain_tiles[r * n + o], n, rows, outputs,
                    std::min(40 * tile, k - p));
        }
      ASSERT_EQ(difference(f32, f32_tiles), "") << s->name << " tile " << tile;
      ASSERT_EQ(difference(bf16, bf16_tiles), "") << s->name << " tile " << tile;
      ASSERT_EQ(difference(chain, chain_tiles), "") << s->name << " tile " << tile;
    }
  }
}

}  // namespace
}  // namespace glassbox
