// Percent-encoding of addresses (RFC 3986, section 2.1).
#pragma once

#include <string>
#include <string_view>

namespace glassbox {

// All but letters, digits and "-._~" as %XX, so that it can be any part of an address; a path may keep its slashes.
std::string percent_encoded(std::string_view text, bool keep_slashes = false);
// What is no two hexadecimal digits behind a % stays as it is.
std::string percent_decoded(std::string_view text);

}  // namespace glassbox
