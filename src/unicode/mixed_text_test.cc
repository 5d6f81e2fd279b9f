#include "unicode/mixed_text.h"

#include <gtest/gtest.h>

namespace glassbox {
namespace {

TEST(MixedText, KeepsRunsThroughAppendsAndParts) {
  MixedText text;
  EXPECT_TRUE(text.trusted());
  text.append("", false);
  EXPECT_TRUE(text.trusted());
  text.append("ab", false);
  EXPECT_FALSE(text.trusted());
  EXPECT_TRUE(text.one_kind());
  text.append("cd", false);
  text.append("", true);
  text.append("ef", true);
  text.append("gh", true);
  text.append("i", false);
  EXPECT_EQ(text.text(), "abcdefghi");
  EXPECT_EQ(text.spans(), (TrustedSpans{{4, 8}}));
  EXPECT_EQ(text.runs(), 3u);
  for (size_t i = 0; i < text.size(); ++i) EXPECT_EQ(text.trusted_at(i), i >= 4 && i < 8) << i;
  for (size_t begin = 0; begin <= text.size(); ++begin)
    for (size_t end = begin; end <= text.size(); ++end) {
      const MixedText part = text.part(begin, end);
      EXPECT_EQ(part.text(), text.text().substr(begin, end - begin));
      for (size_t i = 0; i < part.size(); ++i) EXPECT_EQ(part.trusted_at(i), text.trusted_at(begin + i));
      MixedText whole = text.part(0, begin);
      whole.append(part);
      whole.append(text, end, text.size());
      EXPECT_EQ(whole.text(), text.text());
      EXPECT_EQ(whole.spans(), text.spans());
      EXPECT_EQ(whole.runs(), text.runs());
    }
  EXPECT_EQ(text.part(std::string_view(text.text()).substr(7, 2)).spans(), (TrustedSpans{{0, 1}}));
}

TEST(MixedText, IsMadeOfSpans) {
  for (const TrustedSpans& spans : {TrustedSpans{}, TrustedSpans{{0, 5}}, TrustedSpans{{0, 1}, {3, 5}},
                                    TrustedSpans{{1, 2}, {4, 5}}, TrustedSpans{{2, 4}}}) {
    const MixedText text("abcde", spans);
    EXPECT_EQ(text.spans(), spans);
    std::string back;
    size_t trusted = 0;
    text.each_run([&](std::string_view run, bool is_trusted) {
      EXPECT_FALSE(run.empty());
      back += run;
      trusted += is_trusted ? run.size() : 0;
    });
    EXPECT_EQ(back, "abcde");
    size_t sum = 0;
    for (const auto& [begin, end] : spans) sum += end - begin;
    EXPECT_EQ(trusted, sum);
  }
  EXPECT_TRUE(MixedText("", TrustedSpans{}).trusted());
}

}  // namespace
}  // namespace glassbox
