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
std::optional<std::vector<ToolCall>> read_python_calls(std::string_view text, bool commas);

// Those calls with arguments that came as text where the tool's schema wants another type in that type.
std::optional<std::vector<ToolCall>> typed_python_calls(std::optional<std::vector<ToolCall>> calls,
                                                        const OrderedJson& tools);

// Code that calls tools of the request and does nothing else: f(a=1), [f(a=1), g()], print(f(a=1)).
std::optional<std::vector<ToolCall>> read_python_code(std::string_view code, const OrderedJson& tools);

// Whether f( or [f( could become calls of tools, or read_python_code() something to read; nothing where that is not
// told yet.
std::optional<bool> could_be_python_call(std::string_view text, const OrderedJson& tools);
std::optional<bool> could_be_python_code(std::string_view text, const OrderedJson& tools);

}  // namespace glassbox
