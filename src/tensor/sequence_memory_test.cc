#include "tensor/sequence_memory.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "base/memory.h"

namespace glassbox {
namespace {

TEST(SequenceMemory, TakesItsMemoryOfABudgetAndGivesItBack) {
  const MemoryShape shape(1, {1, 4, DType::f32});
  const int64_t block = shape.block_bytes();
  const auto budget = std::make_shared<MemoryBudget>(3 * block);
  {
    SequenceMemory one(shape, budget);
    EXPECT_EQ(one.missing(65), 2 * block);
    EXPECT_TRUE(one.reserve(65));
    EXPECT_EQ(budget->taken(), 2 * block);
    EXPECT_EQ(one.missing(65), 0);
    EXPECT_EQ(one.length(), 0);
    one.resize(65);
    EXPECT_EQ(budget->taken(), 2 * block) << "it was there already";
    SequenceMemory two = one;
    EXPECT_EQ(budget->taken(), 2 * block) << "shared blocks count once";
    EXPECT_EQ(two.missing(66), block);
    EXPECT_TRUE(two.reserve(66)) << "the last block becomes its own";
    EXPECT_EQ(budget->taken(), 3 * block);
    two.resize(66);
    EXPECT_FALSE(two.reserve(129));
    EXPECT_FALSE(one.reserve(500));
    try {
      two.resize(129);
      FAIL() << "there is no memory";
    } catch (const Error& error) { EXPECT_EQ(error.kind(), ErrorKind::full); }
    EXPECT_EQ(two.length(), 66);
    one.resize(10);
    EXPECT_EQ(budget->taken(), 2 * block);
    two.resize(128);
    EXPECT_TRUE(two.reserve(129));
    two.resize(128);
    EXPECT_EQ(two.bytes(), 2 * block) << "what was reserved beyond goes";
  }
  EXPECT_EQ(budget->taken(), 0);
}

TEST(SequenceMemory, SharesFullBlocksAndCopiesWhatItWrites) {
  const MemoryShape shape(1, {1, 4, DType::f32});
  SequenceMemory one(shape);
  one.resize(70);
  const std::vector<float> ones(70 * 4, 1.0f), twos(8, 2.0f);
  one.attention(0).write(0, 0, 70, ones.data(), ones.data(), 4);
  SequenceMemory two = one;
  two.resize(66);
  two.resize(68);
  two.attention(0).write(0, 66, 2, twos.data(), twos.data(), 4);
  const auto a = one.attention(0), b = two.attention(0);
  EXPECT_EQ(a.keys(0, 0), b.keys(0, 0));
  EXPECT_NE(a.keys(1, 0), b.keys(1, 0));
  EXPECT_EQ(static_cast<float*>(a.values(1, 0))[2 * 4], 1.0f);
  EXPECT_EQ(static_cast<float*>(b.values(1, 0))[2 * 4], 2.0f);
  EXPECT_EQ(static_cast<float*>(b.values(1, 0))[1 * 4], 1.0f);
}

// A layer that sees all, one that looks through a window, one that sees its chunk.
MemoryShape three_sights(int64_t window, int64_t chunk) {
  return MemoryShape({{KeysValues{1, 4, DType::f32}},
                      {KeysValues{1, 4, DType::f32, {.window = window}}},
                      {KeysValues{1, 4, DType::f32, {.chunk = chunk}}}});
}

TEST(SequenceMemory, ForgetsWhatIsOutOfSight) {
  const MemoryShape shape = three_sights(100, 128);
  const int64_t block = shape.block_bytes() / 3;
  const auto budget = std::make_shared<MemoryBudget>(int64_t{1} << 30);
  SequenceMemory memory(shape, budget);
  int64_t most = 0;
  for (int64_t length = 0; length <= 1000; length += 10) {
    memory.resize(length);
    most = std::max(most, budget->taken());
    EXPECT_LE(budget->taken(), shape.bytes(length, 10)) << length;
    EXPECT_EQ(budget->taken(), memory.bytes());
  }
  EXPECT_EQ(shape.bytes(1000), (16 + 3 + 3) * block);
  EXPECT_LE(most, (16 + 3 + 3) * block)
      << "the layer that sees all has 16 blocks, a window of 100 and a step of 10 two "
         "or three";
  // What the tokens of the last step saw is there, and the block before it is not.
  for (const int64_t layer : {1, 2}) {
    const auto rows = memory.attention(layer);
    const int64_t first = rows.sight.first_seen(990) / 64;
    EXPECT_EQ(rows.keys(first - 1, 0), nullptr) << layer;
    for (int64_t block = first; block <= 999 / 64; ++block) EXPECT_NE(rows.keys(block, 0), nullptr) << layer;
  }
  EXPECT_EQ(memory.resumable(990), 990) << "before the last step";
  EXPECT_EQ(memory.resumable(700), 0);
  memory.resize(990);
  memory.resize(0);
  EXPECT_EQ(budget->taken(), 0);
}

TEST(SequenceMemory, AsksForRoomStepByStep) {
  const MemoryShape shape = three_sights(64, 64);
  const int64_t block = shape.block_bytes() / 3;
  const auto budget = std::make_shared<MemoryBudget>((100 + 3 + 3) * block);
  SequenceMemory memory(shape, budget);
  EXPECT_EQ(memory.missing(6400, 64), 102 * block);
  EXPECT_TRUE(memory.reserve(6400, 64)) << "all of the first layer, and a step of the others";
  EXPECT_EQ(budget->taken(), 102 * block);
  for (int64_t length = 64; length <= 6400; length += 64) memory.resize(length);
  EXPECT_EQ(shape.longest(budget->limit(), 64, 1 << 20), 6400);
  EXPECT_EQ(shape.longest(budget->limit(), 64, 1000), 1000);
  EXPECT_EQ(shape.longest(4 * block, 64, 1 << 20), 64);
  EXPECT_EQ(shape.longest(block, 64, 1 << 20), 0);
}

TEST(SequenceMemory, GoesBackToACheckpoint) {
  const MemoryShape shape = three_sights(64, 256);
  SequenceMemory memory(shape);
  const auto write = [&](int64_t from, int64_t to) {
    memory.resize(to);
    for (int64_t layer = 0; layer < 3; ++layer)
      for (int64_t at = from; at < to; ++at) {
        const std::vector<float> row(4, static_cast<float>(at));
        memory.attention(layer).write(0, at, 1, row.data(), row.data(), 4);
      }
  };
  write(0, 150);
  memory.checkpoint();
  SequenceMemory other = memory;
  write(150, 900);
  write(900, 1000);
  EXPECT_EQ(memory.resumable(899), 899) << "its window is still there, being kept in blocks";
  EXPECT_EQ(memory.resumable(800), 150);
  EXPECT_EQ(memory.resumable(149), 0);
  EXPECT_EQ(memory.resumable(900), 900);
  memory.resize(150);
  const auto expect_rows = [](const SequenceMemory& in, int64_t layer, int64_t first, int64_t last) {
    const auto rows = in.attention(layer);
    for (int64_t at = first; at < last; ++at)
      ASSERT_EQ(static_cast<float*>(rows.values(at / 64, 0))[at % 64 * 4], static_cast<float>(at))
          << layer << " " << at;
  };
  expect_rows(memory, 0, 0, 150);
  expect_rows(memory, 1, 150 - 63, 150);
  expect_rows(memory, 2, 0, 150);
  write(150, 160);
  expect_rows(memory, 1, 160 - 63, 160);
  expect_rows(other, 1, 150 - 63, 150);
  memory.resize(140);  // before the checkpoint, whose blocks are still in sight
  EXPECT_EQ(memory.length(), 140);
}

TEST(SequenceMemory, KeepsTheStateBeforeAStepAndAtCheckpoints) {
  const MemoryShape shape(
      {{.state = State{.recurrent = 3}}, {.attention = KeysValues{1, 4, DType::f32}, .state = State{.recurrent = 2}}});
  const auto budget = std::make_shared<MemoryBudget>(int64_t{1} << 30);
  SequenceMemory memory(shape, budget);
  EXPECT_EQ(memory.state(0), nullptr) << "zeros";
  const auto step = [](SequenceMemory& in, int64_t length) {  // adds 1 to the first state, the length to the second
    in.resize(length);
    const float* first = in.state(0);
    const float* second = in.state(1);
    in.next_state(0)[2] = (first ? first[2] : 0) + 1;
    in.next_state(1)[1] = (second ? second[1] : 0) + static_cast<float>(length);
  };
  step(memory, 10);
  step(memory, 20);
  EXPECT_EQ(memory.state(1)[1], 10);
  memory.checkpoint();
  SequenceMemory copy = memory;
  step(memory, 30);
  step(memory, 40);
  EXPECT_EQ(memory.state(0)[2], 3);
  EXPECT_EQ(memory.resumable(39), 30);
  EXPECT_EQ(memory.resumable(29), 20);
  EXPECT_EQ(memory.resumable(19), 0);
  memory.resize(30);
  step(memory, 35);
  EXPECT_EQ(memory.state(0)[2], 3) << "of the third step";
  EXPECT_EQ(memory.next_state(1)[1], 10 + 20 + 30 + 35);
  memory.resize(20);
  step(memory, 21);
  EXPECT_EQ(memory.state(0)[2], 2);
  EXPECT_EQ(memory.next_state(0)[2], 3);
  step(copy, 22);
  EXPECT_EQ(copy.next_state(1)[1], 10 + 20 + 22);
  EXPECT_EQ(copy.state(0)[2], 2);
  memory = SequenceMemory(shape, budget);
  copy = memory;
  EXPECT_EQ(budget->taken(), 0);
}

TEST(SequenceMemory, StatesTakeTheSameAtAnyLength) {
  const MemoryShape shape({{.state = State{.recurrent = 1000}}});
  const auto budget = std::make_shared<MemoryBudget>(shape.bytes(1));
  SequenceMemory memory(shape, budget);
  for (int64_t length = 1; length < 5000; length += 13) memory.resize(length);
  EXPECT_EQ(shape.bytes(1), shape.bytes(100'000));
  EXPECT_EQ(budget->taken(), 2 * 4000);
}

}  // namespace
}  // namespace glassbox
