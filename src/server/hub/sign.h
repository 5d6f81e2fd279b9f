// Short-lived rights in a text: what clients are given to show elsewhere, without their key. Nobody else can make one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace glassbox::hubapi {

// Letters, digits, '-', '_' and one '.': fit for a URL. The HMAC-SHA-256 (RFC 2104) of what it says, under `secret`.
std::string sign(const Json& says, std::string_view secret);
// What it says; nothing if it was not signed with this secret, or its "exp" (seconds since 1970) is over.
std::optional<Json> verify(std::string_view text, std::string_view secret);

int64_t now_in_seconds();

}  // namespace glassbox::hubapi
