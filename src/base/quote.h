// A stranger's names and values, fit for a one-line error: quoted, control characters escaped, bytes that are not UTF-8
// replaced, long ones cut.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace glassbox {

std::string quote(std::string_view text);

// A JSON value, cut to what helps: a container of many parts is named, not printed.
std::string brief(const Json& value);

}  // namespace glassbox
