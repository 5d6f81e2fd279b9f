#include "tensor/scan.h"

#include <gtest/gtest.h>

#include "tensor/indexer.h"
#include "tensor/words_testing.h"

namespace glassbox {
namespace {

TEST(Gradients, ShortConv) {
  Leaf x({6, 5}, 1), w({5, 3}, 2);
  check_gradients(
      [&](Pass& pass) {
        pass.open_memory(MemoryShape({{.state = State{.channels = 5, .kernel = 3}}}));
        return short_conv(0, embed(pass, x.tensor), w.tensor);
      },
      {&x, &w});
}

// Two heads of keys of 4 and values of 3; `decays` a token and head.
void check_delta(int64_t decays) {
  Leaf q({6, 8}, 1), k({6, 8}, 2), v({6, 6}, 3), decay({6, 2 * decays}, 4), beta({6, 2}, 5);
  for (float& value : *decay.values) value = -std::fabs(value);
  (*beta.values)[0] = 0;  // a token that adds nothing
  check_gradients(
      [&](Pass& pass) {
        pass.open_memory(MemoryShape({{.state = State{.recurrent = 2 * 4 * 3}}}));
        const auto of = [&](const Leaf& leaf) { return split(embed(pass, leaf.tensor), 2); };
        return merge(scan_delta(0, of(q), of(k), of(v), of(decay), of(beta)));
      },
      {&q, &k, &v, &decay, &beta});
}
TEST(Gradients, DeltaRule) { check_delta(1); }
TEST(Gradients, DeltaRuleWithADecayForEachRow) { check_delta(4); }

// A layer that looks through a window, and one with a convolution, a delta rule and an indexer.
struct Mixed {
  static constexpr int64_t kTokens = 150, kHeads = 2;
  const MemoryShape shape{std::vector<LayerMemory>{
      {.attention = KeysValues{1, 8, DType::bf16, {.window = 30}}},
      {.indexer = Indexer{4, DType::bf16}, .state = State{.channels = 16, .kernel = 4, .recurrent = kHeads * 8 * 4}}}};
  Leaf x{{kTokens, 16}, 1}, v{{kTokens, 8}, 2}, decay{{kTokens, 2}, 3}, beta{{kTokens, 2}, 4}, w{{16, 4}, 5},
      index{{kTokens, 4}, 6};
  std::vector<int32_t> ids;

  Mixed() {
    for (float& value : *decay.values) value = -std::fabs(value);
    for (int32_t i = 0; i < kTokens; ++i) ids.push_back(i);
  }

  // What each token up to `end` gives: numbers, and the ten positions chosen.
  std::vector<std::vector<float>> walk(Workspace& workspace, SequenceMemory& memory, int64_t end) const {
    Pass pass(workspace);
    const int64_t count = end - memory.length();
    pass.add(std::span(ids).subspan(static_cast<size_t>(memory.length()), static_cast<size_t>(count)), &memory);
    pass.open_memory(shape);
    const auto of = [&](const Leaf& leaf) { return split(embed(pass, leaf.tensor), kHeads); };
    const Tensor y = split(short_conv(1, embed(pass, x.tensor), w.tensor), kHeads);
    const Tensor scanned = scan_delta(1, y, y * 0.25f, of(v), of(decay), of(beta));
    remember_index(1, embed(pass, index.tensor));
    const auto chosen = highest(index_scores(1, of(v), embed(pass, beta.tensor)), 10);
    const Tensor keys = split(embed(pass, v.tensor), 1);
    const Tensor seen = attend(keys, remember(0, keys, keys));
    std::vector<std::vector<float>> rows;
    for (int64_t t = 0; t < count; ++t) {
      std::vector<float>& row = rows.emplace_back(scanned.f32() + t * 8, scanned.f32() + (t + 1) * 8);
      row.insert(row.end(), seen.f32() + t * 8, seen.f32() + (t + 1) * 8);
      row.insert(row.end(), chosen[static_cast<size_t>(t)].begin(), chosen[static_cast<size_t>(t)].end());
    }
    return rows;
  }
};

TEST(Scan, BitsDoNotDependOnHowATextIsCut) {
  const Mixed mixed;
  Workspace one(1), two(2);
  SequenceMemory whole(mixed.shape);
  const auto expected = mixed.walk(one, whole, Mixed::kTokens);
  for (const int64_t step : {1, 7, 64}) {
    SequenceMemory memory(mixed.shape);
    std::vector<std::vector<float>> rows;
    while (memory.length() < Mixed::kTokens) {
      const auto more = mixed.walk(two, memory, std::min(Mixed::kTokens, memory.length() + step));
      rows.insert(rows.end(), more.begin(), more.end());
    }
    EXPECT_EQ(rows, expected) << step;
  }
}

TEST(Scan, GoesOnFromACheckpointAndAfterAStepThatWasTakenBack) {
  const Mixed mixed;
  Workspace workspace(2);
  SequenceMemory whole(mixed.shape), memory(mixed.shape);
  const auto expected = mixed.walk(workspace, whole, Mixed::kTokens);
  const auto after = [&](int64_t from) { return decltype(expected)(expected.begin() + from, expected.end()); };
  mixed.walk(workspace, memory, 40);
  memory.checkpoint();
  const SequenceMemory copy = memory;
  mixed.walk(workspace, memory, 100);
  mixed.walk(workspace, memory, 120);
  memory.resize(100);
  EXPECT_EQ(mixed.walk(workspace, memory, Mixed::kTokens), after(100));
  EXPECT_EQ(memory.resumable(99), 40);
  memory.resize(40);
  EXPECT_EQ(mixed.walk(workspace, memory, Mixed::kTokens), after(40));
  SequenceMemory other = copy;
  EXPECT_EQ(mixed.walk(workspace, other, Mixed::kTokens), after(40));
}

TEST(Scan, DeltaRuleReplacesWhatAKeyHeld) {
  // With beta 1, no decay and keys of length 1, a key's value is what was last written under it.
  Leaf q({3, 2}, 1), v({3, 2}, 2), beta({3, 1}, 3), decay({3, 1}, 4);
  *q.values = {1, 0, 0, 1, 1, 0};
  *beta.values = {1, 1, 1};
  *decay.values = {0, 0, 0};
  Workspace workspace(1);
  Pass pass(workspace);
  const std::vector<int32_t> ids = {0, 1, 2};
  pass.add(ids);
  pass.open_memory(MemoryShape({{.state = State{.recurrent = 4}}}));
  const auto of = [&](const Leaf& leaf) { return split(embed(pass, leaf.tensor), 1); };
  const Tensor y = scan_delta(0, of(q), of(q), of(v), of(decay), of(beta));
  for (size_t i = 0; i < 6; ++i) EXPECT_FLOAT_EQ(y.f32()[i], (*v.values)[i]);
}

TEST(Indexer, TiesGoToTheLowestPosition) {
  Workspace workspace(1);
  Pass pass(workspace);
  const Tensor scores = pass.empty({1, 5});
  const float given[] = {1, 3, 1, 1, -std::numeric_limits<float>::infinity()};
  std::copy_n(given, 5, Pass::mutable_f32(scores));
  EXPECT_EQ(highest(scores, 2), (std::vector<std::vector<int32_t>>{{0, 1}}));
  EXPECT_EQ(highest(scores, 9), (std::vector<std::vector<int32_t>>{{0, 1, 2, 3}}));
}

}  // namespace
}  // namespace glassbox
