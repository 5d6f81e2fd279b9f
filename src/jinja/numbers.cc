#include "jinja/numbers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "jinja/value.h"
#include "unicode/python_text.h"
#include "unicode/utf8.h"

namespace glassbox::jinja {

double LargeInteger::number() const { return std::strtod(digits_.c_str(), nullptr); }

bool LargeInteger::equals(const Other& that) const {
  const auto* other = dynamic_cast<const LargeInteger*>(&that);
  return other && other->digits_ == digits_;
}

int compare_large(const Value& a, const Value& b) {
  const LargeInteger *x = large_integer(a), *y = large_integer(b);
  if (!x) return -compare_large(b, a);
  const int sign = x->negative() ? -1 : 1;
  if (!y) {
    if (!b.is(Type::floating)) return sign;  // beyond whatever has 64 bits
    return x->number() < b.number() ? -1 : x->number() > b.number() ? 1 : 0;
  }
  if (x->negative() != y->negative()) return sign;
  const std::string &p = x->digits(), &q = y->digits();
  if (p.size() != q.size()) return p.size() < q.size() ? -sign : sign;
  const int order = p.compare(q);
  return order < 0 ? -sign : order > 0 ? sign : 0;
}

std::string print_double(const char* format, int precision, double value) {
  int size = std::snprintf(nullptr, 0, format, precision, value);
  std::string out(static_cast<size_t>(size) + 1, 0);
  std::snprintf(out.data(), out.size(), format, precision, value);
  out.resize(static_cast<size_t>(size));
  return out;
}

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  size_t e = text.find('e');
  int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  if (exponent >= -4 && exponent < 16) {
    end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
    std::string out(buffer, end);
    return out.find('.') == std::string::npos ? out + ".0" : out;
  }
  return fmt::format("{}e{}{:02}", text.substr(0, e), exponent < 0 ? '-' : '+', std::abs(exponent));
}

double round_float(double value, int digits) {
  if (!std::isfinite(value) || digits > 323) return value;
  if (digits < -308) return std::copysign(0.0, value);
  if (digits >= 0) return std::strtod(print_double("%.*f", digits, value).c_str(), nullptr);
  double unit = std::pow(10.0, -digits);
  return std::nearbyint(value / unit) * unit;
}

std::optional<int64_t> parse_integer(std::string_view text, int base) {
  text = python::strip(text, nullptr, 'b');
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.size() > 2 && text[0] == '0') {
    char letter = static_cast<char>(std::tolower(static_cast<unsigned char>(text[1])));
    int named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named && (base == named || base == 0)) {
      base = named;
      text.remove_prefix(2);
      if (text[0] == '_') text.remove_prefix(1);
    }
  }
  if (base == 0) {
    base = 10;
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != text.npos) return std::nullopt;
  }
  if (text.empty() || base < 2 || base > 36) return std::nullopt;
  uint64_t magnitude = 0;
  bool digit_before = false, beyond = false;
  for (size_t at = 0; at < text.size();) {
    char32_t c = unicode::next_valid(text, at);
    if (c == '_') {
      if (!digit_before || at == text.size()) return std::nullopt;
      digit_before = false;
      continue;
    }
    uint32_t digit = c >= '0' && c <= '9'   ? c - '0'
                     : c >= 'a' && c <= 'z' ? c - 'a' + 10
                     : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                            : 99;
    if (digit >= static_cast<uint32_t>(base)) {
      if (python::is_decimal(c) && c >= 0x80) refuse("a number in other than ASCII digits");
      return std::nullopt;
    }
    digit_before = true;
    beyond |= __builtin_mul_overflow(magnitude, static_cast<uint64_t>(base), &magnitude) ||
              __builtin_add_overflow(magnitude, uint64_t{digit}, &magnitude);
  }
  uint64_t most = negative ? uint64_t{1} << 63 : (uint64_t{1} << 63) - 1;
  if (beyond || magnitude > most) refuse("an integer beyond 64 bits");
  return static_cast<int64_t>(negative ? uint64_t{0} - magnitude : magnitude);
}

std::optional<double> parse_float(std::string_view text) {
  text = python::strip(text, nullptr, 'b');
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (text[i] == '_' && i > 0 && digit(i - 1) && digit(i + 1)) continue;
    plain += text[i];
  }
  std::string lower = python::to_lower(plain);
  std::string_view body = lower;
  bool negative = false;
  if (!body.empty() && (body[0] == '+' || body[0] == '-')) {
    negative = body[0] == '-';
    body.remove_prefix(1);
  }
  if (body.empty()) return std::nullopt;
  double value = 0;
  if (body == "inf" || body == "infinity") {
    value = HUGE_VAL;
  } else if (body == "nan") {
    value = std::nan("");
  } else {
    if (body.find_first_not_of("0123456789.e+-") != body.npos || body[0] == '+' || body[0] == '-') return std::nullopt;
    std::string digits(body);
    char* end = nullptr;
    value = std::strtod(digits.c_str(), &end);
    if (end != digits.c_str() + digits.size()) return std::nullopt;
  }
  return negative ? -value : value;
}

int64_t truncate_float(double value) {
  if (std::isnan(value)) raise("cannot convert float NaN to integer");
  if (std::isinf(value)) raise("cannot convert float infinity to integer");
  value = std::trunc(value);
  if (value >= 9223372036854775808.0 || value < -9223372036854775808.0) refuse("an integer beyond 64 bits");
  return static_cast<int64_t>(value);
}

}  // namespace glassbox::jinja
