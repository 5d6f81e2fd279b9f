// Attention: sets agree, rows are independent, and the mathematics is right (in double, and by finite differences).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/kernels_testing.h"

namespace glassbox {
namespace {

using testing::difference;
using testing::expect_same;
using testing::Numbers;

struct Cache {
  DType type;
  int64_t head_dim, positions;
  std::vector<std::vector<float>> keys, values;  // [block][...], as float32
  std::vector<std::vector<uint16_t>> keys16, values16;
  std::vector<const void*> key_blocks, value_blocks;

  Cache(Numbers& numbers, DType cache_type, int64_t dim, int64_t count)
      : type(cache_type), head_dim(dim), positions(count) {
    const int64_t blocks = (count + kAttentionBlock - 1) / kAttentionBlock;
    for (int64_t b = 0; b < blocks; ++b) {
      keys16.push_back(numbers.bf16s(dim * kAttentionBlock, true));
      values16.push_back(numbers.bf16s(dim * kAttentionBlock, true));
      // What no row may use would poison everything.
      for (int64_t p = 0; p < kAttentionBlock; ++p)
        if (b * kAttentionBlock + p >= count)
          for (int64_t d = 0; d < dim; ++d) keys16[b][d * kAttentionBlock + p] = values16[b][p * dim + d] = 0x7fc0;
      keys.emplace_back();
      values.emplace_back();
      for (const uint16_t v : keys16[b]) keys[b].push_back(bf16_to_f32(v));
      for (const uint16_t v : values16[b]) values[b].push_back(bf16_to_f32(v));
    }
    for (int64_t b = 0; b < blocks; ++b) {
      key_blocks.push_back(type == DType::f32 ? static_cast<const void*>(keys[b].data()) : keys16[b].data());
      value_blocks.push_back(type == DType::f32 ? static_cast<const void*>(values[b].data()) : values16[b].data());
    }
  }
  float key(int64_t p, int64_t d) const { return keys[p / kAttentionBlock][d * kAttentionBlock + p % kAttentionBlock]; }
  float value(int64_t p, int64_t d) const { return values[p / kAttentionBlock][p % kAttentionBlock * head_dim + d]; }
  float& key(int64_t p, int64_t d) { return keys[p / kAttentionBlock][d * kAttentionBlock + p % kAttentionBlock]; }
  float& value(int64_t p, int64_t d) { return values[p / kAttentionBlock][p % kAttentionBlock * head_dim + d]; }
};

struct Rows {
  int64_t count, ldq, head_dim;
  std::vector<float> q, d_out;
  std::vector<int64_t> first, last;

  // `heads` rows a token, each token seeing all before it, or only a window.
  Rows(Numbers& numbers, int64_t tokens, int64_t heads, int64_t dim, int64_t positions, int64_t window)
      : count(tokens * heads),
        ldq(dim + 3),
        head_dim(dim),
        q(numbers.floats(count * ldq, true)),
        d_out(numbers.floats(count * ldq, true)) {
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t h = 0; h < heads; ++h) {
        last.push_back(positions - tokens + t + 1);
        first.push_back(window ? std::max<int64_t>(0, last.back() - window) : 0);
      }
  }
};

std::vector<float> attended(const Kernels& k, const Cache& c, const Rows& r, float scale,
                            std::vector<float>* stats = nullptr) {
  const FlushDenormals flush;
  std::vector<float> out(r.count * r.ldq, 7.0f), s(2 * r.count);
  k.attend(r.q.data(), r.ldq, r.count, r.first.data(), r.last.data(), c.key_blocks.data(), c.value_blocks.data(),
           c.type, c.head_dim, scale, out.data(), r.ldq, s.data());
  if (stats) *stats = s;
  out.insert(out.end(), s.begin(), s.end());
  return out;
}

struct Gradient {
  std::vector<float> dq, d_keys, d_values;
};

Gradient gradient(const Kernels& k, const Cache& c, const Rows& r, float scale, int64_t base, float begin = 0) {
  const FlushDenormals flush;
  std::vector<float> stats;
  const auto out = attended(k, c, r, scale, &stats);
  const int64_t ldd = c.head_dim + 2;
  Gradient g{std::vector<float>(r.count * r.ldq, begin), std::vector<float>((c.positions - base) * ldd + 1, begin), {}};
  g.d_values = g.d_keys;
  k.attend_backward(r.q.data(), r.ldq, r.count, r.first.data(), r.last.data(), c.key_blocks.data(),
                    c.value_blocks.data(), c.type, c.head_dim, scale, out.data(), r.ldq, stats.data(), r.d_out.data(),
                    r.ldq, g.dq.data(), r.ldq, g.d_keys.data(), g.d_values.data(), ldd, base);
  return g;
}

struct Case {
  int64_t tokens, heads, head_dim, positions, window;
};
const std::vector<Case> kCases = {{1, 1, 8, 1, 0},      {1, 4, 32, 1, 0},     {2, 3, 16, 5, 0},    {5, 2, 1, 64, 0},
                                  {3, 1, 7, 65, 0},     {1, 3, 64, 200, 0},   {64, 4, 32, 200, 0}, {20, 2, 33, 130, 0},
                                  {70, 1, 24, 150, 40}, {7, 5, 128, 190, 70}, {1, 1, 80, 129, 3},  {66, 2, 20, 66, 0},
                                  {13, 1, 160, 77, 64}, {100, 1, 48, 300, 1}};

std::string name(const Case& c, DType type) {
  return fmt::format("tokens={} heads={} head_dim={} positions={} window={} {}", c.tokens, c.heads, c.head_dim,
                     c.positions, c.window, info(type).name);
}

TEST(Attend, SetsAgree) {
  Numbers numbers(11);
  for (const Case& c : kCases)
    for (const DType type : {DType::f32, DType::bf16}) {
      const Cache cache(numbers, type, c.head_dim, c.positions);
      const Rows rows(numbers, c.tokens, c.heads, c.head_dim, c.positions, c.window);
      expect_same("attend " + name(c, type), {},
                  [&](const Kernels& k, std::vector<float>& out) { out = attended(k, cache, rows, 0.3f); });
      for (const int64_t base : {int64_t{0}, c.positions / 2})
        expect_same("attend_backward " + name(c, type), {}, [&](const Kernels& k, std::vector<float>& out) {
          const Gradient g = gradient(k, cache, rows, 0.3f, base, 0.25f);
          out = g.dq;
          out.insert(out.end(), g.d_keys.begin(), g.d_keys.end());
          out.insert(out.end(), g.d_values.begin(), g.d_values.end());
        });
    }
}

TEST(Attend, CacheTypesAgree) {  // bf16 keys give what the same keys in float32 give
  for (const Kernels* k : available_kernels()) {
    for (const Case& c : kCases) {
      Numbers one(12), two(12);
      const Cache f32(one, DType::f32, c.head_dim, c.positions), bf16(two, DType::bf16, c.head_dim, c.positions);
      const Rows rows(one, c.tokens, c.heads, c.head_dim, c.positions, c.window);
      ASSERT_EQ(difference(attended(*k, f32, rows, 0.2f), attended(*k, bf16, rows, 0.2f)), "")
          << k->name << " " << name(c, DType::f32);
    }
  }
}

TEST(Attend, ARowIsTheSameAlone) {
  Numbers numbers(13);
  for (const Kernels* k : available_kernels())
    for (const Case& c : kCases) {
      const Cache cache(numbers, DType::bf16, c.head_dim, c.positions);
      Rows rows(numbers, c.tokens, c.heads, c.head_dim, c.positions, c.window);
      // Any rows may stand beside each other.
      for (int64_t r = 0; r < rows.count; r += 5)
        rows.last[r] = rows.first[r] + 1 + numbers.below(rows.last[r] - rows.first[r]);
      const auto all = attended(*k, cache, rows, 0.3f);
      for (int64_t r = 0; r < rows.count; ++r) {
        Rows one = rows;
        one.count = 1;
        one.q.assign(rows.q.begin() + r * rows.ldq, rows.q.begin() + (r + 1) * rows.ldq);
        one.first = {rows.first[r]};
        one.last = {rows.last[r]};
        const auto alone = attended(*k, cache, one, 0.3f);
        ASSERT_EQ(std::memcmp(alone.data(), &all[r * rows.ldq], rows.ldq * sizeof(float)), 0)
            << k->name << " row " << r << " " << name(c, DType::bf16);
        ASSERT_EQ(std::memcmp(&alone[rows.ldq], &all[rows.count * rows.ldq + 2 * r], 2 * sizeof(float)), 0)
            << k->name << " row " << r;
      }
    }
}

// Rows cut into calls: gradients of keys and values are the same chain.
TEST(Attend, GradientsCutIntoCalls) {
  const FlushDenormals flush;
  Numbers numbers(14);
  const int64_t dim = 32, positions = 150;
  const Cache cache(numbers, DType::f32, dim, positions);
  const Rows rows(numbers, 100, 3, dim, positions, 0);
  for (const Kernels* k : available_kernels()) {
    const Gradient whole = gradient(*k, cache, rows, 0.3f, 0);
    std::vector<float> stats;
    const auto out = attended(*k, cache, rows, 0.3f, &stats);
    Gradient cut{std::vector<float>(whole.dq.size()), std::vector<float>(whole.d_keys.size()),
                 std::vector<float>(whole.d_values.size())};
    for (int64_t r = 0, step = 1; r < rows.count; r += step, step = 1 + step % 70) {
      const int64_t count = std::min(step, rows.count - r);
      k->attend_backward(&rows.q[r * rows.ldq], rows.ldq, count, &rows.first[r], &rows.last[r], cache.key_blocks.data(),
                         cache.value_blocks.data(), cache.type, dim, 0.3f, &out[r * rows.ldq], rows.ldq, &stats[2 * r],
                         &rows.d_out[r * rows.ldq], rows.ldq, &cut.dq[r * rows.ldq], rows.ldq, cut.d_keys.data(),
                         cut.d_values.data(), dim + 2, 0);
    }
    ASSERT_EQ(difference(whole.dq, cut.dq), "") << k->name;
    ASSERT_EQ(difference(whole.d_keys, cut.d_keys), "") << k->name;
    ASSERT_EQ(difference(whole.d_values, cut.d_values), "") << k->name;
  }
}

struct Exact {
  std::vector<double> out, scores, pattern;
  double largest = -HUGE_VAL, sum = 0;
};

Exact exact(const Cache& c, const float* q, int64_t first, int64_t last, double scale) {
  Exact e;
  for (int64_t p = first; p < last; ++p) {
    double s = 0;
    for (int64_t d = 0; d < c.head_dim; ++d) s += static_cast<double>(q[d]) * c.key(p, d);
    e.scores.push_back(s * scale);
    e.largest = std::max(e.largest, s * scale);
  }
  for (const double s : e.scores) e.sum += std::exp(s - e.largest);
  e.out.assign(c.head_dim, 0);
  for (int64_t p = first; p < last; ++p) {
    e.pattern.push_back(std::exp(e.scores[p - first] - e.largest) / e.sum);
    for (int64_t d = 0; d < c.head_dim; ++d) e.out[d] += e.pattern.back() * c.value(p, d);
  }
  return e;
}

TEST(Attend, IsAttention) {
  const FlushDenormals flush;
  Numbers numbers(15);
  for (const Case& c : kCases) {
    const Cache cache(numbers, DType::f32, c.head_dim, c.positions);
    const Rows rows(numbers, c.tokens, c.heads, c.head_dim, c.positions, c.window);
    const Kernels& k = *available_kernels().back();
    std::vector<float> stats;
    const auto out = attended(k, cache, rows, 0.5f, &stats);
    for (int64_t r = 0; r < rows.count; ++r) {
      const Exact e = exact(cache, &rows.q[r * rows.ldq], rows.first[r], rows.last[r], 0.5);
      for (int64_t d = 0; d < c.head_dim; ++d)
        ASSERT_NEAR(out[r * rows.ldq + d], e.out[d], 2e-6) << name(c, DType::f32) << " row " << r;
      for (int64_t d = c.head_dim; d < rows.ldq; ++d) ASSERT_EQ(out[r * rows.ldq + d], 7.0f);
      ASSERT_NEAR(stats[2 * r], e.largest, 1e-5);
      ASSERT_NEAR(stats[2 * r + 1], e.sum, 1e-5 * e.sum);
      const int64_t n = rows.last[r] - rows.first[r];
      std::vector<float> scores(n + 1, 9.0f), pattern(n + 1, 9.0f);
      k.attend_pattern(&rows.q[r * rows.ldq], rows.first[r], rows.last[r], cache.key_blocks.data(), cache.type,
                       c.head_dim, 0.5f, &stats[2 * r], scores.data(), pattern.data());
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_NEAR(scores[i], e.scores[i], 1e-5);
        ASSERT_NEAR(pattern[i], e.pattern[i], 1e-6);
      }
      ASSERT_EQ(scores[n], 9.0f);
      ASSERT_EQ(pattern[n], 9.0f);
      ASSERT_EQ(*std::max_element(scores.begin(), scores.end() - 1), stats[2 * r]);  // the very bits that attend saw
    }
  }
}

TEST(Attend, PatternsAgree) {
  Numbers numbers(16);
  for (const DType type : {DType::f32, DType::bf16}) {
    const Cache cache(numbers, type, 40, 200);
    const auto q = numbers.floats(40);
    const float stats[2] = {1.5f, 20.0f};
    for (const int64_t first : {0, 3, 70})
      for (const int64_t last : {0, 1, 64, 71, 200})
        expect_same(fmt::format("attend_pattern {} {}", first, last), std::vector<float>(600),
                    [&](const Kernels& k, std::vector<float>& out) {
                      k.attend_pattern(q.data(), first, last, cache.key_blocks.data(), type, 40, 0.3f, stats,
                                       out.data(), out.data() + 300);
                    });
  }
}

TEST(Attend, ARowThatSeesNothingIsZero) {
  Numbers numbers(17);
  const Cache cache(numbers, DType::f32, 20, 70);
  Rows rows(numbers, 3, 1, 20, 70, 0);
  rows.first[1] = rows.last[1] = 5;
  for (const Kernels* k : available_kernels()) {
    const auto out = attended(*k, cache, rows, 0.5f);
    for (int64_t d = 0; d < 20; ++d) ASSERT_EQ(out[rows.ldq + d], 0.0f) << k->name;
    const Gradient g = gradient(*k, cache, rows, 0.5f, 0);
    for (int64_t d = 0; d < 20; ++d) ASSERT_EQ(g.dq[rows.ldq + d], 0.0f) << k->name;
    for (const float v : g.d_keys) ASSERT_EQ(v, v) << k->name;
  }
}

TEST(Attend, GradientIsItsDerivative) {
  Numbers numbers(18);
  const float scale = 0.7f;
  for (const Case& c : {Case{3, 2, 5, 70, 0}, Case{4, 1, 17, 66, 30}}) {
    Cache cache(numbers, DType::f32, c.head_dim, c.positions);
    Rows rows(numbers, c.tokens, c.heads, c.head_dim, c.positions, c.window);
    const Gradient g = gradient(*available_kernels().back(), cache, rows, scale, 0);
    const auto loss = [&] {
      double sum = 0;
      for (int64_t r = 0; r < rows.count; ++r) {
        const Exact e = exact(cache, &rows.q[r * rows.ldq], rows.first[r], rows.last[r], scale);
        for (int64_t d = 0; d < c.head_dim; ++d) sum += e.out[d] * rows.d_out[r * rows.ldq + d];
      }
      return sum;
    };
    const auto slope = [&](float& x) {
      const float was = x;
      x = was + 1e-3f;
      const double up = loss(), right = x;
      x = was - 1e-3f;
      const double down = loss(), left = x;
      x = was;
      return (up - down) / (right - left);
    };
    for (int64_t r = 0; r < rows.count; ++r)
      for (int64_t d = 0; d < c.head_dim; ++d)
        ASSERT_NEAR(g.dq[r * rows.ldq + d], slope(rows.q[r * rows.ldq + d]), 1e-5);
    for (int64_t p = 0; p < c.positions; ++p)
      for (int64_t d = 0; d < c.head_dim; ++d) {
        ASSERT_NEAR(g.d_keys[p * (c.head_dim + 2) + d], slope(cache.key(p, d)), 1e-5) << p;
        ASSERT_NEAR(g.d_values[p * (c.head_dim + 2) + d], slope(cache.value(p, d)), 1e-5) << p;
      }
  }
}

}  // namespace
}  // namespace glassbox
