// Numbers as Python writes, reads and rounds them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace glassbox::jinja {

// printf of one double: a format with a precision of '*'.
std::string print_double(const char* format, int precision, double value);

// Python's repr of a float: the fewest digits that read back as the same number.
std::string float_repr(double value);

// round(value, digits) of a float: exact, ties to even.
double round_float(double value, int digits);

// int(text, base) and float(text): nothing if Python would raise ValueError. An int beyond 64 bits is refused.
std::optional<int64_t> parse_integer(std::string_view text, int base);
std::optional<double> parse_float(std::string_view text);
// int() of a float: fails on what is not finite, refuses what needs more than 64 bits.
int64_t truncate_float(double value);

}  // namespace glassbox::jinja
