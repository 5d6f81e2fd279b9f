// Calls of tools as model families write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace glassbox {

enum class CallSyntax {
  none,
  tagged,    // <tool_call>{"name", "arguments"}</tool_call> (Hermes, Qwen, SmolLM3), or in it
             // <function=NAME><parameter=KEY>VALUE</parameter></function> (Qwen3-Coder)
  json,      // {"name", "parameters"} as the whole answer, or after <|python_tag|> (Llama 3)
  pythonic,  // [f(a=1), g(b="x")] as the whole answer, or Llama 3's JSON (Llama 4)
  deepseek,  // <｜tool▁calls▁begin｜><｜tool▁call▁begin｜> ... <｜tool▁calls▁end｜> (V3, R1, V3.1)
  mistral,   // [TOOL_CALLS][{"name", "arguments", "id"}] or [TOOL_CALLS]NAME[CALL_ID]ID[ARGS]{...}
  gemma,     // ```tool_code or ```json blocks
  listed,    // <function_calls>, a pythonic call a line, </function_calls> (OLMo 3)
  harmony,   // messages to functions.NAME (gpt-oss)
  kimi       // <|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:INDEX ... (Kimi K2)
};

struct ToolCall {
  std::string id;  // as the model gave it, else empty
  std::string name;
  std::string arguments;  // the JSON text of an object
  bool operator==(const ToolCall&) const = default;
};

// JSON as a model wrote it: depth and size bounded. Nothing if it is none.
std::optional<OrderedJson> json_of_model(std::string_view text);

// All calls that `text`, from its opening mark to its closing one, makes; nothing if any of it is malformed. `tools` is
// the request's list of them: it says which parameters are strings, where a syntax does not. Marks that only a
// convention gives meaning to (json, pythonic, gemma) call only tools that are on the list.
std::optional<std::vector<ToolCall>> parse_calls(CallSyntax syntax, std::string_view text, const OrderedJson& tools);

// Where a call that begins at text[0] ends, looked for as text grows.
class CallEnd {
 public:
  explicit CallEnd(CallSyntax syntax) : syntax_(syntax) {}

  enum class State { open, ended, hopeless };
  // Goes on where it stopped; `text` begins as it did before. REQUIRES: not ended.
  State scan(std::string_view text);
  size_t end() const { return at_; }  // after scan() said `ended`
  // The end that scan() found was inside a text after all: goes on behind it.
  void go_on() { ended_ = false; }

 private:
  State brackets(std::string_view text);
  State mark(std::string_view text, std::string_view close);

  CallSyntax syntax_;
  size_t at_ = 0;
  int depth_ = 0;
  char quote_ = 0;
  bool begun_ = false, ended_ = false;
};

}  // namespace glassbox
