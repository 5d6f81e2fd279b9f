// JSON in and out: a request's values as a template sees them, and what json.dumps would write of a template's values.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/value.h"

namespace glassbox::jinja {

// Objects keep their order; all text is trusted, or none of it. Fails on text that is not UTF-8, and on too deep
// nesting.
Value from_json(const nlohmann::ordered_json& json, bool trusted);

// The same of a conversation's messages, whose text is a stranger's but for two things: a role that `is_role` knows,
// since templates spell marks with it, and what in an assistant's content is one of `own_marks`.
struct OwnWords {
  std::function<bool(std::string_view)> is_role;
  std::vector<std::string> own_marks;
};
Value from_messages(const nlohmann::ordered_json& messages, const OwnWords& own);

// json.dumps(value, ensure_ascii, indent, separators, sort_keys).
struct JsonStyle {
  bool ascii = false;
  bool lines = false;  // `indent` was given, if only as 0
  std::string indent;
  std::string item_separator = ", ", key_separator = ": ";
  bool sorted = false;
};
// What is not text is trusted where none of the text is a stranger's.
MixedText dump_json(const Value& value, const JsonStyle& style);

}  // namespace glassbox::jinja
