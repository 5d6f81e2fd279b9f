// Integers of more than 64 bits within OrderedJson: parse_ordered_json() keeps their digits, dump_ordered_json() writes
// them.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace glassbox {

// One is held as the library's only type that JSON text never has (binary): readers of numbers do not take it for one.
// Of 4,300 digits at most, as Python takes them; parse_ordered_json() refuses a longer one.
bool is_large_integer(const OrderedJson& value);
std::string digits_of(const OrderedJson& large_integer);
OrderedJson large_integer(std::string_view digits);

}  // namespace glassbox
