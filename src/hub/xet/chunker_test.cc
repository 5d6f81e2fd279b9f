#include "hub/xet/chunker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "hub/xet/hash.h"
#include "hub/xet/testing.h"

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

Hash file_id_of(std::span<const std::byte> bytes, const Ends& ends) {
  MerkleTree tree;
  size_t begin = 0;
  for (const size_t end : ends) {
    tree.add(chunk_hash(bytes.subspan(begin, end - begin)), end - begin);
    begin = end;
  }
  return tree.file_id();
}

// What hf_xet 1.8.0 (hash_files) names files of these bytes; the seed is the size.
TEST(XetChunker, NamesFilesAsHfXetDoes) {
  struct File {
    bool floats;
    size_t size;
    const char* id;
  };
  const File files[] = {
      {false, 1, "db14a713ab6ac9984dec4b58ec6b4cd80fb23a9e4d5cf47711b3e25b572e0f15"},
      {false, 8191, "955e169f1634e8be7a520ad1e97970c14750b0886dec3cd9219ec24db39af46d"},
      {false, 8192, "6fc3cc5cc1a56231b1567d666384cdbff9d0b9256ae06d00886839c965be7db1"},
      {false, 8193, "f3b31108d0aa09bcaead7f9f4bd7fb2e05e0cd42bfc84472ad9b450fc0204815"},
      {false, 131071, "22c570dbb88c5a7692d39f63ebb7b864b47ed9b5dd971ab37696aff0b89eb242"},
      {false, 131072, "570a9f08dd987cd98ae35bfea449997fce95e384039d47e4b4cbf30d3c41ec60"},
      {false, 131073, "ed12229f388d59430924379d8b4d3ada6614511121ec54e0d9c2da30f2b61eb8"},
      {false, 1000000, "605abbbff83017a42e7817e0a0eeff28f6df649676b6f47e5172c4e9cb9ef284"},
      {true, 1, "41f5539a8d8bdd7509fd9a319268aca47ea6d40b33394170182e09fa86345c7e"},
      {true, 8193, "a875106f116bd01b7329c078d5061367aca408b9952820bd77e80ead360e7e97"},
      {true, 131073, "835623aad13234cc627a1da5634711a5600e6a4711e2e0016f9fd69451d8ae74"},
      {true, 1000000, "deab6f7faa1136363a0794df84bdc25525d82d32e932281e3d6f148d4361f818"},
      {true, 5000000, "e6e32731027a8ea99ac84d2dd33486393fe863836515611e2210a99d15a55de1"},
  };
  for (const File& file : files) {
    const Bytes bytes = file.floats ? random_floats(file.size, file.size) : random_bytes(file.size, file.size);
    EXPECT_EQ(file_id_of(bytes, cut(bytes)).text(), file.id) << file.size;
  }
  const Bytes zeros(1'000'000);
  EXPECT_EQ(file_id_of(zeros, cut(zeros)).text(), "c0c85185f4307d40facfd366573176e54fc9c76041e44e32d52489780a6d1eaa");
}

// @huggingface/hub 2.17.5 (xetchunk-wasm 0.2.0) ends a chunk at 8128 there, and names the file otherwise for it.
TEST(XetChunker, NamesFilesByTheCutsThatTheyHave) {
  const Bytes bytes = random_bytes(131'071, 131'071);
  EXPECT_EQ(file_id_of(bytes, {8128, 26266, 52646, 60774, 102938, 111066, 131071}).text(),
            "45e205aa1a0edde81f5837306bbcdf193dbd51781832e2e642f92b44806e7a0d");
}

}  // namespace
}  // namespace glassbox::xet
