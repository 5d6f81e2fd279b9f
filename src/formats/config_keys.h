// Keys of config.json that are known to change what a published language model computes.
#pragma once

#include <string_view>

#include "base/json.h"

namespace glassbox {

// The family that the key is known from, or empty: nothing published is known to read it. Of the whole file and of the
// objects within it alike.
std::string_view family_that_reads(std::string_view key);

// Whether the value says of the key what would be so without it (a factor of 1, no experts): false and null always do.
bool says_nothing(std::string_view key, const Json& value);

}  // namespace glassbox
