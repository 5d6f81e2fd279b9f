// Numbers as Python writes, reads and rounds them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "jinja/value.h"

namespace glassbox::jinja {

// An int beyond 64 bits, as a request may have it in a tool's schema: it prints, compares and tests as Python's does;
// arithmetic with it is refused.
class LargeInteger final : public Other {
 public:
  // REQUIRES: a number beyond 64 bits, '-' before it if it is negative, without leading zeros.
  explicit LargeInteger(std::string digits) : Other(sizeof(LargeInteger) + digits.size()), digits_(std::move(digits)) {}
  const std::string& digits() const { return digits_; }
  bool negative() const { return digits_[0] == '-'; }
  double number() const;  // the nearest; infinite beyond the largest

  const char* type_name() const override { return "int"; }
  std::string print() const override { return digits_; }
  bool equals(const Other& that) const override;

 private:
  const std::string digits_;
};

inline const LargeInteger* large_integer(const Value& value) { return value.as<LargeInteger>(); }
// <0, 0, >0; `a` or `b` is large, the other one too or a number.
int compare_large(const Value& a, const Value& b);

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
