// Jinja2's filters and tests by name, and how their arguments are bound to parameters.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "jinja/value.h"

namespace glassbox::jinja {

struct FilterEntry {
  const char* name;
  Value (*apply)(Renderer&, const Value& input, Arguments&);
};
struct TestEntry {
  const char* name;
  bool (*apply)(Renderer&, const Value& input, Arguments&);
};

// Null if there is none here. `exists_in_jinja` says whether Jinja2 has one: a name to refuse rather than unknown.
const FilterEntry* find_filter(std::string_view name);
const TestEntry* find_test(std::string_view name);
bool filter_exists_in_jinja(std::string_view name);

// |select('name', ...) and the like: by name, at run time. Fail if there is none.
Value apply_filter(Renderer& renderer, std::string_view name, const Value& input, Arguments& arguments);
bool apply_test(Renderer& renderer, std::string_view name, const Value& input, Arguments& arguments);

// Arguments by parameter, as Python binds them; null where not given. Fails on what is unknown, given twice or too
// much, and on any of the first `required` that is missing.
std::vector<const Value*> bind(const char* function, const Arguments& arguments,
                               std::initializer_list<const char*> parameters, size_t required = 0);

// The tables, one per file.
extern const std::vector<FilterEntry> kTextFilters, kLayoutFilters, kSequenceFilters;
extern const std::vector<TestEntry> kTests;

}  // namespace glassbox::jinja
