// Any text as a model's answer, in any family's syntax: the same parts however it is cut, and calls whose arguments are
// JSON. The first byte says which syntax, the second where to cut.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/require.h"
#include "text/chat_syntax.h"

namespace {

using namespace glassbox;

struct Parsed {
  std::string reasoning, content;
  std::vector<ToolCall> calls;
  bool operator==(const Parsed&) const = default;
};

Parsed parse(const ChatSyntax& syntax, const OrderedJson& tools, std::string_view text, size_t piece) {
  AnswerParser parser(syntax, tools, "");
  Parsed all;
  auto add = [&](AnswerParser::Delta delta) {
    all.reasoning += delta.reasoning;
    all.content += delta.content;
    for (ToolCall& call : delta.calls) all.calls.push_back(std::move(call));
  };
  for (size_t at = 0; at < text.size(); at += piece) add(parser.push(text.substr(at, piece)));
  add(parser.finish());
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 4096) return 0;
  static const OrderedJson tools = OrderedJson::parse(
      R"([{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"type": "integer"}}}}}])");
  ChatSyntax syntax;
  syntax.calls = static_cast<CallSyntax>(data[0] % 10);
  if (syntax.calls == CallSyntax::mistral) syntax.reasoning = ChatSyntax::Reasoning::brackets;
  if (syntax.calls == CallSyntax::harmony) syntax.reasoning = ChatSyntax::Reasoning::channels;
  const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
  const Parsed whole = parse(syntax, tools, text, text.size() + 1);
  require(parse(syntax, tools, text, 1 + data[1] % 16) == whole);
  for (const ToolCall& call : whole.calls)
    require(OrderedJson::parse(call.arguments).is_object() && !call.name.empty());
  return 0;
}
