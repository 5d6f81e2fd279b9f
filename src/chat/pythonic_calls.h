// Calls written as Python: f(a=1, b="x").
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "chat/tool_calls.h"

namespace glassbox {

// A value as a model writes one: JSON, or what Python would take too: True, False, None, either quote, raw line breaks
// and other control characters within texts, a comma after the last item. Nothing if it is none, or nests beyond 64.
std::optional<OrderedJson> literal_of_model(std::string_view text);

// The value that `text` begins with, which must be a list or an object; `size`: of its text.
std::optional<OrderedJson> leading_structure(std::string_view text, size_t& size);

// Calls with keyword arguments, one after another; `commas`: with commas between them, as in a list. Arguments are
// literals of Python (or JSON's true, false, null). Nothing if any of it is something else, or there is no call.
std::optional<std::vector<ToolCall>> pythonic_calls(std::string_view text, bool commas);

}  // namespace glassbox
