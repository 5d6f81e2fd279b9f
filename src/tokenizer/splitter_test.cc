#include "tokenizer/splitter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "tokenizer/pretokenizer.h"
#include "unicode/regex.h"
#include "unicode/utf8.h"

namespace glassbox {
namespace {

constexpr KnownPattern kPatterns[] = {KnownPattern::gpt2, KnownPattern::cl100k, KnownPattern::cl100k_1,
                                      KnownPattern::o200k};

std::string escaped(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();)
    out += fmt::format("\\u{{{:x}}}", static_cast<uint32_t>(unicode::next(text, at)));
  return out;
}

void expect_equal(KnownPattern pattern, const Regex& regex, const std::string& text) {
  Regex::Matcher matcher(regex, text);
  size_t at = 0, begin = 0, end = 0;
  while (at < text.size()) {
    ASSERT_TRUE(matcher.next(begin, end)) << escaped(text);
    ASSERT_EQ(begin, at) << escaped(text);
    ASSERT_EQ(match_end(pattern, text, at), end)
        << expression_of(pattern) << " on " << escaped(text) << " at byte " << at;
    at = end;
  }
  EXPECT_FALSE(matcher.next(begin, end));
}

// Every class, the characters the patterns name, and what PCRE2 and White_Space disagree about.
const std::vector<char32_t> kTelling = {
    'a',      'b',    'z',    'A',     'Z',     's',     't',     'r',    'e',    'v',     'm',     'l',
    'd',      'S',    'L',    'E',     '\'',    '\'',    '0',     '1',    '9',    ' ',     ' ',     '\t',
    '\n',     '\r',   '\n',   '/',     '.',     '-',     '_',     0xB,    0xC,    0x1C,    0x85,    0xA0,
    0x180E,   0x2003, 0x2028, 0x200B,  0x3000,  0xFEFF,  0x17F,   0x212A, 0xE9,   0xC9,    0x1C5,   0x2B0,
    0x5D0,    0x4E00, 0x3042, 0x1F600, 0x301,   0x93E,   0x20DD,  0x660,  0x2160, 0xBD,    0x1D7D8, 0x20AC,
    0x10FFFD, 0xE000, 0x378,  0x1E900, 0x31350, 0x105C0, 0x10D40, 0x897,  0x1C89, 0x1E4F0, 0x16D40};

TEST(Splitter, EveryShortTextOfTellingCharacters) {
  const char32_t few[] = {'a', 'A', '\'', 's', '1', ' ', '\n', '.', '/', 0x301, 0x4E00, 0x17F};
  for (KnownPattern pattern : kPatterns) {
    const Regex regex = Regex::compile(expression_of(pattern), "test");
    const size_t n = std::size(few);
    for (size_t code = 0; code < n * n * n * n; ++code) {
      std::string text;
      for (size_t i = 0, rest = code; i < 4; ++i, rest /= n) unicode::append(text, few[rest % n]);
      expect_equal(pattern, regex, text);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Splitter, EqualsTheExpressionOnRandomText) {
  std::mt19937_64 random(20240607);
  for (KnownPattern pattern : kPatterns) {
    const Regex regex = Regex::compile(expression_of(pattern), "test");
    for (int round = 0; round < 4000; ++round) {
      std::string text;
      const size_t length = random() % 60;
      for (size_t i = 0; i < length; ++i) {
        char32_t c = kTelling[random() % kTelling.size()];
        if (random() % 8 == 0) c = static_cast<char32_t>(random() % 0x110000);
        if (c >= 0xD800 && c < 0xE000) c = ' ';
        unicode::append(text, c);
      }
      expect_equal(pattern, regex, text);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Splitter, EqualsTheExpressionOnEveryCharacter) {
  for (KnownPattern pattern : kPatterns) {
    const Regex regex = Regex::compile(expression_of(pattern), "test");
    std::string text;
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      unicode::append(text, c);
      if (c % 3 == 0) text += "a ";
      if (text.size() < 4000 && c != 0x10FFFF) continue;
      expect_equal(pattern, regex, text);
      if (HasFatalFailure()) return;
      text.clear();
    }
  }
}

// DeepSeek-V3's three expressions by PCRE2, one after another, and by hand.
TEST(Splitter, DeepSeekEqualsItsExpressions) {
  std::vector<PreTokenizer::Step> steps;
  Json json = Json::array();
  for (const std::string_view expression : kDeepSeekV3) {
    PreTokenizer::Split split;
    split.regex = Regex::compile(expression, "test");
    steps.emplace_back(std::move(split));
    json.push_back({{"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", "Isolated"}});
  }
  const PreTokenizer meant(std::move(steps), false);
  const PreTokenizer by_hand = PreTokenizer::from_json({{"type", "Sequence"}, {"pretokenizers", json}}, "test");
  ASSERT_EQ(by_hand.steps().size(), 1u);
  const auto expect_pieces = [&](const std::string& text) {
    std::vector<std::string> a, b;
    meant.split(text, true, true, [&](std::string_view piece) { a.emplace_back(piece); });
    by_hand.split(text, true, true, [&](std::string_view piece) { b.emplace_back(piece); });
    ASSERT_EQ(a, b) << escaped(text);
  };
  const char32_t few[] = {'a', 'A', '\'', '1', ' ', '\n', '.', 0x7F, 0x301, 0x4E00, 0x30FB, 0x3040, 0xE9, 0xAD};
  const size_t n = std::size(few);
  for (size_t code = 0; code < n * n * n * n; ++code) {
    std::string text;
    for (size_t i = 0, rest = code; i < 4; ++i, rest /= n) unicode::append(text, few[rest % n]);
    expect_pieces(text);
    if (HasFatalFailure()) return;
  }
  std::mt19937_64 random(7);
  for (int round = 0; round < 10000; ++round) {
    std::string text;
    const size_t length = random() % 60;
    for (size_t i = 0; i < length; ++i) {
      char32_t c = random() % 2 ? kTelling[random() % kTelling.size()] : few[random() % n];
      if (random() % 8 == 0) c = static_cast<char32_t>(random() % 0x110000);
      if (random() % 8 == 0) c = static_cast<char32_t>(0x3000 + random() % 0x120);
      if (c >= 0xD800 && c < 0xE000) c = ' ';
      unicode::append(text, c);
    }
    expect_pieces(text);
    if (HasFatalFailure()) return;
  }
  std::string text;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    unicode::append(text, c);
    if (c % 3 == 0) text += "a ";
    if (text.size() < 4000 && c != 0x10FFFF) continue;
    expect_pieces(text);
    if (HasFatalFailure()) return;
    text.clear();
  }
}

TEST(Splitter, KnowsItsPatterns) {
  for (KnownPattern pattern : kPatterns) EXPECT_EQ(known_pattern(expression_of(pattern)), pattern);
  EXPECT_EQ(known_pattern("\\p{L}+"), std::nullopt);
}

}  // namespace
}  // namespace glassbox
