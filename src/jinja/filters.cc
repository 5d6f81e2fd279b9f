// How filters and tests are found and called, and the filters that make text and numbers.
#include "jinja/filters.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "jinja/format.h"
#include "jinja/json.h"
#include "jinja/numbers.h"
#include "jinja/objects.h"
#include "jinja/operators.h"
#include "jinja/text.h"
#include "unicode/python_text.h"
#include "unicode/utf8.h"

namespace glassbox::jinja {
namespace {

// A string as it is, anything else as Python prints it (MarkupSafe's soft_str).
Value soft_text(const Value& value) { return value.is_string() ? value : Value::string(to_mixed(value)); }

template <std::string (*map)(std::string_view)>
Value map_text(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("filter", arguments, 0, 0);
  Value text = soft_text(input);
  return string_like(text, map_runs(text.mixed(), map));
}

Value filter_capitalize(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("capitalize", arguments, 0, 0);
  Value text = soft_text(input);
  return string_like(text, made_of(text.mixed(), python::to_capitalized(text.text())));
}

Value filter_default(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("default", arguments, {"default_value", "boolean"});
  bool replace = input.is_undefined() || (given[1] && truth(*given[1]) && !truth(input));
  if (!replace) return input;
  return given[0] ? *given[0] : Value::ours("");
}

Value filter_trim(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("trim", arguments, {"chars"});
  Value text = soft_text(input);
  if (!given[0] || given[0]->is_none())
    return string_like(text, text.mixed().part(python::strip(text.text(), nullptr, 'b')));
  std::string_view chars = need_text(*given[0], "trim");
  return string_like(text, text.mixed().part(python::strip(text.text(), &chars, 'b')));
}

Value filter_replace(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("replace", arguments, {"old", "new", "count"}, 2);
  int64_t most = given[2] && !given[2]->is_none() ? need_integer(*given[2], "replace") : -1;
  return Value::string(replace_text(to_mixed(input), to_text(*given[0]), to_mixed(*given[1]), most));
}

// Words begin after white space, '-', '(', '{', '[' and '<'.
Value filter_title(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("title", arguments, 0, 0);
  Value text = soft_text(input);
  std::string_view rest = text.text();
  std::string out;
  auto is_break = [](char32_t c) {
    return python::is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  while (!rest.empty()) {
    size_t first = 0, end = 0;
    bool breaks = is_break(unicode::next_valid(rest, first));
    for (size_t at = 0; at < rest.size() && is_break(unicode::next_valid(rest, at)) == breaks;) end = at;
    out += python::to_upper(rest.substr(0, first)) + python::to_lower(rest.substr(first, end - first));
    rest = rest.substr(end);
  }
  return Value::string(made_of(text.mixed(), std::move(out)));
}

Value filter_string(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("string", arguments, 0, 0);
  return soft_text(input);
}

Value filter_safe(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("safe", arguments, 0, 0);
  return Value::string(to_mixed(input), true);
}

Value filter_escape(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("escape", arguments, 0, 0);
  return escape(input);
}

Value filter_force_escape(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("forceescape", arguments, 0, 0);
  return Value::string(map_runs(to_mixed(input), escape_html), true);
}

Value filter_indent(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("indent", arguments, {"width", "first", "blank"});
  need_text(input, "indent");
  MixedText indention(std::string(4, ' '), true);
  if (given[0]) {
    if (given[0]->is_string()) {
      indention = given[0]->mixed();
    } else {
      int64_t width = std::max<int64_t>(need_integer(*given[0], "indent"), 0);
      check_string_size(1, static_cast<size_t>(width));
      indention = MixedText(std::string(static_cast<size_t>(width), ' '), true);
    }
  }
  bool first = given[1] && truth(*given[1]), blank = given[2] && truth(*given[2]);
  MixedText text = input.mixed(), out;
  text.append("\n", true);
  auto lines = split_lines(text.text(), false);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.append("\n", true);
    if (i == 0 ? first : blank || !lines[i].empty()) out.append(indention);
    out.append(text.part(lines[i]));
    check_string_size(out.size());
  }
  return string_like(input, std::move(out));
}

Value filter_center(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("center", arguments, {"width"});
  Value text = soft_text(input);
  const int64_t width = given[0] ? need_integer(*given[0], "center") : 80;
  return string_like(text, justify(text.mixed(), width, '^', MixedText(" ", true)));
}

Value filter_format(Renderer&, const Value& input, Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.keyword.empty())
    raise("format: can't handle positional and keyword arguments at the same time");
  if (arguments.keyword.empty()) return format_percent(soft_text(input), Value::tuple(arguments.positional));
  Arguments named;
  named.keyword = arguments.keyword;
  return format_percent(soft_text(input), make_dict(named));
}

Value filter_truncate(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("truncate", arguments, {"length", "killwords", "end", "leeway"});
  need_text(input, "truncate");
  int64_t length = given[0] ? need_integer(*given[0], "truncate") : 255;
  if (given[2]) need_text(*given[2], "truncate");
  MixedText end = given[2] ? given[2]->mixed() : MixedText("...", true);
  int64_t leeway = given[3] && !given[3]->is_none() ? need_integer(*given[3], "truncate") : 5;
  auto end_length = static_cast<int64_t>(unicode::count_code_points(end.text()));
  if (length < end_length) raise("truncate: expected length >= {}, got {}", end_length, length);
  if (leeway < 0) raise("truncate: expected leeway >= 0, got {}", leeway);
  if (static_cast<__int128>(input.str().length) <= static_cast<__int128>(length) + leeway) return input;
  std::string_view kept = input.text();
  kept = kept.substr(0, unicode::prefix_bytes(kept, static_cast<size_t>(length - end_length)));
  if (!given[1] || !truth(*given[1])) kept = split_at(kept, " ", 1, true)[0];
  if (input.str().markup && !(given[2] && given[2]->str().markup)) end = map_runs(end, escape_html);
  MixedText out = input.mixed().part(kept);
  out.append(end);
  return string_like(input, std::move(out));
}

Value filter_word_count(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("wordcount", arguments, 0, 0);
  std::string text = to_text(input);
  int64_t words = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    char32_t c = unicode::next_valid(text, at);
    bool part = python::is_alphabetic(c) || python::is_numeric(c) || python::is_digit(c) || c == '_';
    words += part && !inside;
    inside = part;
  }
  return Value(words);
}

std::string quote_url(const std::string& text, bool for_query) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !for_query))
      out += c;
    else if (c == ' ' && for_query)
      out += '+';
    else
      ((out += '%') += kHex[byte >> 4]) += kHex[byte & 15];
  }
  return out;
}

Value filter_url_encode(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("urlencode", arguments, 0, 0);
  if (input.is_string() || !try_iterate(input)) {
    const MixedText text = to_mixed(input);
    return Value::string(made_of(text, quote_url(text.text(), false)));
  }
  Value pairs = input;
  if (input.is(Type::dict)) pairs = Value::of(new DictView(input, DictView::Kind::items));
  std::string out;
  bool trusted = true;
  auto iterator = iterate(pairs);
  for (Value pair; iterator->next(pair);) {
    auto parts = collect(pair);
    if (parts.size() != 2) raise("urlencode: expected pairs, got {} values", parts.size());
    trusted = trusted && to_mixed(parts[0]).trusted() && to_mixed(parts[1]).trusted();
    if (!out.empty()) out += '&';
    out += quote_url(to_text(parts[0]), true) + "=" + quote_url(to_text(parts[1]), true);
    check_string_size(out.size());
  }
  return Value::string({std::move(out), trusted});
}

Value filter_to_json(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = given[0] && truth(*given[0]);
  style.sorted = given[3] && truth(*given[3]);
  if (given[1] && !given[1]->is_none()) {
    style.lines = true;
    style.item_separator = ",";
    if (given[1]->is_string()) {
      style.indent = given[1]->text();
    } else {
      int64_t width = std::max<int64_t>(need_integer(*given[1], "tojson's indent"), 0);
      check_string_size(1, static_cast<size_t>(width));
      style.indent.assign(static_cast<size_t>(width), ' ');
    }
  }
  if (given[2] && !given[2]->is_none()) {
    auto separators = collect(*given[2]);
    if (separators.size() != 2) raise("tojson: expected two separators, got {}", separators.size());
    style.item_separator = need_text(separators[0], "tojson");
    style.key_separator = need_text(separators[1], "tojson");
  }
  return Value::string(dump_json(input, style));
}

// ---- numbers ----

Value filter_int(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("int", arguments, {"default", "base"});
  Value otherwise = given[0] ? *given[0] : Value(int64_t{0});
  int64_t base = given[1] ? need_integer(*given[1], "int") : 10;
  need_defined(input);
  if (input.is_integral()) return Value(input.integer());
  if (large_integer(input)) return input;
  if (input.is(Type::floating)) {
    if (std::isnan(input.number())) return otherwise;
    return Value(truncate_float(input.number()));
  }
  if (!input.is_string()) return otherwise;
  if (base == 0 || (base >= 2 && base <= 36))
    if (auto whole = parse_integer(input.text(), static_cast<int>(base))) return Value(*whole);
  auto real = parse_float(input.text());
  return real && std::isfinite(*real) ? Value(truncate_float(*real)) : otherwise;
}

Value filter_float(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("float", arguments, {"default"});
  need_defined(input);
  if (input.is_number()) return Value(input.number());
  if (const LargeInteger* large = large_integer(input)) return Value(large->number());
  if (input.is_string())
    if (auto real = parse_float(input.text())) return Value(*real);
  return given[0] ? *given[0] : Value(0.0);
}

Value filter_abs(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("abs", arguments, 0, 0);
  if (input.is_integral()) return input.integer() < 0 ? negate(input) : Value(input.integer());
  if (input.is_number()) return Value(std::fabs(input.number()));
  if (const LargeInteger* large = large_integer(input)) {
    if (!large->negative()) return input;
    refuse("an integer beyond 64 bits");
  }
  need_defined(input);
  raise("bad operand type for abs(): '{}'", type_name(input));
}

Value filter_round(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("round", arguments, {"precision", "method"});
  Value precision = given[0] ? *given[0] : Value(int64_t{0});
  std::string method = given[1] ? to_text(*given[1]) : "common";
  if (method != "common" && method != "ceil" && method != "floor") raise("round: method must be common, ceil or floor");
  need_defined(input);
  if (!input.is_number()) raise("type {} doesn't define __round__ method", type_name(input));
  if (method == "common") {
    if (precision.is_none()) refuse("round without a precision");
    int64_t digits = std::clamp<int64_t>(need_integer(precision, "round"), -400, 400);
    if (input.is(Type::floating)) return Value(round_float(input.number(), static_cast<int>(digits)));
    if (digits >= 0) return Value(input.integer());
    if (digits < -18) return Value(int64_t{0});
    int64_t unit = 1;
    for (int64_t i = 0; i < -digits; ++i) unit *= 10;
    int64_t rest = ((input.integer() % unit) + unit) % unit;
    Value down = arithmetic(Operator::subtract, Value(input.integer()), Value(rest));
    bool odd = (down.integer() / unit) % 2 != 0;
    return rest * 2 > unit || (rest * 2 == unit && odd) ? arithmetic(Operator::add, down, Value(unit)) : down;
  }
  Value unit = arithmetic(Operator::power, Value(int64_t{10}), precision);
  Value scaled = arithmetic(Operator::multiply, input, unit);
  if (scaled.is(Type::floating))
    scaled = Value(truncate_float(method == "ceil" ? std::ceil(scaled.number()) : std::floor(scaled.number())));
  return arithmetic(Operator::divide, scaled, unit);
}

template <class Entry>
const Entry* find_in(const std::unordered_map<std::string_view, const Entry*>& all, std::string_view name) {
  auto found = all.find(name);
  return found == all.end() ? nullptr : found->second;
}

}  // namespace

const std::vector<FilterEntry> kTextFilters = {{"default", filter_default},
                                               {"d", filter_default},
                                               {"upper", map_text<python::to_upper>},
                                               {"lower", map_text<python::to_lower>},
                                               {"capitalize", filter_capitalize},
                                               {"title", filter_title},
                                               {"trim", filter_trim},
                                               {"replace", filter_replace},
                                               {"string", filter_string},
                                               {"safe", filter_safe},
                                               {"escape", filter_escape},
                                               {"e", filter_escape},
                                               {"forceescape", filter_force_escape},
                                               {"indent", filter_indent},
                                               {"center", filter_center},
                                               {"format", filter_format},
                                               {"truncate", filter_truncate},
                                               {"wordcount", filter_word_count},
                                               {"urlencode", filter_url_encode},
                                               {"tojson", filter_to_json},
                                               {"int", filter_int},
                                               {"float", filter_float},
                                               {"abs", filter_abs},
                                               {"round", filter_round}};

const FilterEntry* find_filter(std::string_view name) {
  static const auto kAll = [] {
    std::unordered_map<std::string_view, const FilterEntry*> all;
    for (const auto* table : {&kTextFilters, &kLayoutFilters, &kSequenceFilters})
      for (const FilterEntry& entry : *table) all.emplace(entry.name, &entry);
    return all;
  }();
  return find_in(kAll, name);
}

bool filter_exists_in_jinja(std::string_view name) {
  for (const char* refused : {"random", "striptags", "urlize"})
    if (name == refused) return true;
  return find_filter(name) != nullptr;
}

const TestEntry* find_test(std::string_view name) {
  static const auto kAll = [] {
    std::unordered_map<std::string_view, const TestEntry*> all;
    for (const TestEntry& entry : kTests) all.emplace(entry.name, &entry);
    return all;
  }();
  return find_in(kAll, name);
}

Value apply_filter(Renderer& renderer, std::string_view name, const Value& input, Arguments& arguments) {
  if (auto* entry = find_filter(name)) return entry->apply(renderer, input, arguments);
  if (filter_exists_in_jinja(name)) refuse("filter '{}'", name);
  raise("no filter named '{}'", name);
}

bool apply_test(Renderer& renderer, std::string_view name, const Value& input, Arguments& arguments) {
  if (auto* entry = find_test(name)) return entry->apply(renderer, input, arguments);
  raise("no test named '{}'", name);
}

std::vector<const Value*> bind(const char* function, const Arguments& arguments,
                               std::initializer_list<const char*> parameters, size_t required) {
  std::vector<const Value*> bound(parameters.size(), nullptr);
  if (arguments.positional.size() > bound.size())
    raise("{}: at most {} argument(s), got {}", function, bound.size(), arguments.positional.size());
  for (size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.keyword) {
    auto found = std::find(parameters.begin(), parameters.end(), name);
    if (found == parameters.end()) raise("{}: unexpected keyword argument '{}'", function, name);
    auto& place = bound[static_cast<size_t>(found - parameters.begin())];
    if (place) raise("{}: multiple values for argument '{}'", function, name);
    place = &value;
  }
  for (size_t i = 0; i < required; ++i)
    if (!bound[i]) raise("{}: missing argument '{}'", function, *(parameters.begin() + static_cast<long>(i)));
  return bound;
}

}  // namespace glassbox::jinja
