#include "base/json.h"

#include <gmock/gmock.h>

#include <ctime>

#include "base/large_integer.h"

namespace glassbox {
namespace {

using ::testing::HasSubstr;

std::string refusal(const std::string& text, int max_depth = 128) {
  std::string first;
  for (const bool ordered : {false, true}) {
    std::string error = "(no error)";
    try {
      if (ordered) {
        parse_ordered_json(text, "file", ErrorKind::bad_request, max_depth);
      } else {
        parse_json(text, "file", ErrorKind::bad_request, max_depth);
      }
    } catch (const Error& caught) {
      EXPECT_EQ(caught.kind(), ErrorKind::bad_request);
      error = caught.what();
    }
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    EXPECT_LT(error.size(), 500u);
    EXPECT_TRUE(!ordered || error == first) << error << " / " << first;
    first = error;
  }
  return first;
}

TEST(Json, ParsesWhatTheLibraryParses) {
  for (const char* text :
       {"null", "true", "-7", "18446744073709551615", "1.5e-3", "\"a\\u00e9\\n\"", "[]", "{}",
        "[1,[2,{\"a\":[]}],null]", R"({"z":1,"a":{"y":[false,{"b":2}],"x":"s"},"m":[[],[[]]]})", " [ 1 , 2 ] "}) {
    EXPECT_EQ(parse_json(text, "file"), Json::parse(text)) << text;
    EXPECT_EQ(parse_ordered_json(text, "file").dump(), OrderedJson::parse(text).dump()) << text;
  }
}

TEST(Json, RefusesInOneLine) {
  EXPECT_THAT(refusal(""), HasSubstr("file: not JSON: parse error at line 1, column 1"));
  EXPECT_THAT(refusal("{\"a\":"), HasSubstr("file: not JSON: parse error at line 1, column 6"));
  EXPECT_THAT(refusal("[1] 2"), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("[1e400]"), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("\"\xff\""), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("[Infinity]"), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("\"" + std::string(100000, 'x')), HasSubstr("missing closing quote"));
  EXPECT_THAT(refusal("[\"\n\"]"), HasSubstr("not JSON"));
}

TEST(Json, IntegersOfAnySizeKeepTheirDigits) {
  const std::string long_one = std::string(4299, '7');
  for (const std::string& digits : {std::string("18446744073709551616"), std::string("-9223372036854775809"),
                                    std::string("1000000000000000000000000000000"), long_one, "-" + long_one}) {
    const OrderedJson value = parse_ordered_json(fmt::format("{{\"a\":[{}, 1]}}", digits), "file");
    EXPECT_TRUE(is_large_integer(value["a"][0]));
    EXPECT_FALSE(value["a"][0].is_number());
    EXPECT_EQ(digits_of(value["a"][0]), digits);
    EXPECT_EQ(value["a"][0], large_integer(digits));
    EXPECT_EQ(dump_ordered_json(value), fmt::format("{{\"a\":[{},1]}}", digits));
    EXPECT_EQ(dump_ordered_json(value, 2), fmt::format("{{\n  \"a\": [\n    {},\n    1\n  ]\n}}", digits));
  }
  try {
    parse_ordered_json(std::string(4301, '1'), "file");
    ADD_FAILURE();
  } catch (const Error& error) { EXPECT_STREQ(error.what(), "file: an integer of more than 4300 digits"); }
  EXPECT_EQ(dump_ordered_json(parse_ordered_json(
                R"([18446744073709551615,-9223372036854775808,1.0,1,-0.0,1e3,0.1234567890123456789])", "file")),
            "[18446744073709551615,-9223372036854775808,1.0,1,-0.0,1000.0,0.12345678901234568]");
  // A value beside one is written as ever.
  const OrderedJson mixed =
      parse_ordered_json(R"({"e":{},"l":[],"s":"a\"\u00e9","n":null,"b":99999999999999999999})", "file");
  EXPECT_EQ(dump_ordered_json(mixed),
            "{\"e\":{},\"l\":[],\"s\":\"a\\\"\u00e9\",\"n\":null,\"b\":99999999999999999999}");
}

TEST(Json, KeysGivenTwice) {
  EXPECT_THAT(refusal(R"({"a":1,"b":{"a":2},"a":3})"), HasSubstr("file: key \"a\" given twice in one object"));
  EXPECT_THAT(refusal("{\"a\\nb\":1,\"a\\nb\":2}"), HasSubstr(R"("a\nb" given twice)"));
  refusal("{\"" + std::string(100000, 'x') + "\":1,\"" + std::string(100000, 'x') + "\":2}");
  EXPECT_EQ(parse_json(R"([{"a":1},{"a":2}])", "file").size(), 2u);
}

TEST(Json, DepthIsBounded) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(refusal(nested(128)), "(no error)");
  EXPECT_EQ(refusal(nested(129)), "file: JSON nested deeper than 128");
  EXPECT_EQ(refusal(std::string(1 << 20, '[')), "file: JSON nested deeper than 128");
  EXPECT_EQ(refusal(R"({"a":{"b":1}})", 1), "file: JSON nested deeper than 1");
  EXPECT_EQ(refusal(R"({"a":1})", 1), "(no error)");
}

TEST(Json, LargeTextsTakeLinearTime) {
  std::string list = "[", object = "{";
  for (int i = 0; i < 100'000; ++i) {
    list += R"({"a":[]},)";
    object += fmt::format("\"k{}\":{{}},", i);
  }
  const std::clock_t start = std::clock();
  EXPECT_EQ(parse_json(list + "1]", "file").size(), 100'001u);
  EXPECT_EQ(parse_json(object + "\"z\":1}", "file").size(), 100'001u);
  EXPECT_EQ(parse_ordered_json(object + "\"z\":1}", "file").size(), 100'001u);
  // Half a second of processor time; a minute and more where each end of an object walks its parent.
  EXPECT_LT(std::clock() - start, 15 * CLOCKS_PER_SEC);
}

}  // namespace
}  // namespace glassbox
