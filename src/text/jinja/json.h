// JSON in and out: a request's values as a template sees them, and what json.dumps would write of a template's values.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "text/jinja/value.h"

namespace glassbox::jinja {

// Objects keep their order. Fails on text that is not UTF-8, and on too deep nesting.
Value from_json(const nlohmann::ordered_json& json);

// json.dumps(value, ensure_ascii, indent, separators, sort_keys).
struct JsonStyle {
  bool ascii = false;
  bool lines = false;  // `indent` was given, if only as 0
  std::string indent;
  std::string item_separator = ", ", key_separator = ": ";
  bool sorted = false;
};
std::string dump_json(const Value& value, const JsonStyle& style);

}  // namespace glassbox::jinja
