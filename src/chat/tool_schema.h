// What a tool's JSON Schema says about its parameters, as far as reading what a model wrote needs it.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace glassbox {

// The function of this name in a request's list of tools, or null.
const OrderedJson* tool_named(const OrderedJson& tools, std::string_view name);

// True if the function's schema names its parameters at all, and this one among them. Null: false.
bool lists_parameters(const OrderedJson* function);
bool has_parameter(const OrderedJson* function, std::string_view name);

// The value of a parameter that a model wrote as bare text: of a type the schema allows, through "type" (one or a
// list), "nullable", "enum", "const", "anyOf", "oneOf", "allOf" and local "$ref". Where several fit, null, truth
// values, numbers and structures count before text: a text is what nothing else reads. Python's True, False, None and
// its quotes count as JSON's. A parameter that the schema does not know is text; one it says nothing about is JSON,
// else text.
OrderedJson read_parameter(std::string_view text, const OrderedJson* function, std::string_view name);

// An argument that a model wrote as a JSON string where the schema allows none: what the string says, if that fits;
// else as it is.
OrderedJson typed_argument(OrderedJson value, const OrderedJson* function, std::string_view name);

}  // namespace glassbox
