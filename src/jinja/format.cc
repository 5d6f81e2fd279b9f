#include "jinja/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "jinja/numbers.h"
#include "jinja/operators.h"
#include "jinja/render.h"
#include "jinja/text.h"
#include "unicode/python_text.h"
#include "unicode/utf8.h"

namespace glassbox::jinja {
namespace {

// [[fill]align][sign][#][0][width][,][.precision][type], of format() and, where it has them, of '%'.
struct Spec {
  std::string fill = " ";
  char align = 0;  // < > ^ =
  char sign = '-';
  bool alternate = false;
  bool zero = false;
  char grouping = 0;
  int width = 0;
  int precision = -1;
  char type = 0;
};

constexpr int kWidest = 1 << 20;

bool one_of(char c, std::string_view set) { return c != 0 && set.find(c) != set.npos; }

int parse_count(std::string_view text, size_t& at) {
  int count = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    count = count * 10 + (text[at] - '0');
    if (count > kWidest) raise("a format asks for a width or precision of more than {}", kWidest);
  }
  return count;
}

MixedText pad(MixedText body, const Spec& spec, char default_align) {
  const std::string& text = body.text();
  size_t length = unicode::count_code_points(text), width = static_cast<size_t>(spec.width);
  if (length >= width) return body;
  size_t missing = width - length;
  char align = spec.align ? spec.align : default_align;
  size_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  check_string_size(spec.fill.size(), missing);
  MixedText out;
  size_t prefix = 0;
  if (align == '=') {  // after the sign and the base
    prefix = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ');
    if (spec.alternate && text.size() > prefix + 1 && text[prefix] == '0' &&
        std::isalpha(static_cast<unsigned char>(text[prefix + 1])))
      prefix += 2;
    out = body.part(0, prefix);
  }
  for (size_t i = 0; i < left; ++i) out.append(spec.fill, true);
  out.append(body, prefix, body.size());
  for (size_t i = left; i < missing; ++i) out.append(spec.fill, true);
  return out;
}

MixedText pad_ours(std::string text, const Spec& spec, char default_align) {
  return pad({std::move(text), true}, spec, default_align);
}

std::string with_sign(bool negative, std::string digits, char sign) {
  if (negative) return "-" + digits;
  if (sign == '+' || sign == ' ') return sign + digits;
  return digits;
}

std::string group(const std::string& digits, char separator, size_t every) {
  if (!separator) return digits;
  size_t whole = digits.find_first_not_of("0123456789abcdefABCDEF");
  if (whole == std::string::npos) whole = digits.size();
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % every == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(whole);
}

// Digits of |value|; the sign is the caller's.
std::string format_float(double value, const Spec& spec) {
  value = std::fabs(value);
  char type = spec.type;
  bool upper = type == 'E' || type == 'F' || type == 'G';
  if (!std::isfinite(value)) {
    std::string name = std::isnan(value) ? "nan" : "inf";
    if (type == '%') name += '%';
    return upper ? python::to_upper(name) : name;
  }
  int precision = spec.precision < 0 ? 6 : spec.precision;
  const bool alternate = spec.alternate;
  switch (type) {
    case 'e':
    case 'E':
      return print_double(upper ? (alternate ? "%#.*E" : "%.*E") : (alternate ? "%#.*e" : "%.*e"), precision, value);
    case 'f':
    case 'F':
      return print_double(alternate ? "%#.*f" : "%.*f", precision, value);
    case '%':
      return print_double(alternate ? "%#.*f" : "%.*f", precision, value * 100) + "%";
    case 0: {
      if (spec.precision < 0) return float_repr(value);
      // Without a type a number always shows that it is no int, and that one more digit counts as one.
      precision = std::max(precision, 1);
      std::string out = print_double("%.*e", precision - 1, value);
      size_t e = out.find('e');
      int exponent = std::atoi(out.c_str() + e + 1);
      if (exponent >= -4 && exponent + 2 <= precision) {
        out = print_double("%.*g", precision, value);
        return out.find('.') == std::string::npos ? out + ".0" : out;
      }
      size_t last = out.find_last_not_of('0', e - 1);
      if (out.find('.') < e) out.erase(out[last] == '.' ? last : last + 1, e - (out[last] == '.' ? last : last + 1));
      return out;
    }
    default:
      return print_double(upper ? (alternate ? "%#.*G" : "%.*G") : (alternate ? "%#.*g" : "%.*g"), precision, value);
  }
}

std::string format_int(int64_t value, const Spec& spec) {
  uint64_t magnitude = value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  int base = spec.type == 'x' || spec.type == 'X' ? 16 : spec.type == 'o' ? 8 : spec.type == 'b' ? 2 : 10;
  char buffer[70];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, magnitude, base).ptr;
  std::string digits(buffer, end);
  if (spec.type == 'X') digits = python::to_upper(digits);
  return group(digits, spec.grouping, base == 10 ? 3 : 4);
}

std::string base_prefix(const Spec& spec) {
  if (!spec.alternate || !one_of(spec.type, "xXob")) return "";
  return std::string("0") + spec.type;
}

Spec parse_spec(std::string_view text) {
  Spec spec;
  size_t at = 0;
  auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  size_t first = 0;
  if (!text.empty()) unicode::next_valid(text, first);
  if (first > 0 && first < text.size() && is_align(text[first])) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    at = first + 1;
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[0];
    at = 1;
  }
  auto peek = [&] { return at < text.size() ? text[at] : '\0'; };
  if (peek() == '+' || peek() == '-' || peek() == ' ') spec.sign = text[at++];
  if (peek() == '#') spec.alternate = true, ++at;
  if (peek() == '0') {
    ++at;
    spec.zero = true;
    if (!spec.align) spec.align = '=', spec.fill = "0";
  }
  spec.width = parse_count(text, at);
  if (peek() == ',' || peek() == '_') spec.grouping = text[at++];
  if (peek() == '.') {
    ++at;
    if (peek() < '0' || peek() > '9') raise("format specifier missing precision");
    spec.precision = parse_count(text, at);
  }
  if (at < text.size()) spec.type = text[at++];
  if (at != text.size()) raise("invalid format specifier '{}'", text);
  if (spec.grouping && spec.zero) refuse("a format with both leading zeros and thousands separators");
  return spec;
}

// format(value, spec)
MixedText format_value(const Value& value, std::string_view text) {
  if (text.empty()) return to_mixed(value);
  Spec spec = parse_spec(text);
  auto unknown = [&]() { raise("unknown format code '{}' for an object of type '{}'", spec.type, type_name(value)); };
  if (value.is_string()) {
    if (spec.type && spec.type != 's') unknown();
    if (spec.align == '=' && !spec.zero) raise("'=' alignment not allowed in string format specifier");
    if (spec.sign != '-' || spec.alternate || spec.grouping)
      raise("sign, '#' or ',' not allowed in string format specifier");
    if (spec.align == '=') spec.align = '<';
    std::string_view body = value.text();
    if (spec.precision >= 0) body = body.substr(0, unicode::prefix_bytes(body, static_cast<size_t>(spec.precision)));
    return pad(value.mixed().part(body), spec, '<');
  }
  bool as_int = value.is_integral() && (!spec.type || one_of(spec.type, "bdoxXcn"));
  if (value.is(Type::boolean) && !spec.type) spec.type = 'd';
  if (as_int) {
    if (spec.precision >= 0) raise("precision not allowed in integer format specifier");
    if (spec.type == 'c') {
      int64_t c = value.integer();
      if (c < 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) raise("%c arg not in range(0x110000)");
      std::string out;
      unicode::append(out, static_cast<char32_t>(c));
      return pad_ours(out, spec, '<');
    }
    return pad_ours(with_sign(value.integer() < 0, base_prefix(spec) + format_int(value.integer(), spec), spec.sign),
                    spec, '>');
  }
  if (value.is_number()) {
    if (spec.type && !one_of(spec.type, "eEfFgGn%")) unknown();
    if (spec.type == 'n') spec.type = 'g';
    double number = value.number();
    return pad_ours(with_sign(std::signbit(number) && !std::isnan(number),
                              group(format_float(number, spec), spec.grouping, 3), spec.sign),
                    spec, '>');
  }
  raise("unsupported format string passed to {}.__format__", type_name(value));
}

// One conversion of a '%' format, its flags already read.
MixedText convert_percent(const Spec& spec, const Value& value, bool left, bool escapes) {
  Spec padded = spec;
  padded.align = left ? '<' : '>';
  switch (spec.type) {
    case 's':
    case 'r':
    case 'a': {
      if (spec.type == 'a') refuse("%a in a format");
      MixedText body = spec.type == 's' ? to_mixed(value) : mixed_repr(value);
      if (escapes && !(spec.type == 's' && value.is_string() && value.str().markup)) body = map_runs(body, escape_html);
      if (spec.precision >= 0)
        body = body.part(0, unicode::prefix_bytes(body.text(), static_cast<size_t>(spec.precision)));
      return pad(body, padded, '>');
    }
    case 'c': {
      if (value.is_string() && value.str().length == 1) return pad(value.mixed(), padded, '>');
      Spec code = padded;
      code.type = 'c';
      if (!value.is_integral()) raise("%c requires int or char");
      return format_value(value, fmt::format("{}{}c", left ? '<' : '>', spec.width));
    }
    default:
      break;
  }
  need_defined(value);
  std::string digits;
  bool negative = false;
  if (one_of(spec.type, "diuoxX")) {
    bool decimal = spec.type == 'd' || spec.type == 'i' || spec.type == 'u';
    if (!value.is_integral() && !(decimal && value.is(Type::floating)))
      raise("%{} format: {} is required, not {}", spec.type, decimal ? "a real number" : "an integer",
            type_name(value));
    int64_t whole = value.is_integral() ? value.integer() : truncate_float(value.number());
    negative = whole < 0;
    digits = format_int(whole, spec);
    if (spec.precision > 0 && digits.size() < static_cast<size_t>(spec.precision))
      digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
    digits = base_prefix(spec) + digits;
  } else {
    if (!value.is_number()) raise("must be real number, not {}", type_name(value));
    negative = std::signbit(value.number()) && !std::isnan(value.number());
    digits = format_float(value.number(), spec);
  }
  if (spec.zero && !left) padded.align = '=', padded.fill = "0";
  return pad_ours(with_sign(negative, digits, spec.sign), padded, '>');
}

// A stranger's format chooses what is put together, a piece of any value at a time: all it makes is a stranger's.
MixedText by_format(const Value& format, MixedText made) {
  return format.mixed().trusted() ? std::move(made) : MixedText(std::move(made).take(), false);
}

class BraceFormatter {
 public:
  BraceFormatter(Renderer& renderer, const Arguments& arguments, bool markup)
      : renderer_(renderer), arguments_(arguments), markup_(markup) {}

  MixedText format(std::string_view text, int depth) {
    if (depth > 3) raise("max string recursion exceeded");
    MixedText out;
    for (size_t at = 0; at < text.size();) {
      char c = text[at];
      if (c != '{' && c != '}') {
        size_t next = std::min(text.find_first_of("{}", at), text.size());
        out.append(text.substr(at, next - at), true);
        at = next;
      } else if (at + 1 < text.size() && text[at + 1] == c) {
        out.append(text.substr(at, 1), true);
        at += 2;
      } else if (c == '}') {
        raise("single '}}' encountered in format string");
      } else {
        size_t end = closing(text, at + 1);
        out.append(field(text.substr(at + 1, end - at - 1), depth));
        at = end + 1;
      }
      check_string_size(out.size());
    }
    return out;
  }

 private:
  static size_t closing(std::string_view text, size_t at) {
    for (int open = 1; at < text.size(); ++at) {
      open += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
      if (open == 0) return at;
    }
    raise("single '{{' encountered in format string");
  }

  MixedText field(std::string_view text, int depth) {
    spend_items(1);
    size_t end = text.find_first_of(":!");
    // A ':' or '!' inside an index belongs to the index.
    for (size_t open = text.find('['); open != text.npos && end != text.npos && open < end;
         open = text.find('[', open + 1)) {
      size_t close = text.find(']', open);
      if (close != text.npos && close > end) end = text.find_first_of(":!", close);
    }
    std::string_view name = text.substr(0, end), conversion, spec;
    if (end != text.npos && text[end] == '!') {
      size_t colon = text.find(':', end);
      conversion = text.substr(end + 1, colon == text.npos ? text.npos : colon - end - 1);
      if (conversion.size() != 1) raise("expected one conversion character after '!' in a format string");
      if (colon != text.npos) spec = text.substr(colon + 1);
    } else if (end != text.npos) {
      spec = text.substr(end + 1);
    }
    Value value = lookup(name);
    if (conversion == "r")
      value = Value::string(mixed_repr(value));
    else if (conversion == "s")
      value = Value::string(to_mixed(value));
    else if (!conversion.empty())
      refuse("conversion '!{}' in a format string", conversion);
    const MixedText expanded = format(spec, depth + 1);
    if (markup_ && value.is_string() && value.str().markup) {
      if (!expanded.empty()) raise("unsupported format specification for Markup");
      return value.mixed();
    }
    MixedText made = format_value(value, expanded.text());
    if (!expanded.trusted()) made = MixedText(std::move(made).take(), false);
    return markup_ ? map_runs(made, escape_html) : made;
  }

  Value lookup(std::string_view path) {
    size_t at = std::min(path.find_first_of(".["), path.size());
    std::string first(path.substr(0, at));
    Value value = argument(first);
    while (at < path.size()) {
      if (path[at] == '.') {
        size_t end = std::min(path.find_first_of(".[", at + 1), path.size());
        if (end == at + 1) raise("empty attribute in format string");
        value = get_attribute(renderer_, value, path.substr(at + 1, end - at - 1));
        at = end;
      } else {
        size_t close = path.find(']', at);
        if (close == path.npos) raise("missing ']' in format string");
        std::string index(path.substr(at + 1, close - at - 1));
        if (index.empty()) raise("empty attribute in format string");
        bool number = index.find_first_not_of("0123456789") == std::string::npos && index.size() < 18;
        value = get_item(renderer_, value, number ? Value(int64_t{std::stoll(index)}) : Value::ours(index));
        at = close + 1;
        if (at < path.size() && path[at] != '.' && path[at] != '[')
          raise("only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  Value argument(const std::string& name) {
    bool number = name.find_first_not_of("0123456789") == std::string::npos;
    if (number) {
      if (name.size() > 9) raise("too many decimal digits in format string");
      if (name.empty() ? numbered_ == Numbering::manual : numbered_ == Numbering::automatic)
        raise("cannot switch between automatic and manual field numbering");
      numbered_ = name.empty() ? Numbering::automatic : Numbering::manual;
      size_t index = name.empty() ? next_++ : std::stoul(name);
      if (index >= arguments_.positional.size())
        raise("replacement index {} out of range for positional args tuple", index);
      return arguments_.positional[index];
    }
    for (const auto& [key, value] : arguments_.keyword)
      if (key == name) return value;
    raise("KeyError: {}", python::repr(name));
  }

  enum class Numbering { none, automatic, manual };
  Renderer& renderer_;
  const Arguments& arguments_;
  bool markup_;
  Numbering numbered_ = Numbering::none;
  size_t next_ = 0;
};

}  // namespace

Value format_percent(const Value& format, const Value& values) {
  const std::string& text = format.text();
  bool markup = format.str().markup;
  // What Python can subscript by name it takes for a mapping, which need not be used up; only a dict has names.
  bool mapping = values.is(Type::dict) || values.is(Type::list) || values.is(Type::range) || values.is_undefined();
  std::vector<Value> given;
  if (values.is(Type::tuple))
    given = values.items();
  else
    given.push_back(values);
  size_t used = 0;
  MixedText out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '%') {
      size_t next = std::min(text.find('%', at), text.size());
      out.append(format.mixed(), at, next);
      at = next;
      continue;
    }
    ++at;
    spend_items(1);
    auto next_value = [&]() -> Value {
      if (used >= given.size()) raise("not enough arguments for format string");
      return given[used++];
    };
    Spec spec;
    Value value;
    bool has_value = false, left = false;
    if (at < text.size() && text[at] == '(') {
      int open = 1;
      size_t start = ++at;
      for (; at < text.size() && open > 0; ++at) open += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
      if (open > 0) raise("incomplete format key");
      std::string key = text.substr(start, at - 1 - start);
      if (!values.is(Type::dict)) raise("format requires a mapping");
      const Value* found = values.dict().find(key);
      if (!found) raise("KeyError: {}", python::repr(key));
      value = *found;
      has_value = true;
    }
    for (; at < text.size(); ++at) {
      char flag = text[at];
      if (flag == '-')
        left = true;
      else if (flag == '+')
        spec.sign = '+';
      else if (flag == ' ')
        spec.sign = spec.sign == '+' ? '+' : ' ';
      else if (flag == '#')
        spec.alternate = true;
      else if (flag == '0')
        spec.zero = true;
      else
        break;
    }
    auto count = [&]() -> int64_t {
      if (at < text.size() && text[at] == '*') {
        ++at;
        int64_t n = need_integer(next_value(), "* in a format");
        if (n > kWidest || n < -kWidest) raise("a format asks for a width or precision of more than {}", kWidest);
        return n;
      }
      return parse_count(text, at);
    };
    int64_t width = count();
    if (width < 0) left = true, width = -width;
    spec.width = static_cast<int>(width);
    if (at < text.size() && text[at] == '.') {
      ++at;
      spec.precision = static_cast<int>(std::max<int64_t>(count(), 0));
    }
    while (at < text.size() && (text[at] == 'h' || text[at] == 'l' || text[at] == 'L')) ++at;
    if (at >= text.size()) raise("incomplete format");
    spec.type = text[at++];
    if (spec.type == '%') {
      out.append("%", true);
      continue;
    }
    if (!one_of(spec.type, "diuoxXeEfFgGcrsa")) {
      raise("unsupported format character '{}' at index {}", spec.type, at - 1);
    }
    if (!has_value) value = next_value();
    out.append(convert_percent(spec, value, left, markup));
    check_string_size(out.size());
  }
  if (used < given.size() && !mapping) raise("not all arguments converted during string formatting");
  return Value::string(by_format(format, std::move(out)), markup);
}

Value format_braces(Renderer& renderer, const Value& format, const Arguments& arguments) {
  bool markup = format.str().markup;
  return Value::string(by_format(format, BraceFormatter(renderer, arguments, markup).format(format.text(), 1)), markup);
}

std::string format_time(const std::tm& time, const std::string& format) {
  if (format.find('\0') != std::string::npos) raise("strftime: embedded null character");
  std::string plain;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      plain += format[i];
      continue;
    }
    char code = i + 1 < format.size() ? format[i + 1] : '%';
    ++i;
    if (code == 'f')
      plain += "000000";
    else if (code != 'z' && code != 'Z')
      (plain += '%') += code;
  }
  if (plain.empty()) return "";
  // A trailing mark keeps an empty result apart from a buffer that is too small.
  plain += '.';
  for (size_t size = 256; size <= (size_t{1} << 20); size *= 4) {
    std::string out(size, 0);
    if (size_t used = std::strftime(out.data(), out.size(), plain.c_str(), &time)) {
      out.resize(used - 1);
      return out;
    }
  }
  raise("strftime: a date of more than a megabyte");
}

}  // namespace glassbox::jinja
