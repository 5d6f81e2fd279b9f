// Calls written as JSON: {"name": ..., "arguments": {...}}, as models do, who lose a bracket now and then.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "chat/tool_calls.h"

namespace glassbox {

// JSON as a model wrote it: depth and size bounded. Nothing if it is none.
std::optional<OrderedJson> json_of_model(std::string_view text);

// A call's arguments, which a model wrote as an object: read as literal_of_model() does, brackets too many after it
// passed over, values typed by the tool's schema where one is on the list. `closed`: a mark says
// that this is all, so brackets left out are added. Nothing if it is no object.
std::optional<std::string> arguments_of_model(std::string_view text, std::string_view name, const OrderedJson& tools,
                                              bool closed);

// All that stands between two marks: calls as JSON, one or more, and brackets too many after them, or if a closing mark
// follows (`closed`) too few. `known`: only tools of the request, and with arguments.
std::optional<std::vector<ToolCall>> read_json_calls(std::string_view text, const OrderedJson& tools, bool known,
                                                     bool closed);

// Whether {"name": ... could become a call of one of the tools; nothing where that is not told yet.
std::optional<bool> could_be_json_call(std::string_view text, const OrderedJson& tools);

// Whether a name that is not all there may yet be one of the tools'.
bool may_become_tool(std::string_view name, const OrderedJson& tools);

}  // namespace glassbox
