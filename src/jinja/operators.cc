#include "jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "jinja/format.h"
#include "jinja/numbers.h"
#include "jinja/objects.h"
#include "jinja/text.h"
#include "unicode/python_text.h"
#include "unicode/utf8.h"

namespace glassbox::jinja {
namespace {

constexpr const char* kSymbols[] = {"+", "-", "*", "/", "//", "%", "**"};

[[noreturn]] void beyond_64_bits() { refuse("an integer beyond 64 bits"); }

[[noreturn]] void unsupported_operands(Operator op, const Value& a, const Value& b) {
  need_defined(a);
  need_defined(b);
  if (large_integer(a) || large_integer(b)) beyond_64_bits();
  raise("unsupported operand type(s) for {}: '{}' and '{}'", kSymbols[static_cast<int>(op)], type_name(a),
        type_name(b));
}

int64_t floor_divide(int64_t a, int64_t b) {
  if (b == -1) {
    if (a == INT64_MIN) beyond_64_bits();
    return -a;
  }
  int64_t quotient = a / b;
  return quotient - ((a % b != 0) && ((a < 0) != (b < 0)));
}

int64_t floor_modulo(int64_t a, int64_t b) {
  if (b == -1) return 0;
  int64_t rest = a % b;
  return rest != 0 && ((rest < 0) != (b < 0)) ? rest + b : rest;
}

int64_t integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) beyond_64_bits();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) beyond_64_bits();
  }
  return result;
}

Value integer_arithmetic(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Operator::add:
      if (__builtin_add_overflow(a, b, &result)) beyond_64_bits();
      return Value(result);
    case Operator::subtract:
      if (__builtin_sub_overflow(a, b, &result)) beyond_64_bits();
      return Value(result);
    case Operator::multiply:
      if (__builtin_mul_overflow(a, b, &result)) beyond_64_bits();
      return Value(result);
    case Operator::divide:
      if (b == 0) raise("division by zero");
      return Value(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case Operator::floor_divide:
      if (b == 0) raise("integer division or modulo by zero");
      return Value(floor_divide(a, b));
    case Operator::modulo:
      if (b == 0) raise("integer modulo by zero");
      return Value(floor_modulo(a, b));
    case Operator::power:
      if (b >= 0) return Value(integer_power(a, b));
      if (a == 0) raise("0.0 cannot be raised to a negative power");
      return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
  }
  return Value();
}

double float_modulo(double a, double b) {
  double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

Value float_arithmetic(Operator op, double a, double b) {
  switch (op) {
    case Operator::add:
      return Value(a + b);
    case Operator::subtract:
      return Value(a - b);
    case Operator::multiply:
      return Value(a * b);
    case Operator::divide:
      if (b == 0) raise("float division by zero");
      return Value(a / b);
    case Operator::floor_divide: {
      if (b == 0) raise("float floor division by zero");
      double quotient = (a - float_modulo(a, b)) / b;
      double whole = std::floor(quotient);
      if (quotient - whole > 0.5) whole += 1;
      return Value(quotient == 0 ? std::copysign(0.0, a / b) : whole);
    }
    case Operator::modulo:
      if (b == 0) raise("float modulo");
      return Value(float_modulo(a, b));
    case Operator::power: {
      if (a == 0 && b < 0) raise("0.0 cannot be raised to a negative power");
      if (a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::floor(b)) refuse("complex numbers");
      double result = std::pow(a, b);
      if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) raise("numerical result out of range");
      return Value(result);
    }
  }
  return Value();
}

Value joined(const Value& a, const Value& b, bool markup) {
  check_string_size(a.text().size() + b.text().size());
  MixedText out = a.mixed();
  out.append(b.mixed());
  return Value::string(std::move(out), markup);
}

Value repeat(const Value& value, int64_t times) {
  size_t count = times > 0 ? static_cast<size_t>(times) : 0;
  if (value.is_string()) {
    check_string_size(value.text().size(), count);
    MixedText out;
    if (!value.text().empty())
      for (size_t i = 0; i < count; ++i) out.append(value.mixed());
    return Value::string(std::move(out), value.str().markup);
  }
  size_t total = 0;
  if (__builtin_mul_overflow(value.items().size(), count, &total)) raise("a list of too many items");
  spend_items(total);
  std::vector<Value> items;
  items.reserve(total);
  if (total > 0)
    for (size_t i = 0; i < count; ++i) items.insert(items.end(), value.items().begin(), value.items().end());
  return value.is(Type::list) ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

// start, step and count of what a slice takes of `length` items.
struct Extent {
  int64_t start, step, count;
};

Extent extent(const Value& start, const Value& stop, const Value& step, int64_t length) {
  auto part = [](const Value& value, int64_t missing) {
    if (value.is_none()) return missing;
    if (!value.is_integral()) {
      need_defined(value);
      raise("slice indices must be integers or None, not {}", type_name(value));
    }
    return value.integer();
  };
  int64_t by = part(step, 1);
  if (by == 0) raise("slice step cannot be zero");
  if (by == INT64_MIN) by = -INT64_MAX;
  const int64_t low = by < 0 ? -1 : 0, high = by < 0 ? length - 1 : length;
  auto clip = [&](const Value& value, int64_t missing) {
    if (value.is_none()) return missing;
    int64_t at = part(value, 0);
    if (at < 0) return std::max(at < -length ? low : at + length, low);
    return std::min(at, high);
  };
  int64_t from = clip(start, by < 0 ? high : low), to = clip(stop, by < 0 ? low : high);
  int64_t count = by > 0 ? (to > from ? (to - from - 1) / by + 1 : 0) : (from > to ? (from - to - 1) / -by + 1 : 0);
  return {from, by, count};
}

Value character(const Str& text, size_t index) {
  if (text.ascii()) return Value::string(text.text.part(index, index + 1), text.markup);
  spend_bytes(text.text.size());
  size_t start = unicode::prefix_bytes(text.text.text(), index), end = start;
  unicode::next_valid(text.text.text(), end);
  return Value::string(text.text.part(start, end), text.markup);
}

Value slice_text(const Str& text, const Extent& take) {
  const std::string_view all = text.text.text();
  if (take.step == 1) {
    if (text.ascii())
      return Value::string(text.text.part(all.substr(static_cast<size_t>(take.start), static_cast<size_t>(take.count))),
                           text.markup);
    spend_bytes(all.size());
    const std::string_view rest = all.substr(unicode::prefix_bytes(all, static_cast<size_t>(take.start)));
    return Value::string(text.text.part(rest.substr(0, unicode::prefix_bytes(rest, static_cast<size_t>(take.count)))),
                         text.markup);
  }
  spend_items(static_cast<size_t>(take.count));
  std::vector<size_t> begins;
  for (size_t at = 0; at < all.size(); unicode::next_valid(all, at)) begins.push_back(at);
  begins.push_back(all.size());
  MixedText out;
  for (int64_t i = 0; i < take.count; ++i) {
    const auto at = static_cast<size_t>(take.start + i * take.step);
    out.append(text.text, begins[at], begins[at + 1]);
  }
  return Value::string(std::move(out), text.markup);
}

// object[key] alone; nothing where Python raises TypeError or LookupError.
std::optional<Value> find_item(const Value& object, const Value& key) {
  switch (object.type()) {
    case Type::undefined:
      fail_undefined(object);
    case Type::dict: {
      if (key.is(Type::list) || key.is(Type::dict)) return std::nullopt;
      const Value* found = object.dict().find(key);
      return found ? std::optional(*found) : std::nullopt;
    }
    case Type::string:
    case Type::list:
    case Type::tuple:
    case Type::range: {
      if (!key.is_integral()) return std::nullopt;
      auto size = static_cast<int64_t>(*length(object));
      int64_t at = key.integer();
      if (at < 0) at = at < -size ? -1 : at + size;
      if (at < 0 || at >= size) return std::nullopt;
      if (object.is_string()) return character(object.str(), static_cast<size_t>(at));
      if (object.is(Type::range)) return object.range().at(at);
      return object.items()[static_cast<size_t>(at)];
    }
    default:
      return std::nullopt;
  }
}

// What the sandbox hides: names with a leading underscore, and what would change a list or a dict.
bool is_unsafe(const Value& object, std::string_view name) {
  if (name.starts_with("_")) return true;
  auto among = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (object.is(Type::list)) return among({"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"});
  if (object.is(Type::dict)) return among({"clear", "pop", "popitem", "setdefault", "update"});
  return false;
}

Value unsafe(const Value& object, std::string_view name) {
  return Value::undefined_hint(
      fmt::format("access to attribute {} of '{}' object is unsafe.", python::repr(name), type_name(object)));
}

// Attributes every Python object has begin and end with two underscores; the sandbox hides them all.
bool is_internal(std::string_view name) { return name.size() > 4 && name.starts_with("__") && name.ends_with("__"); }

}  // namespace

Value arithmetic(Operator op, const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return integer_arithmetic(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return float_arithmetic(op, a.number(), b.number());
  if (op == Operator::modulo && a.is_string()) return format_percent(a, b);
  if (op == Operator::add) {
    if (a.is_string() && b.is_string()) {
      if (a.str().markup != b.str().markup) {
        Value left = escape(a), right = escape(b);
        return joined(left, right, true);
      }
      return joined(a, b, a.str().markup);
    }
    if (a.is_sequence() && a.type() == b.type()) {
      std::vector<Value> items = a.items();
      items.insert(items.end(), b.items().begin(), b.items().end());
      return a.is(Type::list) ? Value::list(std::move(items)) : Value::tuple(std::move(items));
    }
    if (a.is_string() && !b.is_undefined()) raise("can only concatenate str (not \"{}\") to str", type_name(b));
  }
  if (op == Operator::multiply) {
    if ((a.is_string() || a.is_sequence()) && b.is_integral()) return repeat(a, b.integer());
    if ((b.is_string() || b.is_sequence()) && a.is_integral()) return repeat(b, a.integer());
  }
  unsupported_operands(op, a, b);
}

Value negate(const Value& value) {
  if (large_integer(value)) beyond_64_bits();
  if (value.is_integral()) {
    if (value.integer() == INT64_MIN) beyond_64_bits();
    return Value(-value.integer());
  }
  if (value.is_number()) return Value(-value.number());
  need_defined(value);
  raise("bad operand type for unary -: '{}'", type_name(value));
}

Value positive(const Value& value) {
  if (value.is_integral()) return Value(value.integer());
  if (value.is_number()) return value;
  need_defined(value);
  raise("bad operand type for unary +: '{}'", type_name(value));
}

bool compare(Comparison op, const Value& a, const Value& b) {
  auto is_nan = [](const Value& value) { return value.is(Type::floating) && std::isnan(value.number()); };
  switch (op) {
    case Comparison::equal:
      return equal(a, b);
    case Comparison::unequal:
      return !equal(a, b);
    case Comparison::in:
      return contains(b, a);
    case Comparison::not_in:
      return !contains(b, a);
    default:
      break;
  }
  if (a.is_number() && b.is_number() && (is_nan(a) || is_nan(b))) return false;
  switch (op) {
    case Comparison::less:
      return order(a, b, "<") < 0;
    case Comparison::less_equal:
      return order(a, b, "<=") <= 0;
    case Comparison::greater:
      return order(a, b, ">") > 0;
    default:
      return order(a, b, ">=") >= 0;
  }
}

Value get_attribute(Renderer&, const Value& object, std::string_view name) {
  if (object.is_undefined()) fail_undefined(object);
  if (is_internal(name)) return unsafe(object, name);
  if (auto attribute = find_attribute(object, name)) return is_unsafe(object, name) ? unsafe(object, name) : *attribute;
  if (object.is(Type::dict)) {
    if (const Value* found = object.dict().find(name)) return *found;
  }
  return Value::missing(object, Value::ours(std::string(name)));
}

Value get_item(Renderer&, const Value& object, const Value& key) {
  if (auto item = find_item(object, key)) return *item;
  if (key.is_string()) {
    const std::string& name = key.text();
    if (is_internal(name)) return unsafe(object, name);
    if (auto attribute = find_attribute(object, name))
      return is_unsafe(object, name) ? unsafe(object, name) : *attribute;
  }
  return Value::missing(object, key);
}

Value get_slice(const Value& object, const Value& start, const Value& stop, const Value& step) {
  if (object.is(Type::dict)) raise("unhashable type: 'slice'");
  if (!object.is_string() && !object.is_sequence() && !object.is(Type::range)) {
    need_defined(object);
    raise("'{}' object is not subscriptable", type_name(object));
  }
  Extent take = extent(start, stop, step, static_cast<int64_t>(*length(object)));
  if (object.is_string()) return slice_text(object.str(), take);
  if (object.is(Type::range)) {
    const Range& range = object.range();
    int64_t first = range.start + take.start * range.step, by = 0, stop = 0;
    if (__builtin_mul_overflow(range.step, take.step, &by) || __builtin_mul_overflow(take.count, by, &stop) ||
        __builtin_add_overflow(stop, first, &stop))
      beyond_64_bits();
    return Value::of(new Range(first, stop, by, take.count));
  }
  std::vector<Value> items;
  items.reserve(static_cast<size_t>(take.count));
  for (int64_t i = 0; i < take.count; ++i)
    items.push_back(object.items()[static_cast<size_t>(take.start + i * take.step)]);
  return object.is(Type::list) ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  check_string_size(out.size());
  return out;
}

Value escape(const Value& value) {
  if (value.is_string() && value.str().markup) return value;
  return Value::string(map_runs(to_mixed(value), escape_html), true);
}

}  // namespace glassbox::jinja
