#include "chat/tool_calls.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/error.h"
#include "chat/call_marks.h"
#include "chat/call_scan.h"
#include "chat/element_call.h"
#include "chat/pythonic_calls.h"
#include "chat/tool_schema.h"
#include "unicode/unicode.h"

namespace glassbox {

namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr int kMostDepth = 64;
constexpr size_t kLongestHead = 600;  // of what stands between a mark and the arguments

using Calls = std::optional<std::vector<ToolCall>>;
using State = CallReader::State;

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

size_t skip_space(std::string_view text, size_t at) {
  return std::min(text.find_first_not_of(kSpace, at), text.size());
}

bool take_mark(std::string_view& text, std::string_view mark) {
  if (!text.starts_with(mark)) return false;
  text.remove_prefix(mark.size());
  return true;
}

// Marks around Hermes' JSON: its own, and those that Qwen2.5-Coder makes up.
struct Wrapper {
  std::string_view open, close;
};
constexpr Wrapper kWrappers[] = {{"<tool_call>", "</tool_call>"},
                                 {"<tools>", "</tools>"},
                                 {"<function_call>", "</function_call>"},
                                 {"<tool>", "</tool>"},
                                 {"<response>", "</response>"}};

// Brackets that may call where they begin a line.
bool bare(CallSyntax syntax) {
  return syntax == CallSyntax::tagged || syntax == CallSyntax::json || syntax == CallSyntax::pythonic ||
         syntax == CallSyntax::mistral || syntax == CallSyntax::gemma;
}

// Taught to write Python's calls, or known to (Llama 3.2's small ones).
bool python(CallSyntax syntax) {
  return syntax == CallSyntax::pythonic || syntax == CallSyntax::gemma || syntax == CallSyntax::json;
}

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

// The characters of a name, the last of which may not be all there yet.
bool may_be_name(std::string_view name) {
  while (!name.empty() && static_cast<unsigned char>(name.back()) >= 0x80) name.remove_suffix(1);
  return name.empty() || is_tool_name(name);
}

bool only_brackets(std::string_view text) { return text.find_first_not_of("]}) \t\r\n;,") == std::string_view::npos; }

// All that stands between two marks: calls as JSON, one or more, and brackets too many after them, or if a closing mark
// follows (`closed`) too few.
Calls json_sequence(std::string_view text, const OrderedJson& tools, bool known, bool closed) {
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

Calls only_known(Calls calls, const OrderedJson& tools) {
  if (!calls) return calls;
  for (ToolCall& call : *calls)
    if (!tool_named(tools, call.name)) return std::nullopt;
  return calls;
}

// Arguments that Python's calls gave as text where the schema wants another type.
Calls typed(Calls calls, const OrderedJson& tools) {
  if (!calls) return calls;
  for (ToolCall& call : *calls)
    if (tool_named(tools, call.name))
      if (auto text = arguments_of_model(call.arguments, call.name, tools, false)) call.arguments = std::move(*text);
  return calls;
}

// Whether {"name": ... could become a call of one of the tools; nothing where that is not told yet.
std::optional<bool> could_call(std::string_view text, const OrderedJson& tools) {
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
  for (const OrderedJson& tool : tools) {
    const OrderedJson& function = tool.is_object() && tool.contains("function") ? tool["function"] : tool;
    if (function.is_object() && function.contains("name") && function["name"].is_string() &&
        function["name"].get_ref<const std::string&>().starts_with(name))
      return std::nullopt;
  }
  return false;
}

// Whether [f( could become a list of calls.
std::optional<bool> could_call_python(std::string_view text, const OrderedJson& tools) {
  size_t at = skip_space(text, text.starts_with('[') ? 1 : 0);
  const size_t begin = at;
  while (at < text.size() && is_tool_name(text.substr(at, 1)) && at - begin <= 256) ++at;
  const std::string_view name = text.substr(begin, at - begin);
  const size_t bracket = skip_space(text, at);
  if (bracket < text.size()) return text[bracket] == '(' && tool_named(tools, name) != nullptr;
  for (const OrderedJson& tool : tools) {
    const OrderedJson& function = tool.is_object() && tool.contains("function") ? tool["function"] : tool;
    if (function.is_object() && function.contains("name") && function["name"].is_string() &&
        function["name"].get_ref<const std::string&>().starts_with(name))
      return std::nullopt;
  }
  return false;
}

// As python_code() reads it: f(, [f(, print(f(.
std::optional<bool> could_call_code(std::string_view text, const OrderedJson& tools) {
  constexpr std::string_view kPrint = "print(";
  if (text.starts_with(kPrint)) return could_call_python(text.substr(kPrint.size()), tools);
  if (kPrint.starts_with(text)) return std::nullopt;
  return could_call_python(text, tools);
}

Calls python_code(std::string_view code, const OrderedJson& tools) {
  code = trim(code);
  if (code.starts_with("print(") && code.ends_with(')')) code = trim(code.substr(6, code.size() - 7));
  if (code.starts_with('[') && code.ends_with(']')) code = code.substr(1, code.size() - 2);
  auto calls = pythonic_calls(code, false);
  if (!calls) calls = pythonic_calls(code, true);
  return typed(only_known(std::move(calls), tools), tools);
}

}  // namespace

bool is_tool_name(std::string_view name) {
  if (name.empty() || name.size() > 256) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) {
                       return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.' ||
                              c == ':' || c == '/' || static_cast<unsigned char>(c) >= 0x80;
                     }) &&
         unicode::valid_prefix(name) == name.size();
}

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

CallOpening find_call(CallSyntax syntax, std::string_view text, bool line) {
  const Marks marks = opening_marks(syntax);
  const bool brackets = bare(syntax);
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '<' || c == '[' || c == '`') {
      const auto mark = mark_at(text.substr(at), marks);
      if (!mark) return {at, false};
      if (!mark->empty()) return {at, true};
    }
    if (brackets && line && (c == '{' || c == '[')) return {at, true};
    if (c == '\n')
      line = true;
    else if (c != ' ' && c != '\t' && c != '\r')
      line = false;
  }
  return {text.size(), false};
}

struct CallReader::Impl {
  Impl(CallSyntax syntax, const OrderedJson* tools) : syntax(syntax), tools(tools) {}

  const CallSyntax syntax;
  const OrderedJson* tools;
  std::vector<ToolCall> calls;
  size_t end = 0;

  // What is known of a text that is read in several goes.
  enum class Form { unknown, sequence, element, brackets, python, pieces } form = Form::unknown;
  size_t body = 0;           // where the arguments, or what is between the marks, begin
  bool known = false;        // only tools of the request
  std::string_view closing;  // the mark that ends a sequence
  MarkScan marks;
  BracketScan bracket;
  int tries = 0;
  std::optional<ElementCall> element;

  State found(Calls made, size_t at) {
    if (!made) return State::none;
    calls = std::move(*made);
    end = at;
    return State::read;
  }

  State read(std::string_view text, bool last) {
    if (text.empty()) return last ? State::none : State::open;
    if (text.starts_with("```")) return fence(text, last);
    switch (syntax) {
      case CallSyntax::tagged:
        return text[0] == '<' ? tagged(text, 0, last) : bare_call(text, 0, last);
      case CallSyntax::json:
        return text[0] == '<' ? python_tag(text, last) : bare_call(text, 0, last);
      case CallSyntax::pythonic:
        return text[0] == '<' ? python_start(text, last) : bare_call(text, 0, last);
      case CallSyntax::gemma:
        return bare_call(text, 0, last);
      case CallSyntax::mistral:
        return text.starts_with("[TOOL_CALLS]") ? mistral(text, last) : bare_call(text, 0, last);
      case CallSyntax::deepseek:
        return deepseek(text, last);
      case CallSyntax::kimi:
        return kimi(text, last);
      case CallSyntax::listed:
        return listed(text, last);
      default:
        return State::none;
    }
  }

  // From `body` to a mark: parsed at each of the marks outside of quotes, and at the first few inside of them, for
  // quotes may be broken; at the end of the text, if that comes first. `parse` says what is there.
  template <class Parse>
  State until(std::string_view text, const Marks& ends, const Marks& stops, bool last, const Parse& parse) {
    Marks all = ends;
    all.insert(all.end(), stops.begin(), stops.end());
    while (marks.next(text, all, last)) {
      const std::string_view mark = marks.found();
      const bool ending = std::find(ends.begin(), ends.end(), mark) != ends.end();
      if (!marks.quoted() || (ending && tries++ < 8)) {
        if (auto made = parse(text.substr(body, marks.at() - body), true))
          return found(std::move(made), marks.at() + (ending ? mark.size() : 0));
        if (!marks.quoted()) return State::none;
      }
      marks.pass();
    }
    if (!last) return State::open;
    return found(parse(text.substr(body), false), text.size());
  }

  // <tool_call> and what it holds, or an element without it, at `at`.
  State tagged(std::string_view text, size_t at, bool last) {
    if (form == Form::unknown) {
      const std::string_view rest = text.substr(at);
      if (rest.starts_with("<function=")) {
        body = at;
        element.emplace(*tools, false);
        form = Form::element;
      } else {
        const Wrapper* wrapper = nullptr;
        for (const Wrapper& one : kWrappers)
          if (rest.starts_with(one.open)) wrapper = &one;
        if (!wrapper) return State::none;
        body = skip_space(text, at + wrapper->open.size());
        const std::string_view inner = text.substr(body);
        constexpr std::string_view kElement = "<function=";
        known = wrapper->open != "<tool_call>";
        closing = wrapper->close;
        if (inner.starts_with('{') || inner.starts_with('[')) {
          if (known) {
            const auto could = could_call(inner, *tools);
            if (!could && !last) return State::open;
            if (!could.value_or(false)) return State::none;
          }
          form = Form::sequence;
          marks = MarkScan(body);
        } else if (!known && inner.starts_with(kElement)) {
          element.emplace(*tools, true);
          form = Form::element;
        } else {
          return kElement.starts_with(inner) && !last ? State::open : State::none;
        }
      }
    }
    if (form == Form::element) {
      const auto state = element->read(text.substr(body), last);
      if (state == ElementCall::State::open) return State::open;
      if (state == ElementCall::State::none) return State::none;
      calls = {element->call()};
      end = body + element->end();
      return State::read;
    }
    return until(text, {closing}, {"<tool_call>"}, last,
                 [&](std::string_view between, bool closed) { return json_sequence(between, *tools, known, closed); });
  }

  // A call without marks: an object, a list of them, or a list of Python's calls.
  State bare_call(std::string_view text, size_t at, bool last) {
    if (form == Form::unknown) {
      const std::string_view rest = text.substr(at);
      auto could = could_call(rest, *tools);
      Form is = Form::brackets;
      if (could == false && python(syntax) && rest.starts_with('[')) {
        could = could_call_python(rest, *tools);
        is = Form::python;
      }
      if (!could && !last) return State::open;
      if (!could.value_or(false)) return State::none;
      form = is;
      body = at;
      bracket = BracketScan(at);
    }
    if (!bracket.closed(text)) return last ? State::none : State::open;
    const std::string_view whole = text.substr(body, bracket.at() - body);
    return found(form == Form::python ? python_code(whole, *tools) : json_sequence(whole, *tools, true, false),
                 bracket.at());
  }

  State python_tag(std::string_view text, bool last) {
    const size_t at = skip_space(text, std::string_view("<|python_tag|>").size());
    if (at == text.size()) return last ? State::none : State::open;
    if (text[at] == '{' || text[at] == '[') return bare_call(text, at, last);
    // A built-in tool: brave_search.call(query="...")
    if (form == Form::unknown) {
      const size_t open = text.find('(', at);
      const std::string_view name = trim(text.substr(at, std::min(open, text.size()) - at));
      if (name.size() > kLongestHead || !may_be_name(name)) return State::none;
      if (open == std::string_view::npos) return last ? State::none : State::open;
      body = at;
      bracket = BracketScan(open);
      form = Form::python;
    }
    if (!bracket.closed(text)) return last ? State::none : State::open;
    auto made = pythonic_calls(text.substr(body, bracket.at() - body), false);
    if (made)
      for (ToolCall& call : *made)
        if (call.name.ends_with(".call")) call.name.resize(call.name.size() - 5);
    return found(std::move(made), bracket.at());
  }

  State python_start(std::string_view text, bool last) {
    size_t at = skip_space(text, std::string_view("<|python_start|>").size());
    constexpr std::string_view kEnd = "<|python_end|>";  // the published template writes what else was said between
    if (text.substr(at).starts_with(kEnd))
      at = skip_space(text, at + kEnd.size());
    else if (kEnd.starts_with(text.substr(at)))
      return last ? State::none : State::open;
    if (at == text.size()) return last ? State::none : State::open;
    if (text[at] == '{') return bare_call(text, at, last);
    if (form == Form::unknown) {
      if (text[at] != '[') {  // one call alone
        const size_t open = text.find('(', at);
        const std::string_view name = trim(text.substr(at, std::min(open, text.size()) - at));
        if (name.size() > kLongestHead || !may_be_name(name)) return State::none;
        if (open == std::string_view::npos) return last ? State::none : State::open;
        bracket = BracketScan(open);
      } else {
        bracket = BracketScan(at);
      }
      body = at;
      form = Form::python;
    }
    if (!bracket.closed(text)) return last ? State::none : State::open;
    std::string_view whole = text.substr(body, bracket.at() - body);
    if (whole.starts_with('[')) whole = whole.substr(1, whole.size() - 2);
    return found(typed(pythonic_calls(whole, true), *tools), bracket.at());
  }

  State mistral(std::string_view text, bool last) {
    size_t at = skip_space(text, std::string_view("[TOOL_CALLS]").size());
    if (form == Form::unknown) {
      const std::string_view rest = text.substr(at);
      const auto inner = mark_at(rest, {"[CALL_ID]", "[ARGS]"});
      if (rest.empty() || !inner) return last ? State::none : State::open;
      if (rest[0] == '[' && inner->empty()) {
        body = at;
        bracket = BracketScan(at);
        form = Form::brackets;
      } else {
        // NAME[CALL_ID]ID[ARGS]{...}
        const size_t brace = rest.find('{');
        std::string_view head = rest.substr(0, brace);
        ToolCall call;
        std::string_view name = trim(head.substr(0, head.find('[')));
        if (head.size() > kLongestHead || !may_be_name(name)) return State::none;
        if (brace == std::string_view::npos) return last ? State::none : State::open;
        if (head.ends_with("[ARGS]")) head.remove_suffix(6);
        if (const size_t id = head.find("[CALL_ID]"); id != std::string_view::npos) {
          call.id = trim(head.substr(id + 9));
          head = head.substr(0, id);
        }
        call.name = trim(head);
        if (!is_tool_name(call.name) || unicode::valid_prefix(call.id) != call.id.size()) return State::none;
        calls = {std::move(call)};
        body = at + brace;
        bracket = BracketScan(body);
        form = Form::pieces;
      }
    }
    if (!bracket.closed(text)) return last ? State::none : State::open;
    const std::string_view whole = text.substr(body, bracket.at() - body);
    if (form == Form::brackets) return found(json_sequence(whole, *tools, false, false), bracket.at());
    auto arguments = arguments_of_model(whole, calls.front().name, *tools, false);
    if (!arguments) return State::none;
    calls.front().arguments = std::move(*arguments);
    end = bracket.at();
    return State::read;
  }

  // Whether what stands between two marks, the second of them found at `end` or not yet, may name a tool.
  static State head_before(std::string_view text, size_t begin, size_t end, std::string_view mark) {
    const bool whole = end != std::string_view::npos;
    const std::string_view head = text.substr(begin, std::min(end, text.size()) - begin);
    if (head.size() > kLongestHead + (whole ? 0 : mark.size())) return State::none;
    if (head.find_first_of("{\"`") != std::string_view::npos) return State::none;
    return whole ? State::read : State::open;
  }

  State deepseek(std::string_view text, bool last) {
    constexpr std::string_view kBegin = "<｜tool▁call▁begin｜>", kEnd = "<｜tool▁call▁end｜>", kSep = "<｜tool▁sep｜>",
                               kSection = "<｜tool▁calls▁begin｜>", kSectionEnd = "<｜tool▁calls▁end｜>";
    if (form == Form::unknown) {
      size_t at = text.starts_with(kSection) ? skip_space(text, kSection.size()) : 0;
      const std::string_view rest = text.substr(at);
      if (!rest.starts_with(kBegin)) return kBegin.starts_with(rest) && !last ? State::open : State::none;
      body = at + kBegin.size();
      const size_t sep = text.find(kSep, body);
      if (const auto head = head_before(text, body, sep, kSep); head != State::read)
        return head == State::open && !last ? State::open : State::none;
      marks = MarkScan(sep + kSep.size());
      form = Form::sequence;
    }
    return until(text, {kEnd}, {kSectionEnd, kBegin}, last, [&](std::string_view call, bool closed) -> Calls {
      const size_t sep = call.find(kSep);
      std::string_view name = trim(call.substr(0, sep)), rest = call.substr(sep + kSep.size());
      if (name == "function") {  // V3: function<sep>NAME\n```json
        const size_t line = std::min(rest.find_first_of("\n`{"), rest.size());
        name = trim(rest.substr(0, line));
        rest = rest.substr(line);
      }
      rest = trim(rest);
      if (take_mark(rest, "```")) {
        take_mark(rest, "json");
        // A fence may stand inside the arguments: the last one closes.
        if (const size_t close = rest.rfind("```");
            close != std::string_view::npos && only_brackets(rest.substr(close + 3)))
          rest = rest.substr(0, close);
      }
      if (!is_tool_name(name)) return std::nullopt;
      auto arguments = arguments_of_model(rest, name, *tools, closed);
      if (!arguments) return std::nullopt;
      return std::vector<ToolCall>{{"", std::string(name), std::move(*arguments)}};
    });
  }

  State kimi(std::string_view text, bool last) {
    constexpr std::string_view kBegin = "<|tool_call_begin|>", kEnd = "<|tool_call_end|>",
                               kArguments = "<|tool_call_argument_begin|>", kSection = "<|tool_calls_section_begin|>",
                               kSectionEnd = "<|tool_calls_section_end|>";
    if (form == Form::unknown) {
      size_t at = text.starts_with(kSection) ? skip_space(text, kSection.size()) : 0;
      const std::string_view rest = text.substr(at);
      if (!rest.starts_with(kBegin)) return kBegin.starts_with(rest) && !last ? State::open : State::none;
      const size_t id = at + kBegin.size(), arguments = text.find(kArguments, id);
      if (const auto head = head_before(text, id, arguments, kArguments); head != State::read)
        return head == State::open && !last ? State::open : State::none;
      ToolCall call;
      call.id = trim(text.substr(id, arguments - id));
      std::string_view name = call.id;  // functions.NAME:INDEX
      take_mark(name, "functions.");
      name = name.substr(0, name.rfind(':'));
      if (!is_tool_name(name)) return State::none;
      call.name = name;
      calls = {std::move(call)};
      body = arguments + kArguments.size();
      marks = MarkScan(body);
      form = Form::sequence;
    }
    const ToolCall head = calls.front();
    return until(text, {kEnd}, {kSectionEnd, kBegin}, last, [&](std::string_view arguments, bool closed) -> Calls {
      auto made = arguments_of_model(arguments, head.name, *tools, closed);
      if (!made) return std::nullopt;
      return std::vector<ToolCall>{{head.id, head.name, std::move(*made)}};
    });
  }

  State listed(std::string_view text, bool last) {
    if (form == Form::unknown) {
      body = std::string_view("<function_calls>").size();
      marks = MarkScan(body);
      form = Form::sequence;
    }
    return until(text, {"</function_calls>"}, {"<function_calls>"}, last, [&](std::string_view code, bool) {
      code = trim(code);
      if (code.starts_with('[') && code.ends_with(']')) code = code.substr(1, code.size() - 2);
      auto made = pythonic_calls(code, false);
      return typed(made ? std::move(made) : pythonic_calls(code, true), *tools);
    });
  }

  // A fenced block that holds calls and nothing else.
  State fence(std::string_view text, bool last) {
    constexpr std::string_view kFence = "```";
    constexpr std::string_view kJson[] = {"", "json", "JSON", "xml", "tool_call", "tool_calls"};
    constexpr std::string_view kCode[] = {"tool_code", "python"};
    if (form == Form::unknown) {
      const bool at_once = text.size() > 3 && (text[3] == '{' || text[3] == '[');  // ```{...}```
      const size_t line = text.find('\n');
      const std::string_view named = trim(text.substr(3, std::min(line, text.size()) - 3));
      const auto fits = [&](std::string_view one) {
        return line == std::string_view::npos ? one.starts_with(named) : one == named;
      };
      const bool code = python(syntax) && std::any_of(std::begin(kCode), std::end(kCode), fits);
      if (!at_once && !code && std::none_of(std::begin(kJson), std::end(kJson), fits)) return State::none;
      if (!at_once && line == std::string_view::npos) return last ? State::none : State::open;
      body = at_once ? 3 : skip_space(text, line);
      const std::string_view inner = text.substr(body);
      if (inner.empty()) return last ? State::none : State::open;
      if (syntax == CallSyntax::tagged && inner[0] == '<') return tagged_in_fence(text, body, last);
      const auto could = code && !at_once ? could_call_code(inner, *tools) : could_call(inner, *tools);
      if (!could && !last) return State::open;
      if (!could.value_or(false)) return State::none;
      form = code && !at_once ? Form::python : Form::sequence;
      marks = MarkScan(body);
    }
    if (form == Form::python)
      return until(text, {kFence}, {}, last,
                   [&](std::string_view between, bool) { return python_code(between, *tools); });
    return until(text, {kFence}, {}, last,
                 [&](std::string_view between, bool closed) { return json_sequence(between, *tools, true, closed); });
  }

  State tagged_in_fence(std::string_view text, size_t at, bool last) {
    const auto mark = mark_at(text.substr(at), {"<tool_call>", "<function="});
    if (!mark) return last ? State::none : State::open;
    if (mark->empty()) return State::none;
    if (!inner) inner = std::make_unique<Impl>(syntax, tools);
    if (inner->end == 0)  // its call is still to be read
      if (const State state = inner->tagged(text.substr(at), 0, last); state != State::read) return state;
    // What closes it, and the fence.
    size_t after = at + inner->end;
    while (true) {
      const size_t next = skip_space(text, after);
      const auto close = mark_at(text.substr(next), {"</tool_call>", kThree});
      if (next == text.size() || !close) {
        if (!last) return State::open;
        break;
      }
      if (close->empty()) break;
      after = next + close->size();
      if (*close == kThree) break;
    }
    calls = std::move(inner->calls);
    end = after;
    return State::read;
  }
  static constexpr std::string_view kThree = "```";
  std::unique_ptr<Impl> inner;
};

CallReader::CallReader(CallSyntax syntax, const OrderedJson& tools) : impl_(std::make_unique<Impl>(syntax, &tools)) {}
CallReader::CallReader(CallReader&&) noexcept = default;
CallReader& CallReader::operator=(CallReader&&) noexcept = default;
CallReader::~CallReader() = default;

State CallReader::read(std::string_view text, bool last) { return impl_->read(text, last); }
std::vector<ToolCall> CallReader::take() { return std::move(impl_->calls); }
size_t CallReader::end() const { return impl_->end; }

std::optional<size_t> after_call(CallSyntax syntax, std::string_view text, bool last) {
  const Marks marks = closing_marks(syntax);
  size_t at = 0;
  // Brackets too many, right at the end.
  if (bare(syntax)) at = std::min(text.find_first_not_of("]})"), text.size());
  for (;;) {
    const size_t next = skip_space(text, at);
    if (next == text.size()) return last ? std::optional(next) : std::nullopt;
    const auto mark = mark_at(text.substr(next), marks);
    if (!mark) return last ? std::optional(text.size()) : std::nullopt;
    if (mark->empty()) return next;
    at = next + mark->size();
  }
}

}  // namespace glassbox
