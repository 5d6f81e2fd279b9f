// Calls of tools as model families write them.
#pragma once

#include <memory>
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

// All the marks that a call in this syntax is written with.
std::vector<std::string_view> call_marks(CallSyntax syntax);

// Those that only ever end one: after a call they are never text.
std::vector<std::string_view> end_marks(CallSyntax syntax);

struct ToolCall {
  std::string id;  // as the model gave it, else empty
  std::string name;
  std::string arguments;  // the JSON text of an object
  bool operator==(const ToolCall&) const = default;
};

bool is_tool_name(std::string_view name);

// JSON as a model wrote it: depth and size bounded. Nothing if it is none.
std::optional<OrderedJson> json_of_model(std::string_view text);

// A call's arguments, which a model wrote as an object: read as literal_of_model() does, brackets too many after it
// passed over, values typed by the tool's schema where one is on the list. `closed`: a mark says
// that this is all, so brackets left out are added. Nothing if it is no object.
std::optional<std::string> arguments_of_model(std::string_view text, std::string_view name, const OrderedJson& tools,
                                              bool closed);

// Where in a text that grows a call may begin.
struct CallOpening {
  size_t at;   // everything before it is no call
  bool whole;  // the opening is all there: read on from it; else it may become one, or the text ends here
};
// `line`: whether the text begins a line. Besides the syntax's opening marks, calls that models taught to write JSON
// write without them: an object (or a list, or Llama 4's and Gemma's list of Python's calls) that begins a line, and a
// fenced block. llama.cpp reads Hermes', Qwen's and Llama's so, Qwen2.5-Coder hardly writes them otherwise.
CallOpening find_call(CallSyntax syntax, std::string_view text, bool line);

// Reads one call, or several that are written as one, from the opening that find_call() found, in a text that grows.
// Nothing is decided that more text could change. What has no marks that are a call's alone counts only if it names a
// tool of the request and gives it an object.
class CallReader {
 public:
  // `tools`: the request's, as OpenAI writes them; outlives this.
  CallReader(CallSyntax syntax, const OrderedJson& tools);
  CallReader(CallReader&&) noexcept;
  CallReader& operator=(CallReader&&) noexcept;
  ~CallReader();

  enum class State { open, read, none };
  // `text` begins with the opening, and as it did before. `last`: nothing will follow.
  State read(std::string_view text, bool last);
  // After `read`: the calls, and where what follows them begins.
  std::vector<ToolCall> take();
  size_t end() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What is left of a call's marks after it was read (closing marks, a bracket too many, what stands between two calls):
// its length at the beginning of `text`. Nothing where more text may change it.
std::optional<size_t> after_call(CallSyntax syntax, std::string_view text, bool last);

}  // namespace glassbox
