#include "hub/git/deflate.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

#include "hub/git/testing.h"
#include "hub/refusal.h"

namespace glassbox::hub::git {
namespace {

using testing::gzipped;

std::string drawn(size_t size) {
  std::mt19937 draw(7);
  std::string bytes;
  while (bytes.size() < size) bytes += static_cast<char>(draw());
  return bytes;
}

// One deflater makes many streams, in pieces of any size.
TEST(GitDeflate, Streams) {
  Deflater deflater;
  for (const std::string& bytes : {std::string(), std::string("a"), std::string(300'000, 'z'), drawn(200'000)})
    for (const size_t piece : {size_t{1} << 20, size_t{7919}}) {
      std::string out = "before";
      for (size_t at = 0; at < bytes.size(); at += piece)
        deflater.append(std::string_view(bytes).substr(at, piece), out);
      deflater.end(out);
      std::string back(bytes.size() + 1, '\0');
      uLongf size = back.size();
      ASSERT_EQ(uncompress(reinterpret_cast<Bytef*>(back.data()), &size, reinterpret_cast<const Bytef*>(out.data() + 6),
                           out.size() - 6),
                Z_OK);
      EXPECT_TRUE(back.substr(0, size) == bytes);
    }
}

TEST(GitDeflate, GzipIsInflatedUpToABound) {
  for (const std::string& bytes : {std::string(), std::string("hello"), std::string(65'536, 'x'), drawn(200'000)}) {
    EXPECT_TRUE(inflated_gzip(gzipped(bytes), bytes.size()) == bytes);
    if (bytes.empty()) continue;
    EXPECT_THROW(inflated_gzip(gzipped(bytes), bytes.size() - 1), Refusal);
  }
  // A little that becomes very much.
  const std::string bomb = gzipped(std::string(size_t{50} << 20, '\0'));
  EXPECT_LT(bomb.size(), 100'000u);
  EXPECT_THROW(inflated_gzip(bomb, size_t{1} << 20), Refusal);
}

TEST(GitDeflate, WhatIsNoWholeGzipIsRefused) {
  const std::string whole = gzipped("hello, and more of it, hello, and more of it");
  for (size_t cut = 0; cut < whole.size(); ++cut)
    EXPECT_THROW(inflated_gzip(whole.substr(0, cut), 1000), Refusal) << cut;
  EXPECT_THROW(inflated_gzip(whole + "x", 1000), Refusal);
  EXPECT_THROW(inflated_gzip("no gzip at all", 1000), Refusal);
  std::string damaged = whole;
  damaged[whole.size() - 6] ^= 1;  // its sum
  EXPECT_THROW(inflated_gzip(damaged, 1000), Refusal);
}

}  // namespace
}  // namespace glassbox::hub::git
