// Against Python itself (tests/reference/make_python_regex.py).
#include "unicode/python_regex.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/json.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using ::testing::HasSubstr;

TEST(PythonRegex, FindsWhatPythonFinds) {
  int compared = 0, refused = 0;
  for (const Json& one : read_json(testing::fixture("python_regex.json"))) {
    const std::string expression = one[0];
    SCOPED_TRACE(expression);
    if (one[1].is_null()) {
      ++refused;
      EXPECT_THROW(PythonRegex::compile(expression, "test"), Error);
      continue;
    }
    const auto regex = PythonRegex::compile(expression, "test");
    for (const auto& [text, found] : one[1].items()) {
      ++compared;
      EXPECT_EQ(regex.match(text), found.get<bool>()) << dump_json(text);
    }
  }
  EXPECT_GE(compared, 2000);
  EXPECT_GE(refused, 30);
}

TEST(PythonRegex, RefusesByNameWhatItWouldMeanOtherwise) {
  const auto refusal = [](std::string_view expression) -> std::string {
    try {
      PythonRegex::compile(expression, "adapter");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unsupported) << error.what();
      return error.what();
    }
    return "none";
  };
  EXPECT_THAT(refusal("(?a)\\w"), HasSubstr("adapter: regular expression \"(?a)\\\\w\": flag a at byte 0"));
  EXPECT_THAT(refusal("(?L)x"), HasSubstr("flag L"));
  EXPECT_THAT(refusal("(?i)\u00e9"), HasSubstr("a letter beyond ASCII where case is ignored"));
  EXPECT_THAT(refusal("\\N{DIGIT ONE}"), HasSubstr("\\N"));
  EXPECT_THAT(refusal("(?=a)*"), HasSubstr("a repeated look-around"));
  EXPECT_THAT(refusal("a{70000}"), HasSubstr("a bound above 65535"));
  EXPECT_THAT(refusal(std::string(60, '(') + std::string(60, ')')), HasSubstr("nesting deeper than 50"));
}

TEST(PythonRegex, GivesUpOnWhatNeverEnds) {
  const auto regex = PythonRegex::compile("(a+)+$", "adapter");
  try {
    regex.match(std::string(60, 'a') + "b");
    FAIL();
  } catch (const Error& error) { EXPECT_THAT(error.what(), HasSubstr("gives up")); }
}

}  // namespace
}  // namespace glassbox
