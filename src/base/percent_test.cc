#include "base/percent.h"

#include <gtest/gtest.h>

namespace glassbox {
namespace {

TEST(Percent, CodesOfTwoDigitsAreDecoded) {
  EXPECT_EQ(percent_decoded("a%20b%2Fc%2fd"), "a b/c/d");
  EXPECT_EQ(percent_decoded("%C3%A9"), "\u00e9");
  for (const char* plain : {"", "a+b", "%", "%2", "%g0", "%%"}) EXPECT_EQ(percent_decoded(plain), plain);
}

TEST(Percent, WhatIsEncodedComesBack) {
  EXPECT_EQ(percent_encoded("aZ09-_.~"), "aZ09-_.~");
  EXPECT_EQ(percent_encoded("a b/c"), "a%20b%2Fc");
  EXPECT_EQ(percent_encoded("a b/c", true), "a%20b/c");
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(percent_decoded(percent_encoded(all)), all);
}

}  // namespace
}  // namespace glassbox
