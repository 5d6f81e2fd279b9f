// Every word's gradient against finite differences, and what the words promise about bits.
#include "tensor/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "tensor/words_testing.h"

namespace glassbox {
namespace {

TEST(Gradients, Matmul) {
  Leaf table({6, 20}, 1), w({9, 20}, 2);
  check_gradients([&](Pass& pass) { return matmul(embed(pass, table.tensor), w.tensor); }, {&table, &w});
}

TEST(Gradients, AddMultiplySilu) {
  Leaf a({6, 10}, 1), b({6, 10}, 2);
  check_gradients(
      [&](Pass& pass) {
        const Tensor x = embed(pass, a.tensor), y = embed(pass, b.tensor);
        return silu(x) * y + x;
      },
      {&a, &b});
}

TEST(Gradients, ScaleTokens) {
  Leaf table({6, 10}, 1);
  const std::vector<float> factors = {1, -2, 0.5f, 3, 0, 1.5f, 2};
  check_gradients([&](Pass& pass) { return merge(scale_tokens(split(embed(pass, table.tensor), 2), factors)); },
                  {&table});
}

TEST(Gradients, AddBias) {
  Leaf table({6, 10}, 1), bias({10}, 2);
  check_gradients([&](Pass& pass) { return add_bias(embed(pass, table.tensor), bias.tensor); }, {&table, &bias});
}

TEST(Gradients, RmsNorm) {
  Leaf table({6, 20}, 1), w({20}, 2);
  check_gradients([&](Pass& pass) { return rms_norm(embed(pass, table.tensor), w.tensor, 1e-5f); }, {&table, &w});
}

TEST(Gradients, Rope) {
  Leaf table({6, 24}, 1);
  const Rotary rotary = {{1.0f, 0.3f, 0.1f, 0.02f}};
  check_gradients([&](Pass& pass) { return merge(rope(split(embed(pass, table.tensor), 3), rotary)); }, {&table});
}

TEST(Gradients, RopeOfPartOfAHeadInterleavedAndScaled) {
  Leaf table({6, 24}, 1);
  const Rotary rotary = {{1.0f, 0.3f, 0.1f}, 1.3f, true};
  check_gradients([&](Pass& pass) { return merge(rope(split(embed(pass, table.tensor), 3), rotary)); }, {&table});
}

TEST(Rope, TurnsPairsAndLeavesTheRest) {
  Workspace workspace(1);
  Leaf table({6, 20}, 1);
  for (const bool interleaved : {false, true}) {
    const Rotary rotary = {{0.9f, 0.2f, 0.05f}, 1.5f, interleaved};
    Pass pass(workspace);
    pass.add(kIds);
    const Tensor y = rope(split(embed(pass, table.tensor), 2), rotary);
    for (size_t t = 0; t < kIds.size(); ++t)
      for (size_t h = 0; h < 2; ++h) {
        const float* from = table.tensor.f32() + static_cast<size_t>(kIds[t]) * 20 + h * 10;
        const float* to = y.f32() + t * 20 + h * 10;
        for (size_t i = 0; i < 3; ++i) {
          const size_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : 3 + i;
          const double angle = static_cast<double>(t) * rotary.frequencies[i];
          EXPECT_NEAR(to[a], 1.5 * (from[a] * std::cos(angle) - from[b] * std::sin(angle)), 1e-6);
          EXPECT_NEAR(to[b], 1.5 * (from[b] * std::cos(angle) + from[a] * std::sin(angle)), 1e-6);
        }
        for (size_t i = 6; i < 10; ++i) EXPECT_EQ(to[i], from[i]);
      }
  }
}

TEST(Gradients, LogitRows) {
  Leaf table({6, 8}, 1);
  check_gradients([&](Pass& pass) { return logit_rows(embed(pass, table.tensor)); }, {&table});
}

TEST(Gradients, LayerNorm) {
  Leaf table({6, 20}, 1);
  check_gradients([&](Pass& pass) { return layer_norm(embed(pass, table.tensor), 1e-5f); }, {&table});
}

TEST(Gradients, RmsNormWithOffset) {
  Leaf table({6, 20}, 1), w({20}, 2);
  check_gradients([&](Pass& pass) { return rms_norm(embed(pass, table.tensor), w.tensor, 1e-5f, 1.0f); }, {&table, &w});
}

TEST(Gradients, GeluTanhScaleSoftCap) {
  Leaf table({6, 10}, 1);
  check_gradients([&](Pass& pass) { return soft_cap(gelu_tanh(embed(pass, table.tensor)) * 3.0f, 1.5f); }, {&table});
}

TEST(Gradients, Clamp) {
  Leaf table({6, 10}, 1);
  for (float& value : *table.values)  // finite differences must not step over an edge
    if (std::fabs(std::fabs(value) - 0.5f) < 0.03f) value *= 0.8f;
  check_gradients([&](Pass& pass) { return clamp(embed(pass, table.tensor), -0.5f, 0.5f); }, {&table});
}

struct Heads {
  int64_t heads, kv_heads, width;
};
void check_attend(const Heads& h, AttendOptions options, const Sight& sight = {}, Leaf* sinks = nullptr) {
  Leaf q({6, h.heads * h.width}, 1), k({6, h.kv_heads * h.width}, 2), v({6, h.kv_heads * h.width}, 3);
  std::vector<Leaf*> leaves = {&q, &k, &v};
  if (sinks) {
    options.sinks = sinks->tensor;
    leaves.push_back(sinks);
  }
  check_gradients(
      [&](Pass& pass) {
        const Tensor keys = split(embed(pass, k.tensor), h.kv_heads), values = split(embed(pass, v.tensor), h.kv_heads);
        pass.open_memory({1, KeysValues{h.kv_heads, h.width, DType::f32, sight}});
        return merge(attend(split(embed(pass, q.tensor), h.heads), remember(0, keys, values), options));
      },
      leaves);
}

TEST(Gradients, Attend) { check_attend({4, 2, 8}, {}); }
TEST(Gradients, AttendOneHeadEach) { check_attend({3, 3, 5}, {}); }
// A pattern that a tap put in place gathers latents as it would gather values of their own.
TEST(Attend, AReplacedPatternGathersLatents) {
  constexpr int64_t kCount = 90, kHeads = 3, kWidth = 24;
  Leaf q({kCount, kHeads * kWidth}, 1), k({kCount, kWidth}, 2);
  std::vector<int32_t> ids(kCount);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  Taps taps;
  taps.listen(".pattern", [](std::string_view, const Tensor& pattern) {
    Tensor half = pattern.pass()->empty(pattern.shape());
    for (int64_t i = 0; i < pattern.shape().elements(); ++i) Pass::mutable_f32(half)[i] = 0.5f * pattern.f32()[i];
    return half;
  });
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Workspace workspace(2);
    const auto gathered = [&](bool latent, const Taps* listening) {
      Pass pass(workspace, {.taps = listening});
      pass.add(ids);
      const Tensor keys = split(embed(pass, k.tensor), 1);
      pass.open_memory(latent ? MemoryShape({{Latent{kWidth, kWidth, dtype}}}) : MemoryShape(1, {1, kWidth, dtype}));
      const Memory memory = latent ? remember(0, keys) : remember(0, keys, keys);
      const Tensor out = attend(split(embed(pass, q.tensor), kHeads), memory);
      return std::vector<float>(out.values().begin(), out.values().end());
    };
    const auto halved = gathered(true, &taps);
    EXPECT_EQ(halved, gathered(false, &taps));
    EXPECT_NE(halved, gathered(true, nullptr));
  }
}

// Values within their keys, many heads to one.
TEST(Gradients, AttendToLatents) {
  Leaf q({6, 3 * 8}, 1), k({6, 8}, 2);
  check_gradients(
      [&](Pass& pass) {
        pass.open_memory(MemoryShape({{Latent{8, 5, DType::f32}}}));
        const Memory memory = remember(0, split(embed(pass, k.tensor), 1));
        return merge(attend(split(embed(pass, q.tensor), 3), memory, {.scale = 0.7f}));
      },
      {&q, &k});
}

// The same as attention to values of their own that happen to be the keys' first numbers: to the bit, with any number
// of threads.
TEST(Attend, LatentsAreKeysFirstNumbers) {
  constexpr int64_t kCount = 150, kHeads = 100, kWidth = 24, kLatent = 24;
  Leaf q({kCount, kHeads * kWidth}, 1), k({kCount, kWidth}, 2);
  std::vector<int32_t> ids(kCount);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    std::vector<float> expected;
    for (const int threads : {1, 2, 16}) {
      Workspace workspace(threads);
      for (const bool latent : {false, true}) {
        Pass pass(workspace);
        pass.add(ids);
        const Tensor keys = split(embed(pass, k.tensor), 1), queries = split(embed(pass, q.tensor), kHeads);
        pass.open_memory(latent ? MemoryShape({{Latent{kWidth, kLatent, dtype}}}) : MemoryShape(1, {1, kWidth, dtype}));
        const Memory memory = latent ? remember(0, keys) : remember(0, keys, keys);
        const Tensor out = attend(queries, memory);
        if (expected.empty()) expected.assign(out.values().begin(), out.values().end());
        EXPECT_EQ(std::vector<float>(out.values().begin(), out.values().end()), expected) << latent << " " << threads;
      }
    }
  }
}

// One token of few heads and a long past is cut between threads.
TEST(Attend, OneTokenIsTheSameOnAnyNumberOfThreads) {
  constexpr int64_t kPast = 500, kHeads = 6, kShared = 3, kWidth = 16;
  Leaf q({1, kHeads * kWidth}, 1), k({kPast, kShared * kWidth}, 2), sinks({kHeads}, 3);
  std::vector<int32_t> ids(kPast);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  const auto check_alike = [&](const Sight& sight, const AttendOptions& options) {
    const MemoryShape shape(1, {kShared, kWidth, DType::bf16, sight});
    std::vector<float> expected;
    for (const int threads : {1, 2, 4, 16}) {
      Workspace workspace(threads);
      SequenceMemory memory(shape);
      Pass past(workspace);
      past.add(std::span(ids).first(kPast - 1), &memory);
      past.open_memory(shape);
      const Tensor before = split(embed(past, k.tensor), kShared);
      remember(0, before, before);
      Pass pass(workspace);
      pass.add(std::span(ids).last(1), &memory);
      pass.open_memory(shape);
      const Tensor own = split(embed(pass, k.tensor), kShared);
      const int32_t first[] = {0};
      const Tensor out = attend(split(embed(pass, q.tensor, first), kHeads), remember(0, own, own), options);
      if (expected.empty()) expected.assign(out.values().begin(), out.values().end());
      EXPECT_EQ(std::vector<float>(out.values().begin(), out.values().end()), expected) << threads;
    }
  };
  check_alike({}, {});
  check_alike({.window = 300}, {});
  check_alike({}, {.sinks = sinks.tensor});
}

TEST(Gradients, AttendInAWindow) { check_attend({2, 1, 8}, {}, {.window = 2}); }
TEST(Gradients, AttendWithinChunks) { check_attend({2, 1, 8}, {.scale = 0.9f}, {.chunk = 2}); }
TEST(Gradients, AttendWithSoftCapAndSinks) {
  Leaf sinks({4}, 4);
  check_attend({4, 2, 6}, {.scale = 1.3f, .softcap = 0.8f}, {}, &sinks);
}

// A bf16 product rounds its inputs; the gradient passes through as if it had not.
TEST(Gradients, BfloatMatmulIsStraightThrough) {
  Workspace workspace(2);
  Leaf table({6, 40}, 1), w({9, 40}, 2);
  std::vector<uint16_t> bits;
  for (float& value : *w.values) {
    bits.push_back(f32_to_bf16(value));
    value = bf16_to_f32(bits.back());
  }
  for (float& value : *table.values) value = bf16_to_f32(f32_to_bf16(value));
  const auto memory = std::make_shared<std::vector<uint16_t>>(bits);
  auto gradient = std::make_shared<Gradient>();
  const auto sums = std::make_shared<std::vector<float>>(bits.size());
  *gradient = {{sums, sums->data()}, static_cast<int64_t>(bits.size())};
  const Tensor rounded = Tensor({9, 40}, DType::bf16, memory, memory->data()).opened(gradient);
  loss_of(workspace, [&](Pass& pass) { return matmul(embed(pass, table.tensor), w.tensor); }, true);
  const std::vector<float> d_table = *table.sums, d_w = *w.sums;
  std::fill(table.sums->begin(), table.sums->end(), 0.0f);
  loss_of(workspace, [&](Pass& pass) { return matmul(embed(pass, table.tensor), rounded); }, true);
  // Operands are bf16 already, so both products are the same but for the order of their sums.
  for (size_t i = 0; i < d_table.size(); ++i) EXPECT_NEAR((*table.sums)[i], d_table[i], 1e-5);
  for (size_t i = 0; i < d_w.size(); ++i) EXPECT_NEAR((*sums)[i], d_w[i], 1e-5);
}

// The fused attention against softmax(q k^T) v written out in double, and what its taps say of it.
TEST(Attend, IsSoftmaxOfScoresTimesValues) {
  Workspace workspace(2);
  constexpr int64_t kCount = 150, kHeads = 4, kKv = 2, kWidth = 16;
  std::vector<int32_t> ids(kCount);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  Leaf q({kCount, kHeads * kWidth}, 1), k({kCount, kKv * kWidth}, 2), v({kCount, kKv * kWidth}, 3), sinks({kHeads}, 4);
  const std::vector<std::pair<Sight, AttendOptions>> cases = {
      {{}, {}},
      {{.window = 1}, {}},
      {{.window = 70}, {}},
      {{.chunk = 40}, {}},
      {{.window = 30, .chunk = 64}, {.scale = 0.4f}},
      {{}, {.softcap = 0.7f}},
      {{}, {.sinks = sinks.tensor}},
      {{.window = 70}, {.scale = 0.9f, .softcap = 1.3f, .sinks = sinks.tensor}}};
  for (const auto& [sight, options] : cases) {
    Tensor scores, pattern;
    Taps taps;
    taps.listen("*.scores", [&](std::string_view, const Tensor& value) { return scores = value, std::nullopt; });
    taps.listen("*.pattern", [&](std::string_view, const Tensor& value) { return pattern = value, std::nullopt; });
    Pass pass(workspace, {&taps});
    pass.add(ids);
    pass.open_memory({1, {kKv, kWidth, DType::f32, sight}});
    const Memory memory = remember(0, split(embed(pass, k.tensor), kKv), split(embed(pass, v.tensor), kKv));
    const Tensor out = attend(split(embed(pass, q.tensor), kHeads), memory, options);
    ASSERT_TRUE(scores && pattern);
    for (int64_t t = 0; t < kCount; ++t)
      for (int64_t h = 0; h < kHeads; ++h) {
        const int64_t first = std::max(
            {int64_t{0}, sight.window ? t + 1 - sight.window : 0, sight.chunk ? t / sight.chunk * sight.chunk : 0});
        std::vector<double> weights;
        double sum = options.sinks ? std::exp(static_cast<double>(sinks.tensor.f32()[h])) : 0;
        for (int64_t s = first; s <= t; ++s) {
          double score = 0;
          for (int64_t e = 0; e < kWidth; ++e)
            score += static_cast<double>(q.tensor.f32()[(t * kHeads + h) * kWidth + e]) *
                     k.tensor.f32()[(s * kKv + h / 2) * kWidth + e];
          score *= options.scale > 0 ? options.scale : 0.25;
          if (options.softcap > 0) score = options.softcap * std::tanh(score / options.softcap);
          ASSERT_NEAR(scores.f32()[(t * kHeads + h) * kCount + s], score, 2e-6);
          weights.push_back(std::exp(score));
          sum += weights.back();
        }
        for (int64_t s = 0; s < kCount; ++s)
          ASSERT_NEAR(pattern.f32()[(t * kHeads + h) * kCount + s],
                      s < first || s > t ? 0 : weights[static_cast<size_t>(s - first)] / sum, 1e-6);
        for (int64_t e = 0; e < kWidth; ++e) {
          double expected = 0;
          for (int64_t s = first; s <= t; ++s)
            expected += weights[static_cast<size_t>(s - first)] / sum * v.tensor.f32()[(s * kKv + h / 2) * kWidth + e];
          ASSERT_NEAR(out.f32()[(t * kHeads + h) * kWidth + e], expected, 2e-6);
        }
      }
  }
}

// Scores put in place of others are answered with the sinks and what else belongs to the head.
TEST(Attend, ReplacedScoresStillMeetTheirSink) {
  Workspace workspace(2);
  Leaf q({6, 8}, 1), k({6, 8}, 2), v({6, 8}, 3), sinks({1}, 4);
  const auto run = [&](const Taps* taps) {
    Pass pass(workspace, {taps});
    pass.add(kIds);
    pass.open_memory({1, {1, 8, DType::f32}});
    const Memory memory = remember(0, split(embed(pass, k.tensor), 1), split(embed(pass, v.tensor), 1));
    const Tensor out = attend(split(embed(pass, q.tensor), 1), memory, {.sinks = sinks.tensor});
    return std::vector<float>(out.values().begin(), out.values().end());
  };
  const auto before = run(nullptr);
  Taps nudge;  // every score a little lower: nearly the same answer, by the plain way
  nudge.listen("*.scores", [&](std::string_view, const Tensor& scores) {
    Tensor changed = scores.pass()->empty(scores.shape());
    for (int64_t i = 0; i < scores.shape().elements(); ++i) Pass::mutable_f32(changed)[i] = scores.f32()[i] - 1e-6f;
    return changed;
  });
  const auto after = run(&nudge);
  EXPECT_NE(std::memcmp(before.data(), after.data(), before.size() * sizeof(float)), 0);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(before[i], after[i], 1e-5);
}

TEST(Arena, GivesBackWhatWasDropped) {
  Arena arena;
  void* first = arena.allocate(1000).get();
  EXPECT_EQ(arena.allocate(1000).get(), first);
  const auto held = arena.allocate(1000);
  EXPECT_NE(arena.allocate(1000).get(), held.get());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(held.get()) % 64, 0u);
}

TEST(Glob, MatchesStarsAndQuestionMarks) {
  EXPECT_TRUE(glob_matches("model.layers.*.mlp.out", "model.layers.12.mlp.out"));
  EXPECT_FALSE(glob_matches("model.layers.?.mlp.out", "model.layers.12.mlp.out"));
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("*a*b", "xaxxbab"));
  EXPECT_FALSE(glob_matches("a*b", "ab*"));
}

TEST(Arena, GivesItsMemoryBackWhenNothingUsesIt) {
  Arena arena;
  EXPECT_EQ(arena.bytes(), 0u);
  auto small = arena.allocate(1000);
  const size_t one_chunk = arena.bytes();
  EXPECT_GE(one_chunk, 1000u);
  { const auto large = arena.allocate(100 << 20); }
  EXPECT_GE(arena.bytes(), one_chunk + (100 << 20));
  arena.trim();
  EXPECT_GE(arena.bytes(), one_chunk + (100 << 20)) << "one is in use";
  std::memset(small.get(), 1, 1000);
  small.reset();
  arena.trim();
  EXPECT_EQ(arena.bytes(), 0u);
  const auto after = arena.allocate(1000);
  EXPECT_EQ(arena.bytes(), one_chunk);
  std::memset(after.get(), 1, 1000);
}

}  // namespace
}  // namespace glassbox
