#include "chat/calls/json_calls.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "chat/calls/python_calls.h"
#include "chat/calls/scan.h"
#include "chat/tool_schema.h"
#include "unicode/utf8.h"

namespace glassbox {
namespace {

constexpr int kMostDepth = 64;

// The brackets that are open at the end of `text`, closed; nothing where a text in quotes is.
std::optional<std::string> missing_brackets(std::string_view text) {
  std::string open;
  Quotes quotes;
  for (char c : text) {
    if (!quotes.outside(c)) continue;
    if (c == '{' || c == '[') open += c == '{' ? '}' : ']';
    if (c != '}' && c != ']') continue;
    if (open.empty() || open.back() != c) return std::nullopt;
    open.pop_back();
  }
  if (quotes.open() || open.empty() || open.size() > kMostDepth) return std::nullopt;
  return std::string(open.rbegin(), open.rend());
}

// An object that is a call's arguments, as its JSON text.
std::optional<std::string> arguments_text(OrderedJson arguments, std::string_view name, const OrderedJson& tools) {
  if (arguments.is_null()) arguments = OrderedJson::object();
  if (arguments.is_string() && trim(arguments.get_ref<const std::string&>()).empty()) arguments = OrderedJson::object();
  if (arguments.is_string()) {  // JSON written as a text once more
    auto inner = literal_of_model(arguments.get<std::string>());
    if (!inner) return std::nullopt;
    arguments = std::move(*inner);
  }
  if (!arguments.is_object()) return std::nullopt;
  const OrderedJson* tool = tool_named(tools, name);
  if (tool)
    for (auto item = arguments.begin(); item != arguments.end(); ++item)
      item.value() = typed_argument(std::move(item.value()), tool, item.key());
  return dump_ordered_json(arguments);
}

// {"name": ..., "arguments" or "parameters": ...}, or {"type": "function", "function": that}. `known`: only a tool of
// the request, and with arguments.
std::optional<ToolCall> call_of(const OrderedJson& value, const OrderedJson& tools, bool known) {
  if (!value.is_object()) return std::nullopt;
  if (const auto inner = value.find("function"); inner != value.end() && inner->is_object())
    return call_of(*inner, tools, known);
  auto name = value.find("name");
  if (name == value.end()) name = value.find("function");
  if (name == value.end() || !name->is_string() || !is_tool_name(name->get_ref<const std::string&>()))
    return std::nullopt;
  ToolCall call;
  call.name = name->get<std::string>();
  if (known && !tool_named(tools, call.name)) return std::nullopt;
  if (const auto id = value.find("id"); id != value.end() && id->is_string()) call.id = id->get<std::string>();
  OrderedJson arguments;
  bool given = false;
  for (const char* key : {"arguments", "parameters"})
    if (const auto at = value.find(key); at != value.end()) {
      arguments = *at;
      given = true;
      break;
    }
  if (known && (!given || !(arguments.is_object() || arguments.is_string()))) return std::nullopt;
  auto text = arguments_text(std::move(arguments), call.name, tools);
  if (!text) return std::nullopt;
  call.arguments = std::move(*text);
  return call;
}

bool add_calls(const OrderedJson& value, const OrderedJson& tools, bool known, std::vector<ToolCall>& calls) {
  if (value.is_array()) {
    if (value.empty()) return false;
    return std::all_of(value.begin(), value.end(), [&](const OrderedJson& one) {
      auto call = call_of(one, tools, known);
      if (call) calls.push_back(std::move(*call));
      return call.has_value();
    });
  }
  auto call = call_of(value, tools, known);
  if (call) calls.push_back(std::move(*call));
  return call.has_value();
}

}  // namespace

std::optional<OrderedJson> json_of_model(std::string_view text) {
  if (unicode::valid_prefix(text) != text.size()) return std::nullopt;
  try {
    return parse_ordered_json(text, "a tool call", ErrorKind::bad_request, kMostDepth, 1'000'000);
  } catch (const Error&) { return std::nullopt; }
}

std::optional<std::string> arguments_of_model(std::string_view text, std::string_view name, const OrderedJson& tools,
                                              bool closed) {
  text = trim(text);
  auto value = literal_of_model(text);
  if (!value) {
    size_t size = 0;
    value = leading_structure(text, size);
    if (value && !only_brackets(text.substr(size))) return std::nullopt;
  }
  if (!value && closed)
    if (const auto missing = missing_brackets(text)) value = literal_of_model(std::string(text) + *missing);
  if (!value) return std::nullopt;
  return arguments_text(std::move(*value), name, tools);
}

std::optional<std::vector<ToolCall>> read_json_calls(std::string_view text, const OrderedJson& tools, bool known,
                                                     bool closed) {
  std::vector<ToolCall> calls;
  text = trim(text);
  if (auto value = literal_of_model(text)) {
    if (!add_calls(*value, tools, known, calls)) return std::nullopt;
    return calls;
  }
  while (!text.empty()) {
    size_t size = 0;
    auto value = leading_structure(text, size);
    if (!value) {
      // The last bracket left out.
      const auto missing = closed ? missing_brackets(text) : std::nullopt;
      value = missing ? literal_of_model(std::string(text) + *missing) : std::nullopt;
      size = text.size();
    }
    if (!value || !add_calls(*value, tools, known, calls)) return std::nullopt;
    text.remove_prefix(size);
    if (only_brackets(text)) break;
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n;,"), text.size()));
  }
  if (calls.empty()) return std::nullopt;
  return calls;
}

bool may_become_tool(std::string_view name, const OrderedJson& tools) {
  return std::any_of(tools.begin(), tools.end(), [&](const OrderedJson& tool) {
    const OrderedJson& function = tool.is_object() && tool.contains("function") ? tool["function"] : tool;
    return function.is_object() && function.contains("name") && function["name"].is_string() &&
           function["name"].get_ref<const std::string&>().starts_with(name);
  });
}

std::optional<bool> could_be_json_call(std::string_view text, const OrderedJson& tools) {
  size_t at = skip_space(text, 0);
  if (at < text.size() && text[at] == '[') at = skip_space(text, at + 1);
  if (at == text.size()) return std::nullopt;
  if (text[at] != '{') return false;
  at = skip_space(text, at + 1);
  if (at == text.size()) return std::nullopt;
  const auto quoted = [&](std::string& out) -> std::optional<bool> {  // true: whole
    const char quote = text[at];
    if (quote != '"' && quote != '\'') return std::nullopt;
    const size_t end = text.find(quote, at + 1);
    out = text.substr(at + 1, std::min(end, text.size()) - at - 1);
    at = end == std::string_view::npos ? text.size() : end + 1;
    return end != std::string_view::npos;
  };
  std::string key, name;
  const auto whole = quoted(key);
  if (!whole) return false;
  constexpr std::string_view kKeys[] = {"name", "arguments", "parameters", "function", "type", "id"};
  const auto fits = [&](std::string_view one) { return *whole ? one == key : one.starts_with(key); };
  if (std::none_of(std::begin(kKeys), std::end(kKeys), fits)) return false;
  if (!*whole) return std::nullopt;
  at = skip_space(text, at);
  if (at == text.size()) return std::nullopt;
  if (text[at] != ':') return false;
  at = skip_space(text, at + 1);
  if (at == text.size()) return std::nullopt;
  if (key != "name" && key != "type") return true;
  const auto named = quoted(name);
  if (!named) return false;
  if (key == "type") {
    if (*named) return name == "function";
    if (!std::string_view("function").starts_with(name)) return false;
    return std::nullopt;
  }
  if (*named) return tool_named(tools, name) != nullptr;
  if (may_become_tool(name, tools)) return std::nullopt;
  return false;
}

}  // namespace glassbox
