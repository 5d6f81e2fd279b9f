// Calls of tools as model families write them: what all syntaxes have in common, and the table of them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace glassbox {

struct ToolCall {
  std::string id;  // as the model gave it, else empty
  std::string name;
  std::string arguments;  // the JSON text of an object
  bool operator==(const ToolCall&) const = default;
};

bool is_tool_name(std::string_view name);

// Reads one call, or several that are written as one, in a text that grows. Nothing is decided that more text could
// change. What has no marks that are a call's alone counts only if it names a tool of the request and gives it an
// object.
class CallReader {
 public:
  explicit CallReader(const OrderedJson& tools)
      : tools_(tools) {}  // the request's, as OpenAI writes them; outlive this
  virtual ~CallReader() = default;

  enum class State { open, read, none };
  // `text` begins with the call's opening, and as it did before. `last`: nothing will follow.
  virtual State read(std::string_view text, bool last) = 0;
  // After `read`: the calls, and where what follows them begins.
  std::vector<ToolCall> take() { return std::move(calls_); }
  size_t end() const { return end_; }

 protected:
  const OrderedJson& tools() const { return tools_; }
  State found(std::optional<std::vector<ToolCall>> calls, size_t end);  // `read`, or `none` where there are no calls
  State read_within(CallReader& reader, std::string_view text, size_t at, bool last);  // the call that begins at `at`

 private:
  const OrderedJson& tools_;
  std::vector<ToolCall> calls_;
  size_t end_ = 0;
};

// One way to write calls. Marks are string literals.
struct CallSyntax {
  std::string_view name;
  std::vector<std::string_view> taught_by;  // a chat template that has one of these writes calls so
  std::vector<std::string_view> marks;      // all that a call is written with
  std::vector<std::string_view> opening;    // may open a call: the marks taught, and what models write in their place
  std::vector<std::string_view> closing;    // may stand behind a call's arguments, and belong to it
  std::vector<std::string_view> ends;       // only ever end a call: after one they are never text
  std::vector<std::string_view> fenced;     // open a call within a fenced block as well
  bool bare = false;                        // JSON that begins a line may be a call without its marks (BareReader)
  bool python = false;     // and so may Python's calls: models were taught to write these, or are known to
  bool short_ids = false;  // its templates take no ids but nine letters and digits
  // Reads a call that begins with one of the opening marks. Null where the whole answer has a syntax of its own.
  std::unique_ptr<CallReader> (*reader)(const CallSyntax& syntax, const OrderedJson& tools) = nullptr;
};

// A file each in chat/calls/ (harmony's is chat/harmony.cc), and a line each in the table.
CallSyntax deepseek_calls();
CallSyntax gemma_calls();
CallSyntax harmony_calls();
CallSyntax json_calls();
CallSyntax kimi_calls();
CallSyntax listed_calls();
CallSyntax mistral_calls();
CallSyntax pythonic_calls();
CallSyntax tagged_calls();

// All of them, in the order in which a template is asked which of them it teaches.
const std::vector<CallSyntax>& call_syntaxes();
const CallSyntax* call_syntax(std::string_view name);              // REQUIRES: in the table
const CallSyntax* call_syntax_of_template(std::string_view text);  // null: the template teaches none

// Where in a text that grows a call may begin.
struct CallOpening {
  size_t at;   // everything before it is no call
  bool whole;  // the opening is all there: read on from it; else it may become one, or the text ends here
};
// `line`: whether the text begins a line. Besides the syntax's opening marks, calls that models taught to write JSON
// write without them: an object (or a list, or Llama 4's and Gemma's list of Python's calls) that begins a line, and a
// fenced block. llama.cpp reads Hermes', Qwen's and Llama's so, Qwen2.5-Coder hardly writes them otherwise.
CallOpening find_call(const CallSyntax& syntax, std::string_view text, bool line);

// Reads the call whose opening, found by find_call(), `text` begins with. `syntax` and `tools` outlive it.
std::unique_ptr<CallReader> call_reader(const CallSyntax& syntax, const OrderedJson& tools, std::string_view text);

// What is left of a call's marks after it was read (closing marks, a bracket too many, what stands between two calls):
// its length at the beginning of `text`. Nothing where more text may change it.
std::optional<size_t> after_call(const CallSyntax& syntax, std::string_view text, bool last);

}  // namespace glassbox
