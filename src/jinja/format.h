// Python's three ways to format: '%d' % x, '{:d}'.format(x), strftime.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "jinja/value.h"

namespace glassbox::jinja {

// format % values, where values is a tuple, a dict, or one value.
Value format_percent(const Value& format, const Value& values);

// text.format(...), fields looked up with the sandbox's rules.
Value format_braces(Renderer& renderer, const Value& format, const Arguments& arguments);

// As datetime.now().strftime(format) on Linux: no time zone is known (%z and %Z are empty), no microseconds are (%f).
std::string format_time(const std::tm& time, const std::string& format);

}  // namespace glassbox::jinja
