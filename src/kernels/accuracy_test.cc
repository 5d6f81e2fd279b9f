// The plain set against mathematics: double precision, the instruction it imitates, finite differences. What the other
// sets compute follows, as they equal it to the bit.
#include <fmt/format.h>

#include <cmath>

#include "kernels/kernels_testing.h"

namespace glassbox {
namespace {

using testing::Numbers;
using testing::plain;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double ulps(float got, double want) {
  const float near = static_cast<float>(want);
  const double unit = std::abs(static_cast<double>(std::nextafter(near, kInfinity)) - near);
  return std::abs(got - want) / unit;
}

const Kernels& fastest() { return *available_kernels().back(); }

float exp_of(float x) {
  const FlushDenormals flush;
  float y;
  fastest().exp(&x, &y, 1);
  return y;
}
float log_of(float x) {
  const FlushDenormals flush;
  float y;
  fastest().log(&x, &y, 1);
  return y;
}

TEST(Accuracy, Exp) {
  std::vector<float> x;
  Numbers numbers(21);
  for (int i = 0; i < 400000; ++i) x.push_back(numbers.uniform(-87.3f, 88.7f));
  for (int i = 0; i < 200000; ++i) x.push_back(numbers.uniform(-1, 1));
  std::vector<float> y(x.size());
  fastest().exp(x.data(), y.data(), static_cast<int64_t>(x.size()));
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, ulps(y[i], std::exp(static_cast<double>(x[i]))));
  RecordProperty("ulps", fmt::format("{}", worst));
  EXPECT_LT(worst, 1.01);
}

TEST(Accuracy, ExpAtTheEnds) {
  EXPECT_EQ(exp_of(0.0f), 1.0f);
  EXPECT_EQ(exp_of(-0.0f), 1.0f);
  EXPECT_EQ(exp_of(1e-39f), 1.0f);
  EXPECT_EQ(exp_of(-kInfinity), 0.0f);
  EXPECT_EQ(exp_of(-1e30f), 0.0f);
  EXPECT_EQ(exp_of(-88.0f), 0.0f);
  EXPECT_EQ(exp_of(kInfinity), kInfinity);
  EXPECT_EQ(exp_of(88.73f), kInfinity);
  EXPECT_TRUE(std::isnan(exp_of(std::nanf(""))));
  // Every float around both ends: a normal number or zero, never a denormal; finite as long as the true value is.
  for (float x = -87.4f; x < -87.3f; x = std::nextafter(x, 0.0f)) {
    const float y = exp_of(x);
    ASSERT_TRUE(y == 0.0f || y >= std::numeric_limits<float>::min()) << x;
    if (std::exp(static_cast<double>(x)) >= 1.0001 * std::numeric_limits<float>::min()) {
      ASSERT_LT(ulps(y, std::exp(static_cast<double>(x))), 1.01) << x;
    }
  }
  for (float x = 88.70f; x < 88.74f; x = std::nextafter(x, 100.0f)) {
    const double want = std::exp(static_cast<double>(x));
    if (want <= std::numeric_limits<float>::max()) {
      ASSERT_LT(ulps(exp_of(x), want), 1.01) << x;
    } else {
      ASSERT_EQ(exp_of(x), kInfinity) << x;
    }
  }
}

TEST(Accuracy, Tanh) {
  const FlushDenormals flush;
  std::vector<float> x = {0.0f, -0.0f, 0.625f, -0.625f, 20.0f, -20.0f, 1e30f, kInfinity, -kInfinity};
  Numbers numbers(23);
  for (int i = 0; i < 300000; ++i) x.push_back(numbers.uniform(-1, 1));
  for (int i = 0; i < 300000; ++i) x.push_back(numbers.uniform(-12, 12));
  std::vector<float> y(x.size());
  fastest().soft_cap(1.0f, x.data(), y.data(), static_cast<int64_t>(x.size()));  // of 1: tanh itself
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, ulps(y[i], std::tanh(static_cast<double>(x[i]))));
  RecordProperty("ulps", fmt::format("{}", worst));
  EXPECT_LT(worst, 1.6);
  float nan = std::nanf("");
  fastest().soft_cap(1.0f, &nan, &nan, 1);
  EXPECT_TRUE(std::isnan(nan));
}

TEST(Accuracy, GeluTanh) {
  const FlushDenormals flush;
  Numbers numbers(24);
  const auto exact = [](double v) {
    return 0.5 * v * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (v + 0.044715 * v * v * v)));
  };
  for (int i = 0; i < 100000; ++i) {
    const float x = numbers.uniform(-8, 8), one = 1;
    const double v = x;
    float y, slope = 0;
    fastest().gelu_tanh(&x, &y, 1);
    fastest().gelu_tanh_backward(&x, &one, &slope, 1);
    ASSERT_NEAR(y, exact(v), 3e-7 * (1 + std::abs(v))) << v;
    ASSERT_NEAR(slope, (exact(v + 1e-5) - exact(v - 1e-5)) / 2e-5, 2e-6) << v;
  }
}

TEST(Accuracy, Log) {
  Numbers numbers(22);
  std::vector<float> x;
  for (int i = 0; i < 300000; ++i)
    x.push_back(__builtin_bit_cast(float, static_cast<uint32_t>(0x00800000 + numbers.below(0x7f000000))));
  for (int i = 0; i < 200000; ++i) x.push_back(numbers.uniform(0.5f, 2.0f));
  std::vector<float> y(x.size());
  fastest().log(x.data(), y.data(), static_cast<int64_t>(x.size()));
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, ulps(y[i], std::log(static_cast<double>(x[i]))));
  RecordProperty("ulps", fmt::format("{}", worst));
  EXPECT_LT(worst, 1.5);
}

TEST(Accuracy, LogAtTheEnds) {
  EXPECT_EQ(log_of(1.0f), 0.0f);
  EXPECT_EQ(log_of(0.0f), -kInfinity);
  EXPECT_EQ(log_of(-0.0f), -kInfinity);
  EXPECT_EQ(log_of(1e-40f), -kInfinity);  // a denormal counts as zero
  EXPECT_EQ(log_of(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(log_of(-1.0f)));
  EXPECT_TRUE(std::isnan(log_of(-kInfinity)));
  EXPECT_TRUE(std::isnan(log_of(std::nanf(""))));
  EXPECT_LT(
      ulps(log_of(std::numeric_limits<float>::min()), std::log(static_cast<double>(std::numeric_limits<float>::min()))),
      1.5);
  EXPECT_LT(
      ulps(log_of(std::numeric_limits<float>::max()), std::log(static_cast<double>(std::numeric_limits<float>::max()))),
      1.5);
}

// TDPBF16PS as Intel's manual gives it in pseudo-code: for one output, 16 pairs into two sums, then their sum.
float tile_product(const uint16_t* x, const uint16_t* w, int64_t k) {
  float total = 0;
  for (int64_t from = 0; from < k; from += 32) {
    float even = 0, odd = 0;
    for (int64_t i = from; i < from + 32; ++i) {
      const float a = i < k ? bf16_to_f32(x[i]) : 0.0f, b = i < k ? bf16_to_f32(w[i]) : 0.0f;
      float& sum = i % 2 ? odd : even;
      sum = std::fma(a, b, sum);
    }
    total += even + odd;
  }
  return total;
}

TEST(Accuracy, Bf16ProductsAreThoseOfTheTileInstruction) {
  const FlushDenormals flush;
  Numbers numbers(23);
  for (const int64_t k : {1, 2, 31, 32, 33, 64, 200, 256, 257, 640})
    for (const int64_t m : {1, 3, 4, 5, 20}) {
      const int64_t n = 37;
      const auto x = numbers.bf16s(m * k), w = numbers.bf16s(n * k);
      for (const Kernels* set : available_kernels()) {
        std::vector<float> y(m * n);
        set->matmul_bf16(x.data(), k, w.data(), k, y.data(), n, m, n, k);
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            const float want = tile_product(&x[i * k], &w[j * k], k);
            ASSERT_EQ(std::memcmp(&y[i * n + j], &want, sizeof want), 0) << set->name << " m=" << m << " k=" << k;
          }
      }
    }
}

// Products and sums that leave the range of normal numbers are zero.
TEST(Accuracy, DenormalsAreFlushed) {
  const FlushDenormals flush;
  for (const Kernels* set : available_kernels()) {
    const std::vector<uint16_t> tiny(64, f32_to_bf16(1e-39f)), small(64, f32_to_bf16(1e-20f)),
        one(64, f32_to_bf16(1.0f));
    for (const int64_t m : {1, 7}) {
      std::vector<uint16_t> x;
      for (int64_t r = 0; r < m; ++r) x.insert(x.end(), small.begin(), small.end());
      std::vector<float> y(m, 9.0f);
      set->matmul_bf16(x.data(), 64, small.data(), 64, y.data(), 1, m, 1, 64);  // each product 1e-40
      for (const float v : y) EXPECT_EQ(v, 0.0f) << set->name;
      set->matmul_bf16(x.data(), 64, one.data(), 64, y.data(), 1, m, 1, 64);
      for (const float v : y) EXPECT_GT(v, 6e-19f) << set->name;
      set->matmul_bf16(x.data(), 64, tiny.data(), 64, y.data(), 1, m, 1, 64);
      for (const float v : y) EXPECT_EQ(v, 0.0f) << set->name;
    }
    float a[16], b[16], y[16];
    for (int i = 0; i < 16; ++i) a[i] = b[i] = 1e-20f;
    set->multiply(a, b, y, 16);
    for (const float v : y) EXPECT_EQ(v, 0.0f) << set->name;
    for (int i = 0; i < 16; ++i) b[i] = 1e-39f;
    set->add(b, b, y, 15);
    for (int i = 0; i < 15; ++i) EXPECT_EQ(y[i], 0.0f) << set->name;
  }
}

TEST(Accuracy, Products) {
  const FlushDenormals flush;
  Numbers numbers(24);
  const int64_t m = 9, n = 21, k = 333;
  const auto x = numbers.floats(m * k, true), w = numbers.floats(n * k, true), c = numbers.floats(m * n, true);
  std::vector<float> y(m * n), z = c;
  plain().matmul_f32(x.data(), k, w.data(), k, y.data(), n, m, n, k);
  plain().gemm(x.data(), 1, m, w.data(), DType::f32, n, z.data(), n, m, n, k);  // x as [k, m], w as [k, n]
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double dot = 0, sum = c[i * n + j];
      for (int64_t p = 0; p < k; ++p) {
        dot += static_cast<double>(x[i * k + p]) * w[j * k + p];
        sum += static_cast<double>(x[p * m + i]) * w[p * n + j];
      }
      ASSERT_NEAR(y[i * n + j], dot, 3e-5);
      ASSERT_NEAR(z[i * n + j], sum, 3e-5);
    }
}

// The order that matmul_f32's contract states, written out.
TEST(Accuracy, LanesAndTree) {
  const FlushDenormals flush;
  Numbers numbers(25);
  for (const int64_t k : {1, 16, 50, 333}) {
    const auto x = numbers.floats(k), w = numbers.floats(k);
    float lane[16] = {};
    for (int64_t i = 0; i < k; ++i) lane[i % 16] = std::fma(x[i], w[i], lane[i % 16]);
    for (int step = 8; step > 0; step /= 2)
      for (int i = 0; i < step; ++i) lane[i] += lane[i + step];
    float y;
    plain().matmul_f32(x.data(), k, w.data(), k, &y, 1, 1, 1, k);
    ASSERT_EQ(y, lane[0]) << k;
  }
}

// Central differences in double of what the kernel means, against the kernel's gradient.
TEST(Accuracy, GradientsOfRows) {
  const FlushDenormals flush;
  Numbers numbers(26);
  const int64_t n = 37;
  auto x = numbers.floats(n, true), w = numbers.floats(n, true);
  const auto dy = numbers.floats(n, true);
  const auto norm_loss = [&] {
    double squares = 0, sum = 0;
    for (int64_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * x[i];
    for (int64_t i = 0; i < n; ++i) sum += dy[i] * (x[i] / std::sqrt(squares / n + 1e-3)) * w[i];
    return sum;
  };
  const auto silu_loss = [&] {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += dy[i] * (x[i] / (1 + std::exp(-static_cast<double>(x[i]))));
    return sum;
  };
  const auto slope = [](float& v, auto loss) {
    const float was = v;
    v = was + 1e-3f;
    const double up = loss(), right = v;
    v = was - 1e-3f;
    const double down = loss(), left = v;
    v = was;
    return (up - down) / (right - left);
  };
  std::vector<float> y(n), dx(n, 0.5f), dw(n, 0.25f), dsilu(n, 0.5f);
  float inverse;
  plain().rms_norm(x.data(), w.data(), 1e-3f, y.data(), &inverse, n);
  plain().rms_norm_backward(x.data(), w.data(), inverse, dy.data(), dx.data(), dw.data(), n);
  plain().silu_backward(x.data(), dy.data(), dsilu.data(), n);
  double from_y = 0;
  for (int64_t i = 0; i < n; ++i) from_y += static_cast<double>(y[i]) * dy[i];
  EXPECT_NEAR(from_y, norm_loss(), 1e-5);
  for (int64_t i = 0; i < n; ++i) {
    ASSERT_NEAR(dx[i] - 0.5f, slope(x[i], norm_loss), 1e-5) << i;
    ASSERT_NEAR(dw[i] - 0.25f, slope(w[i], norm_loss), 1e-5) << i;
    ASSERT_NEAR(dsilu[i] - 0.5f, slope(x[i], silu_loss), 1e-5) << i;
  }
}

TEST(Accuracy, Softmax) {
  const FlushDenormals flush;
  Numbers numbers(27);
  for (const int64_t n : {1, 5, 16, 1000}) {
    auto x = numbers.floats(n, true);
    for (float& v : x) v *= 30;
    float largest, sum;
    plain().log_sum_exp(x.data(), n, &largest, &sum);
    std::vector<float> p(n), added(n, 1.0f);
    plain().softmax(x.data(), n, largest, sum, 1.0f, p.data(), false);
    plain().softmax(x.data(), n, largest, sum, -2.0f, added.data(), true);
    double whole = 0;
    for (const float v : x) whole += std::exp(static_cast<double>(v) - largest);
    EXPECT_NEAR(sum, whole, 1e-5 * whole);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_NEAR(p[i], std::exp(static_cast<double>(x[i]) - largest) / whole, 1e-6);
      ASSERT_NEAR(added[i], 1 - 2 * p[i], 1e-6);
    }
  }
  float largest, sum;
  plain().log_sum_exp(nullptr, 0, &largest, &sum);
  EXPECT_EQ(largest, -kInfinity);
  EXPECT_EQ(sum, 0.0f);
}

TEST(Accuracy, RopeRotatesAndBack) {
  const FlushDenormals flush;
  Numbers numbers(28);
  for (const int64_t n : {2, 32, 64, 90}) {
    const auto x = numbers.floats(n, true);
    std::vector<float> c(n / 2), s(n / 2), minus(n / 2), y = x;
    for (int64_t i = 0; i < n / 2; ++i) {
      const double angle = numbers.uniform(0, 6);
      c[i] = static_cast<float>(std::cos(angle));
      s[i] = static_cast<float>(std::sin(angle));
      minus[i] = -s[i];
    }
    plain().rope(y.data(), c.data(), s.data(), n);
    for (int64_t i = 0; i < n / 2; ++i) {
      ASSERT_NEAR(y[i], x[i] * c[i] - x[i + n / 2] * s[i], 1e-6);
      ASSERT_NEAR(y[i + n / 2], x[i + n / 2] * c[i] + x[i] * s[i], 1e-6);
    }
    plain().rope(y.data(), c.data(), minus.data(), n);
    for (int64_t i = 0; i < n; ++i) ASSERT_NEAR(y[i], x[i], 1e-6);
  }
}

TEST(Accuracy, AdamW) {
  const FlushDenormals flush;
  Numbers numbers(29);
  const int64_t n = 21;
  const auto gradient = numbers.floats(n, true);
  auto w = numbers.floats(n, true), m = numbers.floats(n, true), v = numbers.floats(n, true);
  for (float& x : v) x = x * x;
  const auto w0 = w, m0 = m, v0 = v;
  const Kernels::AdamW step = {3e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 1.25f, 2.5f, 0.5f};
  plain().adamw(step, gradient.data(), w.data(), m.data(), v.data(), n);
  for (int64_t i = 0; i < n; ++i) {
    const double g = gradient[i] * 0.5, m1 = 0.9 * m0[i] + 0.1 * g, v1 = 0.95 * v0[i] + 0.05 * g * g;
    ASSERT_NEAR(m[i], m1, 1e-6);
    ASSERT_NEAR(v[i], v1, 1e-6);
    ASSERT_NEAR(w[i], w0[i] - 3e-3 * (m1 * 1.25 / (std::sqrt(v1 * 2.5) + 1e-8) + 0.1 * w0[i]), 1e-6);
  }
}

}  // namespace
}  // namespace glassbox
