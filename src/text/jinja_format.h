// Numbers as Python writes them, and Python's three ways to format: '%d' % x, '{:d}'.format(x), strftime.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "text/jinja_value.h"

namespace glassbox::jinja {

// Python's repr of a float: the fewest digits that read back as the same number.
std::string float_repr(double value);

// round(value, digits) of a float: exact, ties to even.
double round_float(double value, int digits);

// int(text, base) and float(text): nothing if Python would raise ValueError. An int beyond 64 bits is refused.
std::optional<int64_t> parse_integer(std::string_view text, int base);
std::optional<double> parse_float(std::string_view text);
// int() of a float: fails on what is not finite, refuses what needs more than 64 bits.
int64_t truncate_float(double value);

// format % values, where values is a tuple, a dict, or one value.
Value format_percent(const Value& format, const Value& values);

// text.format(...), fields looked up with the sandbox's rules.
Value format_braces(Renderer& renderer, const Value& format, const Arguments& arguments);

// As datetime.now().strftime(format) on Linux: no time zone is known (%z and %Z are empty), no microseconds are (%f).
std::string format_time(const std::tm& time, const std::string& format);

}  // namespace glassbox::jinja
