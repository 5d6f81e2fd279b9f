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

// What a test attends over and with.
struct Case {
  int64_t tokens, heads, head_dim, positions, window;
  int64_t value_dim = 0;  // 0: head_dim
  bool values_in_keys = false;
  float softcap = 0;
  bool sinks = false;

  int64_t values() const { return value_dim ? value_dim : head_dim; }
};
const std::vector<Case> kCases = {{1, 1, 8, 1, 0},
                                  {1, 4, 32, 1, 0},
                                  {2, 3, 16, 5, 0},
                                  {5, 2, 1, 64, 0},
                                  {3, 1, 7, 65, 0},
                                  {1, 3, 64, 200, 0},
                                  {64, 4, 32, 200, 0},
                                  {20, 2, 33, 130, 0},
                                  {70, 1, 24, 150, 40},
                                  {7, 5, 128, 190, 70},
                                  {1, 1, 80, 129, 3},
                                  {66, 2, 20, 66, 0},
                                  {13, 1, 160, 77, 64},
                                  {100, 1, 48, 300, 1},
                                  {5, 3, 24, 130, 0, 40},
                                  {30, 2, 40, 150, 33, 7, false, 0, true},
                                  {9, 4, 48, 140, 0, 32, true},
                                  {70, 1, 36, 190, 70, 36, true, 1.5f, true},
                                  {1, 3, 20, 100, 0, 17, true},
                                  {1, 2, 64, 100, 0, 0, false, 0.7f},
                                  {1, 20, 96, 400, 330, 128, false, 0, true},
                                  {66, 2, 20, 66, 0, 0, false, 0.4f},
                                  {25, 3, 16, 90, 20, 0, false, 0, true},
                                  {40, 2, 33, 130, 0, 0, false, 2.0f, true}};

std::string name(const Case& c, DType type) {
  return fmt::format("tokens={} heads={} head_dim={} positions={} window={} values={}{} softcap={} sinks={} {}",
                     c.tokens, c.heads, c.head_dim, c.positions, c.window, c.values(),
                     c.values_in_keys ? " in keys" : "", c.softcap, c.sinks, info(type).name);
}

struct Cache {
  DType type;
  int64_t key_dim, value_dim, positions;
  bool in_keys;
  float softcap;
  std::vector<std::vector<float>> keys, values;  // [block][...], as float32
  std::vector<std::vector<uint16_t>> keys16, values16;
  std::vector<const void*> key_blocks, value_blocks;

  Cache(Numbers& numbers, DType cache_type, const Case& c)
      : type(cache_type),
        key_dim(c.head_dim),
        value_dim(c.values()),
        positions(c.positions),
        in_keys(c.values_in_keys),
        softcap(c.softcap) {
    const int64_t blocks = (positions + kAttentionBlock - 1) / kAttentionBlock;
    for (int64_t b = 0; b < blocks; ++b) {
      keys16.push_back(numbers.bf16s(key_dim * kAttentionBlock, true));
      values16.push_back(numbers.bf16s(value_dim * kAttentionBlock, true));
      // What no row may use would poison everything.
      for (int64_t p = 0; p < kAttentionBlock; ++p)
        if (b * kAttentionBlock + p >= positions) {
          for (int64_t d = 0; d < key_dim; ++d) keys16[b][d * kAttentionBlock + p] = 0x7fc0;
          for (int64_t d = 0; d < value_dim; ++d) values16[b][p * value_dim + d] = 0x7fc0;
        }
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
  float& key(int64_t p, int64_t d) { return keys[p / kAttentionBlock][d * kAttentionBlock + p % kAttentionBlock]; }
  float& value(int64_t p, int64_t d) {
    return in_keys ? key(p, d) : values[p / kAttentionBlock][p % kAttentionBlock * value_dim + d];
  }
  float key(int64_t p, int64_t d) const { return const_cast<Cache*>(this)->key(p, d); }
  float value(int64_t p, int64_t d) const { return const_cast<Cache*>(this)->value(p, d); }
  Attended over(float scale) const {
    return {key_blocks.data(), in_keys ? nullptr : value_blocks.data(), type, key_dim, value_dim, scale, softcap};
  }
};

struct Rows {
  int64_t count, ldq, ldo;
  std::vector<float> q, d_out;
  std::vector<int64_t> first, last;
  std::vector<float> sinks;  // of each row, or none

  // `heads` rows a token, each token seeing all before it, or only a window.
  Rows(Numbers& numbers, const Case& c)
      : count(c.tokens * c.heads),
        ldq(c.head_dim + 3),
        ldo(c.values() + 3),
        q(numbers.floats(count * ldq, true)),
        d_out(numbers.floats(count * ldo, true)) {
    for (int64_t t = 0; t < c.tokens; ++t)
      for (int64_t h = 0; h < c.heads; ++h) {
        last.push_back(c.positions - c.tokens + t + 1);
        first.push_back(c.window ? std::max<int64_t>(0, last.back() - c.window) : 0);
      }
    if (c.sinks) sinks = numbers.floats(count, true);
    for (size_t r = 0; r < sinks.size(); r += 3) sinks[r] += 2;  // some larger than any score
  }
  const float* sinks_at(int64_t r) const { return sinks.empty() ? nullptr : &sinks[r]; }
};

std::vector<float> attended(const Kernels& k, const Cache& c, const Rows& r, float scale,
                            std::vector<float>* stats = nullptr) {
  const FlushDenormals flush;
  std::vector<float> out(r.count * r.ldo, 7.0f), s(2 * r.count);
  k.attend(c.over(scale), r.q.data(), r.ldq, r.count, r.first.data(), r.last.data(), r.sinks_at(0), out.data(), r.ldo,
           s.data());
  if (stats) *stats = s;
  out.insert(out.end(), s.begin(), s.end());
  return out;
}

struct Gradient {
  std::vector<float> dq, d_keys, d_values, d_sinks;

  Gradient(const Cache& c, const Rows& r, int64_t base, float begin)
      : dq(r.count * r.ldq, begin),
        d_keys((c.positions - base) * (c.key_dim + 2) + 1, begin),
        d_values((c.positions - base) * (c.value_dim + 1) + 1, begin),
        d_sinks(r.sinks.size() + 1, begin) {}
  Kernels::AttendGradient at(const Cache& c, const Rows& r, int64_t row, int64_t base) {
    return {&dq[row * r.ldq],
            d_keys.data(),
            d_values.data(),
            r.sinks.empty() ? nullptr : &d_sinks[row],
            r.ldq,
            c.key_dim + 2,
            c.value_dim + 1,
            base};
  }
  std::vector<float> all() const {
    std::vector<float> list = dq;
    for (const auto* part : {&d_keys, &d_values, &d_sinks}) list.insert(list.end(), part->begin(), part->end());
    return list;
  }
};

Gradient gradient(const Kernels& k, const Cache& c, const Rows& r, float scale, int64_t base, float begin = 0) {
  const FlushDenormals flush;
  std::vector<float> stats;
  const auto out = attended(k, c, r, scale, &stats);
  Gradient g(c, r, base, begin);
  k.attend_backward(c.over(scale), r.q.data(), r.ldq, r.count, r.first.data(), r.last.data(), r.sinks_at(0), out.data(),
                    r.ldo, stats.data(), r.d_out.data(), r.ldo, g.at(c, r, 0, base));
  return g;
}

TEST(Attend, SetsAgree) {
  Numbers numbers(11);
  for (const Case& c : kCases)
    for (const DType type : {DType::f32, DType::bf16}) {
      const Cache cache(numbers, type, c);
      const Rows rows(numbers, c);
      expect_same("attend " + name(c, type), {},
                  [&](const Kernels& k, std::vector<float>& out) { out = attended(k, cache, rows, 0.3f); });
      for (const int64_t base : {int64_t{0}, c.positions / 2})
        expect_same("attend_backward " + name(c, type), {}, [&](const Kernels& k, std::vector<float>& out) {
          out = gradient(k, cache, rows, 0.3f, base, 0.25f).all();
        });
    }
}

TEST(Attend, CacheTypesAgree) {  // bf16 keys give what the same keys in float32 give
  for (const Kernels* k : available_kernels()) {
    for (const Case& c : kCases) {
      Numbers one(12), two(12);
      const Cache f32(one, DType::f32, c), bf16(two, DType::bf16, c);
      const Rows rows(one, c);
      ASSERT_EQ(difference(attended(*k, f32, rows, 0.2f), attended(*k, bf16, rows, 0.2f)), "")
          << k->name << " " << name(c, DType::f32);
    }
  }
}

// Values that are their keys' first numbers give what the same values beside them give.
TEST(Attend, ValuesInKeysAreValues) {
  for (const Kernels* k : available_kernels())
    for (const DType type : {DType::f32, DType::bf16})
      for (const Case& c : kCases) {
        if (!c.values_in_keys) continue;
        Numbers numbers(19);
        Cache inside(numbers, type, c);
        Cache beside = inside;
        beside.in_keys = false;
        for (int64_t p = 0; p < c.positions; ++p)
          for (int64_t d = 0; d < c.values(); ++d) {
            beside.value(p, d) = inside.key(p, d);
            beside.values16[p / kAttentionBlock][p % kAttentionBlock * c.values() + d] = f32_to_bf16(inside.key(p, d));
          }
        for (size_t b = 0; b < inside.keys.size(); ++b) {
          beside.key_blocks[b] = inside.key_blocks[b];
          beside.value_blocks[b] =
              type == DType::f32 ? static_cast<const void*>(beside.values[b].data()) : beside.values16[b].data();
        }
        const Rows rows(numbers, c);
        ASSERT_EQ(difference(attended(*k, inside, rows, 0.3f), attended(*k, beside, rows, 0.3f)), "") << name(c, type);
        ASSERT_EQ(difference(gradient(*k, inside, rows, 0.3f, 0).all(), gradient(*k, beside, rows, 0.3f, 0).all()), "")
            << name(c, type);
      }
}

TEST(Attend, ARowIsTheSameAlone) {
  Numbers numbers(13);
  for (const Kernels* k : available_kernels())
    for (const Case& c : kCases) {
      const Cache cache(numbers, DType::bf16, c);
      Rows rows(numbers, c);
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
        if (c.sinks) one.sinks = {rows.sinks[r]};
        const auto alone = attended(*k, cache, one, 0.3f);
        ASSERT_EQ(std::memcmp(alone.data(), &all[r * rows.ldo], rows.ldo * sizeof(float)), 0)
            << k->name << " row " << r << " " << name(c, DType::bf16);
        ASSERT_EQ(std::memcmp(&alone[rows.ldo], &all[rows.count * rows.ldo + 2 * r], 2 * sizeof(float)), 0)
            << k->name << " row " << r;
      }
    }
}

// Blocks taken apart and joined give what attend gives.
TEST(Attend, BlocksApartGiveTheSameBits) {
  const FlushDenormals flush;
  Numbers numbers(20);
  for (const Kernels* k : available_kernels())
    for (const DType type : {DType::f32, DType::bf16})
      for (const Case& c : kCases) {
        if (c.tokens != 1 || c.values_in_keys) continue;
        const Cache cache(numbers, type, c);
        const Rows rows(numbers, c);
        const int64_t width = cache.value_dim, first = rows.first[0], last = rows.last[0];
        const int64_t begin = first / kAttentionBlock, end = (last + kAttentionBlock - 1) / kAttentionBlock;
        std::vector<float> out(rows.count * rows.ldo, 7.0f), stats(2 * rows.count);
        std::vector<float> parts((end - begin) * rows.count * (width + 2) + 1, 5.0f);
        for (int64_t block = begin, step = 1; block < end; block += step, ++step)
          k->attend_blocks(cache.over(0.3f), rows.q.data(), rows.ldq, rows.count, first, last, block,
                           std::min(end, block + step), &parts[(block - begin) * rows.count * (width + 2)]);
        ASSERT_EQ(parts.back(), 5.0f);
        k->attend_join(parts.data(), end - begin, rows.count, width, rows.sinks_at(0), out.data(), rows.ldo,
                       stats.data());
        out.insert(out.end(), stats.begin(), stats.end());
        ASSERT_EQ(difference(attended(*k, cache, rows, 0.3f), out), "") << k->name << " " << name(c, type);
      }
}

// Rows cut into calls: gradients of keys and values are the same chain.
TEST(Attend, GradientsCutIntoCalls) {
  const FlushDenormals flush;
  Numbers numbers(14);
  const Case c = {100, 3, 32, 150, 0, 20, false, 1.1f, true};
  const Cache cache(numbers, DType::f32, c);
  const Rows rows(numbers, c);
  for (const Kernels* k : available_kernels()) {
    const Gradient whole = gradient(*k, cache, rows, 0.3f, 0);
    std::vector<float> stats;
    const auto out = attended(*k, cache, rows, 0.3f, &stats);
    Gradient cut(cache, rows, 0, 0);
    for (int64_t r = 0, step = 1; r < rows.count; r += step, step = 1 + step % 70)
      k->attend_backward(cache.over(0.3f), &rows.q[r * rows.ldq], rows.ldq, std::min(step, rows.count - r),
                         &rows.first[r], &rows.last[r], rows.sinks_at(r), &out[r * rows.ldo], rows.ldo, &stats[2 * r],
                         &rows.d_out[r * rows.ldo], rows.ldo, cut.at(cache, rows, r, 0));
    ASSERT_EQ(difference(whole.all(), cut.all()), "") << k->name;
  }
}

struct Exact {
  std::vector<double> out, scores, pattern;
  double largest = -HUGE_VAL, sum = 0;
};

Exact exact(const Cache& c, const Rows& rows, int64_t r, double scale) {
  const float* q = &rows.q[r * rows.ldq];
  const int64_t first = rows.first[r], last = rows.last[r];
  Exact e;
  for (int64_t p = first; p < last; ++p) {
    double s = 0;
    for (int64_t d = 0; d < c.key_dim; ++d) s += static_cast<double>(q[d]) * c.key(p, d);
    s *= scale;
    if (c.softcap > 0) s = c.softcap * std::tanh(s / c.softcap);
    e.scores.push_back(s);
    e.largest = std::max(e.largest, s);
  }
  if (!rows.sinks.empty()) {
    e.largest = std::max<double>(e.largest, rows.sinks[r]);
    e.sum += std::exp(rows.sinks[r] - e.largest);
  }
  for (const double s : e.scores) e.sum += std::exp(s - e.largest);
  e.out.assign(c.value_dim, 0);
  for (int64_t p = first; p < last; ++p) {
    e.pattern.push_back(std::exp(e.scores[p - first] - e.largest) / e.sum);
    for (int64_t d = 0; d < c.value_dim; ++d) e.out[d] += e.pattern.back() * c.value(p, d);
  }
  return e;
}

TEST(Attend, IsAttention) {
  const FlushDenormals flush;
  Numbers numbers(15);
  for (const Case& c : kCases) {
    const Cache cache(numbers, DType::f32, c);
    const Rows rows(numbers, c);
    const Kernels& k = *available_kernels().back();
    std::vector<float> stats;
    const auto out = attended(k, cache, rows, 0.5f, &stats);
    for (int64_t r = 0; r < rows.count; ++r) {
      const Exact e = exact(cache, rows, r, 0.5);
      for (int64_t d = 0; d < cache.value_dim; ++d)
        ASSERT_NEAR(out[r * rows.ldo + d], e.out[d], 2e-6) << name(c, DType::f32) << " row " << r;
      for (int64_t d = cache.value_dim; d < rows.ldo; ++d) ASSERT_EQ(out[r * rows.ldo + d], 7.0f);
      ASSERT_NEAR(stats[2 * r], e.largest, 1e-5);
      ASSERT_NEAR(stats[2 * r + 1], e.sum, 1e-5 * e.sum);
      const int64_t n = rows.last[r] - rows.first[r];
      std::vector<float> scores(n + 1, 9.0f), pattern(n + 1, 9.0f);
      k.attend_pattern(cache.over(0.5f), &rows.q[r * rows.ldq], rows.first[r], rows.last[r], &stats[2 * r],
                       scores.data(), pattern.data());
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_NEAR(scores[i], e.scores[i], 1e-5);
        ASSERT_NEAR(pattern[i], e.pattern[i], 1e-6);
      }
      ASSERT_EQ(scores[n], 9.0f);
      ASSERT_EQ(pattern[n], 9.0f);
      if (!c.sinks) {
        ASSERT_EQ(*std::max_element(scores.begin(), scores.end() - 1), stats[2 * r]);  // the very bits attend saw
      }
    }
  }
}

TEST(Attend, PatternsAgree) {
  Numbers numbers(16);
  for (const DType type : {DType::f32, DType::bf16})
    for (const float softcap : {0.0f, 0.8f}) {
      const Cache cache(numbers, type, {1, 1, 40, 200, 0, 0, false, softcap});
      const auto q = numbers.floats(40);
      const float stats[2] = {1.5f, 20.0f};
      for (const int64_t first : {0, 3, 70})
        for (const int64_t last : {0, 1, 64, 71, 200})
          expect_same(fmt::format("attend_pattern {} {}", first, last), std::vector<float>(600),
                      [&](const Kernels& k, std::vector<float>& out) {
                        k.attend_pattern(cache.over(0.3f), q.data(), first, last, stats, out.data(), out.data() + 300);
                      });
    }
}

TEST(Attend, ARowThatSeesNothingIsZero) {
  Numbers numbers(17);
  const Case c = {3, 1, 20, 70, 0, 0, false, 0, true};
  const Cache cache(numbers, DType::f32, c);
  Rows rows(numbers, c);
  rows.first[1] = rows.last[1] = 5;
  for (const Kernels* k : available_kernels()) {
    const auto out = attended(*k, cache, rows, 0.5f);
    for (int64_t d = 0; d < 20; ++d) ASSERT_EQ(out[rows.ldo + d], 0.0f) << k->name;
    const Gradient g = gradient(*k, cache, rows, 0.5f, 0);
    for (int64_t d = 0; d < 20; ++d) ASSERT_EQ(g.dq[rows.ldq + d], 0.0f) << k->name;
    for (const float v : g.all()) ASSERT_EQ(v, v) << k->name;
  }
}

TEST(Attend, GradientIsItsDerivative) {
  Numbers numbers(18);
  const float scale = 0.7f;
  for (const Case& c : {Case{3, 2, 5, 70, 0}, Case{4, 1, 17, 66, 30}, Case{3, 2, 7, 70, 0, 4, false, 0.9f, true},
                        Case{4, 2, 9, 66, 30, 5, true, 0, true}}) {
    Cache cache(numbers, DType::f32, c);
    Rows rows(numbers, c);
    const Gradient g = gradient(*available_kernels().back(), cache, rows, scale, 0);
    const auto loss = [&] {
      double sum = 0;
      for (int64_t r = 0; r < rows.count; ++r) {
        const Exact e = exact(cache, rows, r, scale);
        for (int64_t d = 0; d < cache.value_dim; ++d) sum += e.out[d] * rows.d_out[r * rows.ldo + d];
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
    for (size_t r = 0; r < rows.sinks.size(); ++r) ASSERT_NEAR(g.d_sinks[r], slope(rows.sinks[r]), 1e-5);
    for (int64_t p = 0; p < c.positions; ++p) {
      const auto d_key = [&](int64_t d) { return g.d_keys[p * (c.head_dim + 2) + d]; };
      const auto d_value = [&](int64_t d) { return g.d_values[p * (c.values() + 1) + d]; };
      for (int64_t d = 0; d < c.head_dim; ++d)  // a number that is of a key and of a value has both gradients
        ASSERT_NEAR(d_key(d) + (c.values_in_keys && d < c.values() ? d_value(d) : 0), slope(cache.key(p, d)), 1e-5);
      for (int64_t d = 0; d < c.values() && !c.values_in_keys; ++d)
        ASSERT_NEAR(d_value(d), slope(cache.value(p, d)), 1e-5) << p;
    }
  }
}

}  // namespace
}  // namespace glassbox
