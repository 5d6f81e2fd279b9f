// The methods of str, list, tuple, dict, range, int and float that templates can call.
#include <algorithm>
#include <cmath>

#include "jinja/filters.h"
#include "jinja/format.h"
#include "jinja/objects.h"
#include "jinja/operators.h"
#include "jinja/text.h"
#include "unicode/python_text.h"
#include "unicode/utf8.h"

namespace glassbox::jinja {
namespace {

// A part of its text.
Value part(const Value& self, std::string_view view) { return string_like(self, self.mixed().part(view)); }

const Value* given(const Arguments& arguments, size_t i) {
  return i < arguments.positional.size() ? &arguments.positional[i] : nullptr;
}

template <char ends>
Value strip_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("strip", arguments, 0, 1);
  const Value* chars = given(arguments, 0);
  if (!chars || chars->is_none()) return part(self, python::strip(self.text(), nullptr, ends));
  std::string_view set = need_text(*chars, "strip");
  return part(self, python::strip(self.text(), &set, ends));
}

template <std::string (*map)(std::string_view)>
Value map_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("str method", arguments, 0, 0);
  return string_like(self, map_runs(self.mixed(), map));
}

// For a map in which it counts what comes before a character.
template <std::string (*map)(std::string_view)>
Value map_whole_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("str method", arguments, 0, 0);
  return string_like(self, made_of(self.mixed(), map(self.text())));
}

// All characters are of a kind, and there is one.
template <bool (*is)(char32_t)>
Value all_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("str method", arguments, 0, 0);
  const std::string& text = self.text();
  for (size_t at = 0; at < text.size();)
    if (!is(unicode::next_valid(text, at))) return Value(false);
  return Value(!text.empty());
}

bool is_alphanumeric(char32_t c) {
  return python::is_alphabetic(c) || python::is_decimal(c) || python::is_digit(c) || python::is_numeric(c);
}

// No cased character of the other case, and one of this.
template <bool (*is)(char32_t), bool (*is_not)(char32_t)>
Value cased_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("str method", arguments, 0, 0);
  bool any = false;
  for (size_t at = 0; at < self.text().size();) {
    char32_t c = unicode::next_valid(self.text(), at);
    if (is_not(c) || python::is_title(c)) return Value(false);
    any |= is(c);
  }
  return Value(any);
}

Value is_title_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("istitle", arguments, 0, 0);
  bool any = false, inside = false;
  for (size_t at = 0; at < self.text().size();) {
    char32_t c = unicode::next_valid(self.text(), at);
    if (python::is_upper(c) || python::is_title(c)) {
      if (inside) return Value(false);
      any = inside = true;
    } else if (python::is_lower(c)) {
      if (!inside) return Value(false);
    } else {
      inside = false;
    }
  }
  return Value(any);
}

Value is_ascii_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("isascii", arguments, 0, 0);
  return Value(self.str().ascii());
}

Value is_printable_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("isprintable", arguments, 0, 0);
  for (size_t at = 0; at < self.text().size();)
    if (!python::is_printable(unicode::next_valid(self.text(), at))) return Value(false);
  return Value(true);
}

Value is_identifier_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("isidentifier", arguments, 0, 0);
  auto letters = unicode::code_points(self.text());
  return Value(!letters.empty() && python::is_identifier_start(letters[0]) &&
               std::all_of(letters.begin(), letters.end(), python::is_identifier_part));
}

// The bytes of text[start:stop] as find(), count(), startswith() take them; nothing if start is past the end.
struct Window {
  size_t begin, end;
};
std::optional<Window> window(const Value& self, const Value* start, const Value* stop) {
  auto length = static_cast<int64_t>(self.str().length);
  auto place = [&](const Value* value, int64_t missing) {
    if (!value || value->is_none()) return missing;
    int64_t at = need_integer(*value, "slice index");
    return at < 0 ? (at < -length ? 0 : at + length) : at;
  };
  int64_t from = place(start, 0), to = std::min(place(stop, length), length);
  if (from > length || from > to) return std::nullopt;
  if (!self.str().ascii()) spend_bytes(self.text().size());
  auto bytes = [&](int64_t at) {
    return self.str().ascii() ? static_cast<size_t>(at) : unicode::prefix_bytes(self.text(), static_cast<size_t>(at));
  };
  return Window{bytes(from), bytes(to)};
}

template <bool at_end>
Value affix_method(Renderer&, const Value& self, Arguments& arguments) {
  const char* name = at_end ? "endswith" : "startswith";
  need_positional(name, arguments, 1, 3);
  const Value& affix = arguments.positional[0];
  auto where = window(self, given(arguments, 1), given(arguments, 2));
  auto matches = [&](const Value& each) {
    const std::string& text = need_text(each, name);
    if (!where) return false;
    std::string_view part = std::string_view(self.text()).substr(where->begin, where->end - where->begin);
    return at_end ? part.ends_with(text) : part.starts_with(text);
  };
  if (!affix.is(Type::tuple)) return Value(matches(affix));
  spend_items(affix.items().size());
  return Value(std::any_of(affix.items().begin(), affix.items().end(), matches));
}

template <bool last, bool fails>
Value find_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional(fails ? "index" : "find", arguments, 1, 3);
  const std::string& needle = need_text(arguments.positional[0], "find");
  std::string_view text = self.text();
  auto where = window(self, given(arguments, 1), given(arguments, 2));
  size_t at = text.npos;
  spend_bytes(text.size());
  if (where) {
    std::string_view part = text.substr(where->begin, where->end - where->begin);
    at = last ? find_last_text(part, needle) : find_text(part, needle);
    if (at != text.npos) at += where->begin;
  }
  if (at == text.npos) {
    if (fails) raise("substring not found");
    return Value(int64_t{-1});
  }
  return Value::size(self.str().ascii() ? at : unicode::count_code_points(text.substr(0, at)));
}

Value count_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("count", arguments, 1, 3);
  const std::string& needle = need_text(arguments.positional[0], "count");
  auto where = window(self, given(arguments, 1), given(arguments, 2));
  if (!where) return Value(int64_t{0});
  std::string_view part = std::string_view(self.text()).substr(where->begin, where->end - where->begin);
  if (needle.empty()) return Value::size(unicode::count_code_points(part) + 1);
  int64_t count = 0;
  spend_bytes(part.size());
  for (size_t at = find_text(part, needle); at != part.npos; at = find_text(part, needle, at + needle.size())) ++count;
  return Value(count);
}

Value replace_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("replace", arguments, 2, 3);
  const std::string& from = need_text(arguments.positional[0], "replace");
  need_text(arguments.positional[1], "replace");
  const Value to = self.str().markup ? escape(arguments.positional[1]) : arguments.positional[1];
  int64_t most = arguments.positional.size() > 2 ? need_integer(arguments.positional[2], "replace") : -1;
  return string_like(self, replace_text(self.mixed(), from, to.mixed(), most));
}

Value list_of(const Value& self, const std::vector<std::string_view>& parts) {
  std::vector<Value> items;
  items.reserve(parts.size());
  for (auto each : parts) items.push_back(part(self, each));
  return Value::list(std::move(items));
}

template <bool from_right>
Value split_method(Renderer&, const Value& self, Arguments& arguments) {
  auto given = bind(from_right ? "rsplit" : "split", arguments, {"sep", "maxsplit"});
  int64_t most = given[1] ? need_integer(*given[1], "split") : -1;
  spend_bytes(self.text().size());
  if (!given[0] || given[0]->is_none()) return list_of(self, split_space(self.text(), most, from_right));
  const std::string& separator = need_text(*given[0], "split");
  if (separator.empty()) raise("empty separator");
  return list_of(self, split_at(self.text(), separator, most, from_right));
}

Value split_lines_method(Renderer&, const Value& self, Arguments& arguments) {
  auto given = bind("splitlines", arguments, {"keepends"});
  return list_of(self, split_lines(self.text(), given[0] && truth(*given[0])));
}

template <bool from_right>
Value partition_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("partition", arguments, 1, 1);
  const std::string& separator = need_text(arguments.positional[0], "partition");
  if (separator.empty()) raise("empty separator");
  auto parts = split_at(self.text(), separator, 1, from_right);
  Value nothing = string_like(self, {});
  if (parts.size() == 2) {
    const size_t at = parts[0].size();
    return Value::tuple(
        {part(self, parts[0]), string_like(self, self.mixed().part(at, at + separator.size())), part(self, parts[1])});
  }
  if (from_right) return Value::tuple({nothing, nothing, self});
  return Value::tuple({self, nothing, nothing});
}

Value join_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("join", arguments, 1, 1);
  MixedText out;
  bool first = true, markup = self.str().markup;
  auto iterator = iterate(arguments.positional[0]);
  for (Value item; iterator->next(item);) {
    if (!first) out.append(self.mixed());
    first = false;
    if (!item.is_string() && !markup) {
      need_defined(item);
      raise("sequence item: expected str instance, {} found", type_name(item));
    }
    out.append(markup ? escape(item).mixed() : item.mixed());
    check_string_size(out.size());
  }
  return string_like(self, std::move(out));
}

template <char align>
Value justify_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("justify", arguments, 1, 2);
  MixedText fill(" ", true);
  if (const Value* given_fill = given(arguments, 1)) {
    if (need_text(*given_fill, "justify"); given_fill->str().length != 1)
      raise("the fill character must be exactly one character long");
    fill = given_fill->mixed();
  }
  return string_like(self, justify(self.mixed(), need_integer(arguments.positional[0], "justify"), align, fill));
}

Value zero_fill_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("zfill", arguments, 1, 1);
  const std::string_view text = self.text();
  const size_t sign = !text.empty() && (text[0] == '+' || text[0] == '-') ? 1 : 0;
  int64_t width = need_integer(arguments.positional[0], "zfill") - static_cast<int64_t>(sign);
  MixedText out = self.mixed().part(0, sign);
  out.append(justify(self.mixed().part(sign, text.size()), width, '>', MixedText("0", true)));
  return string_like(self, std::move(out));
}

Value expand_tabs_method(Renderer&, const Value& self, Arguments& arguments) {
  auto given = bind("expandtabs", arguments, {"tabsize"});
  int64_t size = given[0] ? need_integer(*given[0], "expandtabs") : 8;
  MixedText out;
  int64_t column = 0;
  for (size_t at = 0; at < self.text().size();) {
    size_t start = at;
    char32_t c = unicode::next_valid(self.text(), at);
    if (c == '\t') {
      int64_t spaces = size > 0 ? size - column % size : 0;
      check_string_size(out.size() + static_cast<size_t>(spaces));
      out.append(std::string(static_cast<size_t>(spaces), ' '), self.mixed().trusted_at(start));
      column += spaces;
    } else {
      out.append(self.mixed(), start, at);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
  }
  return string_like(self, std::move(out));
}

template <bool suffix>
Value remove_affix_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional(suffix ? "removesuffix" : "removeprefix", arguments, 1, 1);
  const std::string& affix = need_text(arguments.positional[0], "removeprefix");
  std::string_view text = self.text();
  if (suffix ? text.ends_with(affix) : text.starts_with(affix))
    text = suffix ? text.substr(0, text.size() - affix.size()) : text.substr(affix.size());
  return part(self, text);
}

Value format_method(Renderer& renderer, const Value& self, Arguments& arguments) {
  return format_braces(renderer, self, arguments);
}

Value format_map_method(Renderer& renderer, const Value& self, Arguments& arguments) {
  need_positional("format_map", arguments, 1, 1);
  Arguments by_name;
  if (!arguments.positional[0].is(Type::dict)) raise("format_map: expected a mapping");
  for (const auto& [key, value] : arguments.positional[0].dict().entries)
    if (key.is_string()) by_name.keyword.emplace_back(key.text(), value);
  return format_braces(renderer, self, by_name);
}

constexpr MethodEntry kTextMethods[] = {{"strip", strip_method<'b'>},
                                        {"lstrip", strip_method<'l'>},
                                        {"rstrip", strip_method<'r'>},
                                        {"split", split_method<false>},
                                        {"rsplit", split_method<true>},
                                        {"splitlines", split_lines_method},
                                        {"startswith", affix_method<false>},
                                        {"endswith", affix_method<true>},
                                        {"replace", replace_method},
                                        {"upper", map_method<python::to_upper>},
                                        {"lower", map_method<python::to_lower>},
                                        {"title", map_whole_method<python::to_title>},
                                        {"capitalize", map_whole_method<python::to_capitalized>},
                                        {"swapcase", map_method<python::to_swapped>},
                                        {"casefold", map_method<python::to_folded>},
                                        {"join", join_method},
                                        {"format", format_method},
                                        {"format_map", format_map_method},
                                        {"find", find_method<false, false>},
                                        {"rfind", find_method<true, false>},
                                        {"index", find_method<false, true>},
                                        {"rindex", find_method<true, true>},
                                        {"count", count_method},
                                        {"partition", partition_method<false>},
                                        {"rpartition", partition_method<true>},
                                        {"removeprefix", remove_affix_method<false>},
                                        {"removesuffix", remove_affix_method<true>},
                                        {"ljust", justify_method<'<'>},
                                        {"rjust", justify_method<'>'>},
                                        {"center", justify_method<'^'>},
                                        {"zfill", zero_fill_method},
                                        {"expandtabs", expand_tabs_method},
                                        {"isalpha", all_method<python::is_alphabetic>},
                                        {"isalnum", all_method<is_alphanumeric>},
                                        {"isdecimal", all_method<python::is_decimal>},
                                        {"isdigit", all_method<python::is_digit>},
                                        {"isnumeric", all_method<python::is_numeric>},
                                        {"isspace", all_method<python::is_space>},
                                        {"islower", cased_method<python::is_lower, python::is_upper>},
                                        {"isupper", cased_method<python::is_upper, python::is_lower>},
                                        {"istitle", is_title_method},
                                        {"isascii", is_ascii_method},
                                        {"isprintable", is_printable_method},
                                        {"isidentifier", is_identifier_method},
                                        {"encode", nullptr},
                                        {"maketrans", nullptr},
                                        {"translate", nullptr}};
constexpr MethodEntry kMarkupMethods[] = {{"striptags", nullptr}, {"unescape", nullptr}, {"escape", nullptr}};

// ---- dict ----

Value get_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("get", arguments, 1, 2);
  const Value* found = self.dict().find(arguments.positional[0]);
  if (found) return *found;
  return arguments.positional.size() > 1 ? arguments.positional[1] : Value();
}

template <DictView::Kind kind>
Value view_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("dict view", arguments, 0, 0);
  return Value::of(new DictView(self, kind));
}

Value copy_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("copy", arguments, 0, 0);
  return self;  // nothing can change it
}

// What would change a value exists, but the sandbox hides it: it is never called.
constexpr MethodEntry kDictMethods[] = {{"get", get_method},
                                        {"keys", view_method<DictView::Kind::keys>},
                                        {"values", view_method<DictView::Kind::values>},
                                        {"items", view_method<DictView::Kind::items>},
                                        {"copy", copy_method},
                                        {"fromkeys", nullptr},
                                        {"clear", nullptr},
                                        {"pop", nullptr},
                                        {"popitem", nullptr},
                                        {"setdefault", nullptr},
                                        {"update", nullptr}};

// ---- list, tuple, range ----

Value item_index_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("index", arguments, 1, 3);
  auto items = collect(self);
  auto size = static_cast<int64_t>(items.size());
  auto place = [&](size_t i, int64_t missing) {
    if (arguments.positional.size() <= i) return missing;
    int64_t at = need_integer(arguments.positional[i], "index");
    return at < 0 ? std::max<int64_t>(at + size, 0) : at;
  };
  int64_t stop = std::min(place(2, size), size);
  for (int64_t i = place(1, 0); i < stop; ++i)
    if (equal(items[static_cast<size_t>(i)], arguments.positional[0])) return Value(i);
  raise("{} is not in {}", repr(arguments.positional[0]), type_name(self));
}

Value item_count_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("count", arguments, 1, 1);
  auto items = collect(self);
  return Value(static_cast<int64_t>(std::count_if(
      items.begin(), items.end(), [&](const Value& item) { return equal(item, arguments.positional[0]); })));
}

constexpr MethodEntry kListMethods[] = {
    {"index", item_index_method}, {"count", item_count_method}, {"copy", copy_method}, {"append", nullptr},
    {"clear", nullptr},           {"extend", nullptr},          {"insert", nullptr},   {"pop", nullptr},
    {"remove", nullptr},          {"reverse", nullptr},         {"sort", nullptr}};
constexpr MethodEntry kTupleMethods[] = {{"index", item_index_method}, {"count", item_count_method}};

// ---- int, float ----

Value is_integer_method(Renderer&, const Value& self, Arguments& arguments) {
  need_positional("is_integer", arguments, 0, 0);
  return Value(std::isfinite(self.number()) && std::floor(self.number()) == self.number());
}

constexpr MethodEntry kIntMethods[] = {{"as_integer_ratio", nullptr}, {"bit_count", nullptr},  {"bit_length", nullptr},
                                       {"conjugate", copy_method},    {"from_bytes", nullptr}, {"to_bytes", nullptr}};
constexpr MethodEntry kFloatMethods[] = {{"as_integer_ratio", nullptr},
                                         {"conjugate", copy_method},
                                         {"fromhex", nullptr},
                                         {"hex", nullptr},
                                         {"is_integer", is_integer_method}};

template <size_t n>
const MethodEntry* among(const MethodEntry (&methods)[n], std::string_view name) {
  auto found = std::find_if(methods, methods + n, [&](const MethodEntry& entry) { return entry.name == name; });
  return found == methods + n ? nullptr : found;
}

}  // namespace

const MethodEntry* find_text_method(std::string_view name, bool markup) {
  if (auto* entry = among(kTextMethods, name)) return entry;
  return markup ? among(kMarkupMethods, name) : nullptr;
}

const MethodEntry* find_collection_method(const Value& object, std::string_view name) {
  switch (object.type()) {
    case Type::dict:
      return among(kDictMethods, name);
    case Type::list:
      return among(kListMethods, name);
    case Type::tuple:
    case Type::range:
      return among(kTupleMethods, name);
    case Type::boolean:
    case Type::integer:
      return among(kIntMethods, name);
    case Type::floating:
      return among(kFloatMethods, name);
    default:
      return nullptr;
  }
}

}  // namespace glassbox::jinja
