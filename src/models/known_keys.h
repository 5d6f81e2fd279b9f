// Keys of config.json that are known to change what a published language model computes.
#pragma once

#include <string_view>

namespace glassbox {

// The family that the key is known from, or empty: nothing published is known to read it. Of the whole file and of the
// objects within it alike.
std::string_view family_that_reads(std::string_view key);

}  // namespace glassbox
