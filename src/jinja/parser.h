// Tokens to a tree, with Jinja2's grammar: loop controls and {% generation %} included; inheritance, includes and
// autoescape refused by name.
#pragma once

#include <memory>
#include <string_view>

#include "jinja/ast.h"

namespace glassbox::jinja {

// Throws Error(bad_file | unsupported) with `name` and the line.
std::shared_ptr<const Template> parse(std::string_view source, std::string_view name);

}  // namespace glassbox::jinja
