// Any text as a model's answer, in any family's syntax: the same parts however it is cut, calls whose arguments are
// JSON, no end of a call in content behind one, and no special token. The first byte says which syntax, the second
// where to cut.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/require.h"
#include "chat/chat_syntax.h"

namespace {

using namespace glassbox;

struct Parsed {
  std::string reasoning, content;
  std::string after;  // of the content, what came with the first call and behind it
  std::vector<ToolCall> calls;
  bool operator==(const Parsed& that) const {
    return reasoning == that.reasoning && content == that.content && calls == that.calls;
  }
};

Parsed parse(const ChatSyntax& syntax, const OrderedJson& tools, const std::vector<std::string>& silent,
             std::string_view text, size_t piece) {
  AnswerParser parser(syntax, tools, "", silent);
  Parsed all;
  auto add = [&](AnswerParser::Delta delta) {
    if (!all.calls.empty()) all.after += delta.content;
    all.reasoning += delta.reasoning;
    all.content += delta.content;
    for (ToolCall& call : delta.calls) all.calls.push_back(std::move(call));
  };
  for (size_t at = 0; at < text.size(); at += piece) add(parser.push(text.substr(at, piece)));
  add(parser.finish());
  return all;
}

bool any_in(std::string_view text, const std::vector<std::string_view>& marks) {
  for (std::string_view mark : marks)
    if (text.find(mark) != text.npos) return true;
  return false;
}

std::string without(std::string_view text, const std::vector<std::string_view>& marks) {
  std::string rest;
  while (!text.empty()) {
    size_t mark = 0;
    for (std::string_view one : marks)
      if (text.starts_with(one)) mark = one.size();
    if (mark == 0) rest += text[0];
    text.remove_prefix(mark == 0 ? 1 : mark);
  }
  return rest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 4096) return 0;
  static const OrderedJson tools = OrderedJson::parse(
      R"([{"type": "function", "function": {"name": "f", "parameters": {"$defs": {"n": {"anyOf": [{"type": "integer"},
          {"type": "null"}, {"$ref": "#/$defs/n"}]}}, "properties": {"a": {"$ref": "#/$defs/n"},
          "b": {"type": ["string", "boolean"]}, "c": {"enum": [1, "1", null]}, "d": {"type": "object"}}}}}])");
  static const std::vector<std::string> none, special = {"<|x|>", "<think>"};
  ChatSyntax syntax;
  const size_t which = data[0] % (call_syntaxes().size() + 1);
  if (which > 0) syntax.calls = &call_syntaxes()[which - 1];
  if (syntax.calls == call_syntax("mistral")) syntax.reasoning = ChatSyntax::Reasoning::brackets;
  if (syntax.calls == call_syntax("harmony")) syntax.reasoning = ChatSyntax::Reasoning::channels;
  const std::vector<std::string>& silent = data[0] & 64 ? special : none;
  const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
  const Parsed whole = parse(syntax, tools, silent, text, text.size() + 1);
  const Parsed cut = parse(syntax, tools, silent, text, 1 + data[1] % 16);
  require(cut == whole);
  const Parsed bytes = parse(syntax, tools, silent, text, 1);
  require(bytes == whole);
  for (const ToolCall& call : whole.calls)
    require(OrderedJson::parse(call.arguments).is_object() && !call.name.empty());
  // What is left out may join what is around it into a mark again: such texts prove nothing.
  const std::vector<std::string_view> ends = syntax.calls ? syntax.calls->ends : std::vector<std::string_view>();
  if (silent.empty() && whole.calls.size() == 1 && !any_in(without(text, ends), ends))
    require(!any_in(bytes.after, ends));
  const std::vector<std::string_view> left_out(silent.begin(), silent.end());
  if (syntax.calls != call_syntax("harmony") && whole.calls.empty() && !any_in(without(text, left_out), left_out))
    require(!any_in(whole.content, left_out));
  return 0;
}
