// JSON from outside: depth bounded, duplicate keys refused, errors that name the source and the byte.
#pragma once

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace glassbox {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // objects keep the order of their keys; finding one takes a walk

// `source` names the text in errors (a file, "request body"). Throws Error(kind) on malformed text, on
// nesting beyond `max_depth`, and on a key given twice in one object (readers would disagree about which one
// counts). Takes time linear in the text (n log n for Json's objects).
Json parse_json(std::string_view text, std::string_view source, ErrorKind kind = ErrorKind::bad_file,
                int max_depth = 128);
// `max_values`: for text of strangers, since a value takes tens of bytes of memory for one or two of text.
OrderedJson parse_ordered_json(std::string_view text, std::string_view source, ErrorKind kind = ErrorKind::bad_file,
                               int max_depth = 128, size_t max_values = std::numeric_limits<size_t>::max());
Json read_json(const std::filesystem::path& file,
               size_t limit = size_t{1} << 30);  // Error(bad_file) beyond `limit` bytes

// The handler of nlohmann's sax_parse says this of malformed text: "FILE: not JSON: parse error at line 1,
// column 2: ...".
[[noreturn]] void fail_not_json(const std::exception& error, std::string_view source, ErrorKind kind);

// One line of text; bytes that are not UTF-8 become U+FFFD.
std::string dump_json(const Json& value, int indent = -1);
std::string dump_ordered_json(const OrderedJson& value, int indent = -1);

}  // namespace glassbox
