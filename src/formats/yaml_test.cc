#include "formats/yaml.h"

#include <gmock/gmock.h>

#include "base/error.h"

namespace glassbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

OrderedJson value_of(std::string_view text) { return parse_yaml(text, "card").value; }

std::string refusal(std::string_view text, ErrorKind kind, const YamlLimits& limits = {}) {
  try {
    parse_yaml(text, "card", limits);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "accepted";
}

TEST(Yaml, IsReadByTheCoreSchema) {
  EXPECT_EQ(value_of(""), nullptr);
  EXPECT_EQ(value_of("# nothing\n"), nullptr);
  EXPECT_EQ(value_of("[null, ~, true, False, no, 1, -2, +3, 0o17, 0x1F, 1.5, -.5e1, 4., 1e400, .inf, 2024-01-01]"),
            OrderedJson::parse(R"([null, null, true, false, "no", 1, -2, 3, 15, 31, 1.5, -5.0, 4.0, "1e400", ".inf",
                                   "2024-01-01"])"));
  EXPECT_EQ(value_of("[18446744073709551615, 18446744073709551616, -9223372036854775808, 0x, 0o8, 1_000, .]"),
            OrderedJson::parse(R"([18446744073709551615, "18446744073709551616", -9223372036854775808, "0x", "0o8",
                                   "1_000", "."])"));
  EXPECT_EQ(value_of("['1', \"true\", 'it''s', \"\\u00e9\\n\", \"a, b\"]"),
            OrderedJson::parse(R"(["1", "true", "it's", "é\n", "a, b"])"));
}

// What cards have, and readers of lines stumble over.
TEST(Yaml, NestsFoldsAndKeepsItsOrder) {
  const Yaml yaml = parse_yaml(
      "# a comment\nlicense: mit\ntags:\n- chat\n- \"a, b\"\nmodel-index:\n- name: x\n  results:\n  - task: {type: t}\n"
      "    metrics:\n    - {type: acc, value: 61.5}\ntext: |\n  one\n  two: 3\n\nfolded: >-\n  a\n  b\nlast: &unused "
      "1\n",
      "card");
  EXPECT_EQ(dump_ordered_json(yaml.value),
            R"({"license":"mit","tags":["chat","a, b"],"model-index":[{"name":"x","results":[{"task":{"type":"t"},)"
            R"("metrics":[{"type":"acc","value":61.5}]}]}],"text":"one\ntwo: 3\n","folded":"a b","last":1})");
  EXPECT_THAT(yaml.keys, ElementsAre(Pair("license", 1), Pair("tags", 2), Pair("model-index", 5), Pair("text", 11),
                                     Pair("folded", 15), Pair("last", 18)));
}

TEST(Yaml, WhatWouldChangeItsMeaningIsRefused) {
  EXPECT_THAT(refusal("a: &x 1\nb: *x\n", ErrorKind::unsupported), HasSubstr("card: line 2: an alias"));
  EXPECT_THAT(refusal("a: !!str 1\n", ErrorKind::unsupported), HasSubstr("tag:yaml.org,2002:str"));
  EXPECT_THAT(refusal("a: !!python/object x\n", ErrorKind::unsupported), HasSubstr("python/object"));
  EXPECT_THAT(refusal("a:\n  <<: {b: 1}\n", ErrorKind::unsupported), HasSubstr("line 2: a merge key"));
  EXPECT_THAT(refusal("? [a]\n: 1\n", ErrorKind::unsupported), HasSubstr("a key that is a list"));
  EXPECT_THAT(refusal("a: 1\nb: 2\na: 3\n", ErrorKind::bad_file), HasSubstr("line 3: key \"a\" is given twice"));
  EXPECT_THAT(refusal("a: 1\n---\nb: 1\n", ErrorKind::bad_file), HasSubstr("one document"));
  EXPECT_THAT(refusal("a: [1\n", ErrorKind::bad_file), HasSubstr("not YAML"));
  EXPECT_THAT(refusal("a: b: c\n", ErrorKind::bad_file), HasSubstr("card: line 1: not YAML"));
  EXPECT_THAT(refusal("a: \xFF", ErrorKind::bad_file), HasSubstr("byte 3"));
  EXPECT_THAT(refusal(std::string("a: \0b", 5), ErrorKind::bad_file), HasSubstr("byte 3"));
}

TEST(Yaml, IsBounded) {
  const auto nested = [](size_t depth, const char* open) {
    std::string text;
    for (size_t i = 0; i < depth; ++i) text += open;
    return text;
  };
  EXPECT_EQ(value_of(nested(64, "[") + nested(64, "]")).dump(), nested(64, "[") + nested(64, "]"));
  for (const size_t depth : {size_t{65}, size_t{100'000}}) {
    EXPECT_THAT(refusal(nested(depth, "[") + nested(depth, "]"), ErrorKind::bad_file), HasSubstr("64 levels"));
    EXPECT_THAT(refusal(nested(depth, "{a: ") + nested(depth, "}"), ErrorKind::bad_file), HasSubstr("64 levels"));
    EXPECT_THAT(refusal(nested(depth, "- ") + "a", ErrorKind::bad_file), HasSubstr("64 levels"));
    EXPECT_THAT(refusal(nested(depth, "? ") + "a", ErrorKind::unsupported), HasSubstr("a key that is"));
  }
  EXPECT_THAT(refusal("[" + nested(100, "1, ") + "]", ErrorKind::bad_file, {.nodes = 100}), HasSubstr("100 values"));
  EXPECT_THAT(refusal("abc", ErrorKind::bad_file, {.bytes = 2}), HasSubstr("at most 2 bytes"));
}

}  // namespace
}  // namespace glassbox
