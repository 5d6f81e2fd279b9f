// What operators, subscripts and attributes mean: Python's rules, inside Jinja2's immutable sandbox.
#pragma once

#include <string_view>

#include "jinja/ast.h"
#include "jinja/value.h"

namespace glassbox::jinja {

// + - * / // % ** as Python computes them; ints are 64 bits here, and beyond is an error.
Value arithmetic(Operator op, const Value& a, const Value& b);
Value negate(const Value& value);
Value positive(const Value& value);
bool compare(Comparison op, const Value& a, const Value& b);

// object.name: an attribute, else an item, else undefined. What would change a list or dict, or starts with an
// underscore, is undefined too, and says so when used.
Value get_attribute(Renderer& renderer, const Value& object, std::string_view name);
// object[key]: an item, else an attribute of that name, else undefined.
Value get_item(Renderer& renderer, const Value& object, const Value& key);
// object[start:stop:step]; none where left out.
Value get_slice(const Value& object, const Value& start, const Value& stop, const Value& step);
// The attribute alone: nothing if Python's getattr() would raise AttributeError.
std::optional<Value> find_attribute(const Value& object, std::string_view name);

// & < > ' " as HTML entities.
std::string escape_html(std::string_view text);
// MarkupSafe's escape(): markup stays, the rest is escaped.
Value escape(const Value& value);

}  // namespace glassbox::jinja
