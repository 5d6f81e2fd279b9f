// Calls written as Python: f(a=1, b="x").
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "text/tool_calls.h"

namespace glassbox {

// Calls with keyword arguments, one after another; `commas`: with commas between them, as in a list. Arguments are
// literals of Python (or JSON's true, false, null). Nothing if any of it is something else, or there is no call.
std::optional<std::vector<ToolCall>> pythonic_calls(std::string_view text, bool commas);

}  // namespace glassbox
