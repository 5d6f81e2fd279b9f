#include "server/hub/sign.h"

#include <gtest/gtest.h>

namespace glassbox::hubapi {
namespace {

TEST(Sign, WhatWasSignedIsReadAndNothingElse) {
  const std::string text = sign({{"oid", "abc"}, {"exp", now_in_seconds() + 60}}, "secret");
  EXPECT_EQ(verify(text, "secret")->at("oid"), "abc");
  EXPECT_FALSE(verify(text, "another secret"));
  for (size_t i = 0; i < text.size(); ++i)
    for (const char c : {'A', 'B', 'z', '.'})
      if (text[i] != c) {
        std::string other = text;
        other[i] = c;
        EXPECT_FALSE(verify(other, "secret")) << i << " " << c;
      }
  for (const char* wrong : {"", ".", "x", "x.", ".x", "e30.AAAA"}) EXPECT_FALSE(verify(wrong, "secret")) << wrong;
}

TEST(Sign, ARightEnds) {
  EXPECT_FALSE(verify(sign({{"exp", now_in_seconds() - 1}}, "secret"), "secret"));
  EXPECT_TRUE(verify(sign({{"exp", now_in_seconds() + 60}}, "secret"), "secret"));
}

}  // namespace
}  // namespace glassbox::hubapi
