// Fields of a JSON object from outside, of the type they must have: one-line errors that name the file and the place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace glassbox {

// `place` says which part of the file, as in "normalizer Replace". All throw Error(bad_file).
std::string json_string(const Json& object, const char* key, std::string_view source, std::string_view place);
const Json& json_array(const Json& object, const char* key, std::string_view source, std::string_view place);
const Json& json_object(const Json& object, const char* key, std::string_view source, std::string_view place);
// These take absence and null as `otherwise`.
bool json_bool(const Json& object, const char* key, bool otherwise, std::string_view source, std::string_view place);
std::string json_string_or(const Json& object, const char* key, std::string_view otherwise, std::string_view source,
                           std::string_view place);
// An integer that fits; nothing for any other value.
std::optional<int64_t> json_integer(const Json& value);

}  // namespace glassbox
