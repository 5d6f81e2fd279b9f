#include "text/tool_calls.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "text/pythonic_calls.h"
#include "text/unicode.h"

namespace glassbox {

namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr int kMostDepth = 64;

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool take(std::string_view& text, std::string_view mark) {
  if (!text.starts_with(mark)) return false;
  text.remove_prefix(mark.size());
  return true;
}

// What comes before `mark`; false, and nothing taken, if it does not come.
bool take_until(std::string_view& text, std::string_view mark, std::string_view& before) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return false;
  before = text.substr(0, at);
  text.remove_prefix(at + mark.size());
  return true;
}

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > 256) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.' || c == ':' || c == '/' ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

// The tool of this name in a request's list, or null.
const OrderedJson* tool_named(const OrderedJson& tools, std::string_view name) {
  if (!tools.is_array()) return nullptr;
  for (const OrderedJson& tool : tools) {
    if (!tool.is_object()) continue;
    const auto inner = tool.find("function");
    const OrderedJson& function = inner != tool.end() ? *inner : tool;
    if (!function.is_object()) continue;
    if (const auto at = function.find("name"); at != function.end() && at->is_string() && *at == name) return &function;
  }
  return nullptr;
}

// {"name": ..., "arguments" or "parameters": ...}.
std::optional<ToolCall> call_of(const OrderedJson& value) {
  if (!value.is_object()) return std::nullopt;
  const auto name = value.find("name");
  if (name == value.end() || !name->is_string() || !is_name(name->get<std::string>())) return std::nullopt;
  ToolCall call;
  call.name = name->get<std::string>();
  if (const auto id = value.find("id"); id != value.end() && id->is_string()) call.id = id->get<std::string>();
  OrderedJson arguments = OrderedJson::object();
  for (const char* key : {"arguments", "parameters"})
    if (const auto at = value.find(key); at != value.end()) {
      arguments = *at;
      break;
    }
  if (arguments.is_null()) arguments = OrderedJson::object();
  if (arguments.is_string()) {  // JSON written as a text once more
    auto inner = json_of_model(arguments.get<std::string>());
    if (!inner) return std::nullopt;
    arguments = std::move(*inner);
  }
  if (!arguments.is_object()) return std::nullopt;
  call.arguments = dump_ordered_json(arguments);
  return call;
}

std::optional<ToolCall> call_of_text(std::string_view text) {
  const auto value = json_of_model(text);
  return value ? call_of(*value) : std::nullopt;
}

using Calls = std::optional<std::vector<ToolCall>>;

Calls only_known(Calls calls, const OrderedJson& tools) {
  if (!calls) return calls;
  for (const ToolCall& call : *calls)
    if (!tool_named(tools, call.name)) return std::nullopt;
  return calls;
}

// A parameter written as bare text: what it means, the tool's description says.
OrderedJson bare_value(std::string_view text, const OrderedJson* tool, const std::string& key) {
  const OrderedJson* type = nullptr;
  if (tool)
    if (const auto parameters = tool->find("parameters"); parameters != tool->end() && parameters->is_object())
      if (const auto all = parameters->find("properties"); all != parameters->end() && all->is_object())
        if (const auto one = all->find(key); one != all->end() && one->is_object())
          if (const auto at = one->find("type"); at != one->end()) type = &*at;
  if (type && *type != "string")
    if (auto parsed = json_of_model(trim(text))) return *parsed;
  return std::string(text);
}

// One line break after an opening mark and one before a closing one belong to the marks.
std::string_view inside(std::string_view text) {
  if (text.starts_with('\n')) text.remove_prefix(1);
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

std::optional<ToolCall> element_call(std::string_view& text, const OrderedJson& tools) {
  std::string_view name;
  if (!take(text, "<function=") || !take_until(text, ">", name)) return std::nullopt;
  ToolCall call;
  call.name = trim(name);
  if (!is_name(call.name)) return std::nullopt;
  const OrderedJson* tool = tool_named(tools, call.name);
  OrderedJson arguments = OrderedJson::object();
  for (text = trim(text); take(text, "<parameter="); text = trim(text)) {
    std::string_view key, value;
    if (!take_until(text, ">", key) || !take_until(text, "</parameter>", value)) return std::nullopt;
    const std::string named(trim(key));
    if (named.empty() || arguments.contains(named) || unicode::valid_prefix(value) != value.size() ||
        unicode::valid_prefix(named) != named.size())
      return std::nullopt;
    arguments[named] = bare_value(inside(value), tool, named);
  }
  if (!take(text, "</function>")) return std::nullopt;
  text = trim(text);
  call.arguments = dump_ordered_json(arguments);
  return call;
}

Calls tagged(std::string_view text, const OrderedJson& tools) {
  if (take(text, "<tool_call>")) {
    text = trim(text);
    if (text.ends_with("</tool_call>")) text = trim(text.substr(0, text.size() - 12));
  }
  if (!text.starts_with('<')) {
    auto call = call_of_text(text);
    return call ? Calls({std::move(*call)}) : std::nullopt;
  }
  std::vector<ToolCall> calls;
  while (!text.empty()) {
    auto call = element_call(text, tools);
    if (!call) return std::nullopt;
    calls.push_back(std::move(*call));
  }
  if (calls.empty()) return std::nullopt;
  return calls;
}

Calls json_calls(std::string_view text, const OrderedJson& tools) {
  const bool marked = take(text, "<|python_tag|>");
  text = trim(text);
  if (text.starts_with('{')) {
    auto call = call_of_text(text);
    return call ? only_known(Calls({std::move(*call)}), tools) : std::nullopt;
  }
  if (!marked) return std::nullopt;
  auto calls = pythonic_calls(text, false);  // a built-in tool: brave_search.call(query="...")
  if (!calls) return std::nullopt;
  for (ToolCall& call : *calls)
    if (call.name.ends_with(".call")) call.name.resize(call.name.size() - 5);
  return calls;
}

Calls pythonic(std::string_view text, const OrderedJson& tools) {
  const bool marked = take(text, "<|python_start|>");
  if (marked) take(text, "<|python_end|>");  // the published template writes what else was said between the two
  text = trim(text);
  if (text.starts_with('{')) return json_calls(text, tools);
  if (text.ends_with("<|python_end|>")) text = trim(text.substr(0, text.size() - 14));
  if (!text.starts_with('[') || !text.ends_with(']') || text.size() < 2) return std::nullopt;
  auto calls = pythonic_calls(text.substr(1, text.size() - 2), true);
  return marked ? calls : only_known(std::move(calls), tools);
}

Calls deepseek(std::string_view text) {
  std::vector<ToolCall> calls;
  if (!take(text, "<｜tool▁calls▁begin｜>")) return std::nullopt;
  text = trim(text);
  while (!text.empty() && text != "<｜tool▁calls▁end｜>") {
    std::string_view call, name;
    if (!take(text, "<｜tool▁call▁begin｜>") || !take_until(text, "<｜tool▁call▁end｜>", call)) return std::nullopt;
    text = trim(text);
    if (!take_until(call, "<｜tool▁sep｜>", name)) return std::nullopt;
    ToolCall made;
    if (call.find("```") != std::string_view::npos && trim(name) == "function") {  // V3: function<sep>NAME\n```json
      std::string_view fenced;
      if (!take_until(call, "```", name)) return std::nullopt;
      take(call, "json");
      if (!take_until(call, "```", fenced)) {  // a fence may stand inside the arguments: the last one closes
        return std::nullopt;
      }
      const size_t last = call.rfind("```");
      if (last != std::string_view::npos)
        fenced = std::string_view(fenced.data(), static_cast<size_t>(call.data() + last - fenced.data()));
      call = fenced;
    }
    made.name = trim(name);
    const auto arguments = json_of_model(trim(call));
    if (!is_name(made.name) || !arguments || !arguments->is_object()) return std::nullopt;
    made.arguments = dump_ordered_json(*arguments);
    calls.push_back(std::move(made));
  }
  if (calls.empty()) return std::nullopt;
  return calls;
}

Calls kimi(std::string_view text) {
  if (!take(text, "<|tool_calls_section_begin|>")) return std::nullopt;
  std::vector<ToolCall> calls;
  for (text = trim(text); !text.empty() && text != "<|tool_calls_section_end|>"; text = trim(text)) {
    std::string_view id, arguments;
    if (!take(text, "<|tool_call_begin|>") || !take_until(text, "<|tool_call_argument_begin|>", id) ||
        !take_until(text, "<|tool_call_end|>", arguments))
      return std::nullopt;
    id = trim(id);
    std::string_view name = id;  // functions.NAME:INDEX
    take(name, "functions.");
    name = name.substr(0, name.rfind(':'));
    const auto parsed = json_of_model(trim(arguments));
    if (!is_name(name) || !parsed || !parsed->is_object()) return std::nullopt;
    calls.push_back({std::string(id), std::string(name), dump_ordered_json(*parsed)});
  }
  if (calls.empty()) return std::nullopt;
  return calls;
}

Calls mistral(std::string_view text) {
  if (!take(text, "[TOOL_CALLS]")) return std::nullopt;
  text = trim(text);
  std::vector<ToolCall> calls;
  if (text.starts_with('[')) {
    const auto list = json_of_model(text);
    if (!list || !list->is_array() || list->empty()) return std::nullopt;
    for (const OrderedJson& one : *list) {
      auto call = call_of(one);
      if (!call) return std::nullopt;
      calls.push_back(std::move(*call));
    }
    return calls;
  }
  const size_t brace = text.find('{');
  if (brace == std::string_view::npos) return std::nullopt;
  std::string_view head = text.substr(0, brace);
  ToolCall call;
  if (head.ends_with("[ARGS]")) head.remove_suffix(6);
  if (const size_t id = head.find("[CALL_ID]"); id != std::string_view::npos) {
    call.id = trim(head.substr(id + 9));
    head = head.substr(0, id);
  }
  call.name = trim(head);
  const auto arguments = json_of_model(text.substr(brace));
  if (!is_name(call.name) || !arguments || !arguments->is_object()) return std::nullopt;
  call.arguments = dump_ordered_json(*arguments);
  calls.push_back(std::move(call));
  return calls;
}

Calls gemma(std::string_view text, const OrderedJson& tools) {
  const bool code = take(text, "```tool_code");
  if (!code && !take(text, "```json")) return std::nullopt;
  text = trim(text);
  if (text.ends_with("```")) text = trim(text.substr(0, text.size() - 3));
  if (code) {
    if (text.starts_with("print(") && text.ends_with(')')) text = text.substr(6, text.size() - 7);
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    auto calls = pythonic_calls(text, false);
    if (!calls) calls = pythonic_calls(text, true);
    return only_known(std::move(calls), tools);
  }
  const auto value = json_of_model(text);
  if (!value) return std::nullopt;
  std::vector<ToolCall> calls;
  for (const OrderedJson& one : value->is_array() ? *value : OrderedJson::array({*value})) {
    auto call = call_of(one);
    if (!call) return std::nullopt;
    calls.push_back(std::move(*call));
  }
  if (calls.empty()) return std::nullopt;
  return only_known(std::move(calls), tools);
}

Calls listed(std::string_view text) {
  if (!take(text, "<function_calls>")) return std::nullopt;
  text = trim(text);
  if (text.ends_with("</function_calls>")) text.remove_suffix(17);
  return pythonic_calls(text, false);
}

}  // namespace

std::optional<OrderedJson> json_of_model(std::string_view text) {
  if (unicode::valid_prefix(text) != text.size()) return std::nullopt;
  try {
    return parse_ordered_json(text, "a tool call", ErrorKind::bad_request, kMostDepth, 1'000'000);
  } catch (const Error&) { return std::nullopt; }
}

std::optional<std::vector<ToolCall>> parse_calls(CallSyntax syntax, std::string_view text, const OrderedJson& tools) {
  switch (syntax) {
    case CallSyntax::tagged:
      return tagged(text, tools);
    case CallSyntax::json:
      return json_calls(text, tools);
    case CallSyntax::pythonic:
      return pythonic(text, tools);
    case CallSyntax::deepseek:
      return deepseek(text);
    case CallSyntax::mistral:
      return mistral(text);
    case CallSyntax::kimi:
      return kimi(text);
    case CallSyntax::gemma:
      return gemma(text, tools);
    case CallSyntax::listed:
      return listed(text);
    case CallSyntax::harmony: {  // the arguments alone
      const auto arguments = json_of_model(trim(text));
      if (!arguments || !arguments->is_object()) return std::nullopt;
      return std::vector<ToolCall>{{"", "", dump_ordered_json(*arguments)}};
    }
    case CallSyntax::none:
      break;
  }
  return std::nullopt;
}

CallEnd::State CallEnd::scan(std::string_view text) {
  switch (syntax_) {
    case CallSyntax::tagged:
      return mark(text, text.starts_with("<function=") ? "</function>" : "</tool_call>");
    case CallSyntax::deepseek:
      return mark(text, "<｜tool▁calls▁end｜>");
    case CallSyntax::listed:
      return mark(text, "</function_calls>");
    case CallSyntax::kimi:
      return mark(text, "<|tool_calls_section_end|>");
    case CallSyntax::gemma:
      return mark(text, "\n```");
    case CallSyntax::json:
    case CallSyntax::pythonic:
    case CallSyntax::mistral:
      return brackets(text);
    default:
      return State::hopeless;
  }
}

CallEnd::State CallEnd::mark(std::string_view text, std::string_view close) {
  const size_t found = text.find(close, at_);
  if (found == std::string_view::npos) {
    at_ = std::max(at_, text.size() - std::min(text.size(), close.size() - 1));
    return State::open;
  }
  at_ = found + close.size();
  return State::ended;
}

// From the first bracket to the one that closes it, texts in quotes passed over.
CallEnd::State CallEnd::brackets(std::string_view text) {
  if (!begun_ && at_ == 0)
    for (std::string_view opening : {"[TOOL_CALLS]", "<|python_tag|>", "<|python_start|>"})
      if (text.starts_with(opening)) at_ = opening.size();
  for (; at_ < text.size(); ++at_) {
    const char c = text[at_];
    if (!begun_) {
      // Mistral's [ARGS] and [CALL_ID] come before the bracket that counts.
      if (c == '[' && syntax_ == CallSyntax::mistral) {
        const std::string_view rest = text.substr(at_);
        for (std::string_view inner : {"[ARGS]", "[CALL_ID]"}) {
          if (rest.starts_with(inner)) {
            at_ += inner.size() - 1;
            break;
          }
          if (inner.starts_with(rest)) return State::open;
        }
        if (text[at_] == ']') continue;
      }
      if (at_ > 600) return State::hopeless;
      if (c != '[' && c != '{' && c != '(') continue;
      begun_ = true;
      depth_ = 1;
      continue;
    }
    if (quote_) {
      if (c == '\\') {
        if (at_ + 1 == text.size()) return State::open;
        ++at_;
      } else if (c == quote_) {
        quote_ = 0;
      }
    } else if (c == '"' || (c == '\'' && syntax_ != CallSyntax::mistral)) {
      quote_ = c;
    } else if (c == '[' || c == '{' || c == '(') {
      ++depth_;
    } else if ((c == ']' || c == '}' || c == ')') && --depth_ == 0) {
      ++at_;
      return State::ended;
    }
  }
  return State::open;
}

}  // namespace glassbox
