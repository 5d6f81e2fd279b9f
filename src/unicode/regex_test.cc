#include "unicode/regex.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace glassbox {
namespace {

std::vector<std::string> matches(std::string_view expression, std::string_view text) {
  const Regex regex = Regex::compile(expression, "test");
  Regex::Matcher matcher(regex, text);
  std::vector<std::string> out;
  for (size_t begin, end; matcher.next(begin, end);) out.emplace_back(text.substr(begin, end - begin));
  return out;
}

using Strings = std::vector<std::string>;

TEST(Regex, MeansWhatTheReferencesMean) {
  EXPECT_EQ(matches(R"(\p{L}+)", "ab1Ж日 c"), (Strings{"ab", "Ж日", "c"}));
  EXPECT_EQ(matches(R"(\s+)", "a \t\u00a0b\u180ec\u2028"), (Strings{" \t\u00a0", "\u2028"}));
  EXPECT_EQ(matches(R"([^\s\p{L}]+)", "a1. b\u180e"), (Strings{"1.", "\u180e"}));
  EXPECT_EQ(matches(R"(\S+)", "a\u180eb c"), (Strings{"a\u180eb", "c"}));
  EXPECT_EQ(matches(R"(\d{1,3})", "12345\u0663\u00bd"), (Strings{"123", "45\u0663"}));
  EXPECT_EQ(matches(R"((?i:'s))", "x'S'\u017fy's"), (Strings{"'S", "'\u017f", "'s"}));
  EXPECT_EQ(matches(R"([一-龥]+)", "a你好b"), (Strings{"你好"}));
  EXPECT_EQ(matches(R"([\u4e00-\u9fa5\x41\-]+)", "aA-你b"), (Strings{"A-你"}));
  EXPECT_EQ(matches(R"(\p{Han}+)", "你ーa"), (Strings{"你"}));  // U+30FC has Han among its script extensions only
  EXPECT_EQ(matches(R"(a(?!b)|(?<=b)c)", "abacbc"), (Strings{"a", "c"}));
  EXPECT_EQ(matches("x*", "axxb"), (Strings{"xx"}));
  EXPECT_EQ(matches("a.|", "ab\na\nab"), (Strings{"ab", "ab"}));
}

TEST(Regex, KnowsLettersNewerThanPcre2) {
  // U+105C0 (Todhri) came with Unicode 16, U+31350 with 15.
  EXPECT_EQ(matches(R"(\p{L}+)", "\U000105C0\U00031350!"), (Strings{"\U000105C0\U00031350"}));
  EXPECT_EQ(matches(R"([^\p{L}]+)", "\U000105C0!"), (Strings{"!"}));
}

TEST(Regex, RefusesByName) {
  for (const char* expression :
       {R"(\w+)", R"(a\b)", "^a", "a$", "(?<name>a)", "(?P<n>a)", "(?s:.)", "(?i)a", R"(\p{N}{1,3}+)", "a{,3}",
        "[a[b]]", "[a&&b]", R"([\S])", R"(\h)", R"(\p{Alphabetic})", R"(\1)", R"(\pL)", "[]a]", "a{2000}"})
    EXPECT_THROW(
        {
          try {
            Regex::compile(expression, "test");
          } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::unsupported) << expression << ": " << error.what();
            throw;
          }
        },
        Error)
        << expression;
}

TEST(Regex, NamesWhatIsMalformed) {
  for (const char* expression :
       {"(a", "a)", "[a", "*a", "a|+", R"(\p{L)", R"(\x{110000})", R"(\u12)", "[b-a]", "a{3,1}", "\\", "\xff"})
    EXPECT_THROW(
        {
          try {
            Regex::compile(expression, "test");
          } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::bad_file) << expression << ": " << error.what();
            throw;
          }
        },
        Error)
        << expression;
}

TEST(Regex, ASpentBudgetIsAnErrorAndNotTheEnd) {
  // Exponential: the references would hang, or give up likewise.
  const Regex regex = Regex::compile("(a|a|aa)*(?=[bc])", "test");
  const std::string text(60, 'a');
  Regex::Matcher matcher(regex, text);
  size_t begin, end;
  EXPECT_THROW(matcher.next(begin, end), Error);
}

TEST(Regex, LongRunsNeedNoDefaultStack) {
  const std::string text(5'000'000, 'a');
  const Regex regex = Regex::compile("(?:a|b)*c|a+", "test");
  Regex::Matcher matcher(regex, text);
  size_t begin = 0, end = 0;
  try {
    ASSERT_TRUE(matcher.next(begin, end));
    EXPECT_EQ(end, text.size());
  } catch (const Error& error) { EXPECT_NE(std::string(error.what()).find("gives up"), std::string::npos); }
}

}  // namespace
}  // namespace glassbox
