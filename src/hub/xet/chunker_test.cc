#include "hub/xet/chunker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "hub/xet/hash.h"
#include "hub/xet/testing.h"
#include "tests/testing.h"

namespace glassbox::xet {
namespace {

using namespace testing;
using Ends = std::vector<size_t>;

Ends cut(std::span<const std::byte> bytes, size_t piece_size) {
  Ends ends;
  Chunker chunker;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = at + std::min(piece_size, bytes.size() - at);
    while (const auto taken = chunker.next(bytes.subspan(at, end - at))) {
      at += *taken;
      ends.push_back(at);
    }
    at = end;
  }
  if (chunker.open() > 0) ends.push_back(bytes.size());
  return ends;
}

Ends cut(const Bytes& bytes) { return cut(bytes, std::max<size_t>(bytes.size(), 1)); }

const Ends kRandom = {84493,  134421, 144853, 243318, 271793, 336457, 467529, 494581, 582000, 596735,
                      616815, 653164, 678202, 724510, 815591, 827760, 958832, 991092, 1000000};

TEST(XetChunker, CutsAsPublished) {
  const Bytes random = random_bytes(1'000'000, 0);
  EXPECT_EQ(random[0], std::byte{175});
  EXPECT_EQ(random[127], std::byte{132});
  EXPECT_EQ(random[111111], std::byte{118});
  EXPECT_EQ(cut(random), kRandom);
  EXPECT_EQ(cut(Bytes(1'000'000, std::byte{59})),
            (Ends{131072, 262144, 393216, 524288, 655360, 786432, 917504, 1000000}));
  EXPECT_EQ(cut(Bytes{}), Ends{});
  EXPECT_EQ(cut(Bytes(1)), Ends{1});
}

// Chunkers that look for a cut while the window is still filling end a chunk at 8128 here.
TEST(XetChunker, EndsNoChunkBeforeTheSmallest) {
  Bytes bytes(200'000);
  bytes[8127] = std::byte{17};
  EXPECT_EQ(cut(bytes), (Ends{131072, 200000}));
}

TEST(XetChunker, DoesNotSeeThePieces) {
  const Bytes random = random_bytes(1'000'000, 0);
  for (const size_t piece : {1, 37, 63, 64, 65, 255, 8127, 8128, 8129, 8191, 8192, 8193, 131071, 131072, 131073})
    EXPECT_EQ(cut(random, piece), kRandom) << piece;
}

TEST(XetChunker, BeginsAnewAfterAReset) {
  const Bytes random = random_bytes(1'000'000, 0);
  Chunker chunker;
  EXPECT_FALSE(chunker.next(std::span(random).first(50'000)));
  EXPECT_EQ(chunker.open(), 50'000u);
  chunker.reset();
  EXPECT_EQ(chunker.open(), 0u);
  EXPECT_EQ(chunker.next(random), 84493u);
}

TEST(XetChunker, NamesWhatItCuts) {
  const Bytes random = random_bytes(1'000'000, 0);
  std::vector<Node> nodes;
  std::vector<Hash> hashes;
  size_t begin = 0;
  for (const size_t end : kRandom) {
    hashes.push_back(chunk_hash(std::span(random).subspan(begin, end - begin)));
    nodes.push_back({hashes.back(), end - begin});
    begin = end;
  }
  EXPECT_EQ(hashes.front().text(), "6eca1e7dadaf08cca5d82d318c800f07c2ddcec115a7e8627e5edd9605b94b8d");
  EXPECT_EQ(hashes.back().text(), "03e5b5f5a088269ec4b329f1e04debfac4cb54b9c0facf038f7e8e0f054be7e2");
  EXPECT_EQ(merkle_root(nodes).text(), "6f2ce16ca5e317f0100ff0e7e5bf40a0de9032e9ee1ad04b6b8ff4e36cdfbf6c");
  EXPECT_EQ(file_id(nodes).text(), "3d17b2d7d64a0e011b6717a52d9a16bd2c3f05b743fa8adf52a7d75dafab6d89");
  EXPECT_EQ(verification_hash(hashes).text(), "6daf15a7ed258b91f607e8f5e6723a8564292d12c8104c156f7bad9c255a0180");
}

// A pattern whose byte 99 ends a chunk, and no other, with room between its repetitions: so cuts come wherever the
// smallest size first lets one, at each distance from where the window begins to count.
TEST(XetChunker, FindsTheFirstCutAtEveryDistance) {
  constexpr size_t kSize = 65536, kHit = 100;
  for (size_t padding = 0; padding < 128; ++padding) {
    Bytes bytes = random_bytes(128, 1108);
    bytes.resize(128 + padding);
    const size_t period = bytes.size();
    bytes.reserve(kSize);
    while (bytes.size() < kSize) bytes.push_back(bytes[bytes.size() - period]);
    Ends expected;
    for (size_t at = 0;;) {
      at = kHit + (at + kSmallestChunk - kHit + period - 1) / period * period;
      if (at >= kSize) break;
      expected.push_back(at);
    }
    expected.push_back(kSize);
    EXPECT_EQ(cut(bytes), expected) << padding;
    EXPECT_EQ(cut(bytes, 100), expected) << padding;
  }
}

}  // namespace
}  // namespace glassbox::xet
