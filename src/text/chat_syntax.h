// What a model's answer means: its reasoning, what it says, and the tools it calls, by the marks its family writes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/reasoning.h"
#include "text/tool_calls.h"

namespace glassbox {

// The marks a model was taught.
struct ChatSyntax {
  enum class Reasoning { think, brackets, channels };  // <think>, [THINK] (Mistral), harmony's channels
  CallSyntax calls = CallSyntax::none;
  Reasoning reasoning = Reasoning::think;

  // Read off the text of the model's chat template, which writes these marks itself; no model is known by name.
  static ChatSyntax of_template(std::string_view source);
};

// Takes an answer piece by piece, cut anywhere, special tokens written out, and tells what has become certain. A call
// comes whole, when its last mark has. What only looks like a call, or is malformed, is content; nothing is lost but
// the marks, and white space beside them. However the pieces are cut, all of them come to the same. One answer, one
// thread.
class AnswerParser {
 public:
  struct Delta {
    std::string reasoning, content;
    std::vector<ToolCall> calls;
  };

  // `tools`: the request's, as OpenAI writes them; without any, calls are not looked for. `prompt`: the rendered one,
  // which may have opened the reasoning already; only its end counts.
  explicit AnswerParser(const ChatSyntax& syntax = {}, OrderedJson tools = {}, std::string_view prompt = {});

  Delta push(std::string_view piece);
  Delta finish();       // what was held back, when nothing will follow
  bool speaks() const;  // the reasoning, if any, is over

 private:
  enum class Mode { text, call, head, body };
  void take_content(std::string_view text, bool last, Delta& out);
  void find_calls(bool last, Delta& out);
  bool begin_call(bool last, Delta& out);
  void channels(bool last, Delta& out);

  ChatSyntax syntax_;
  OrderedJson tools_;
  bool looks_for_calls_;
  ReasoningSplitter splitter_;
  Mode mode_ = Mode::text;
  CallEnd end_;
  std::string held_;
  std::string space_;      // before a mark that may turn out not to be one
  bool at_start_ = true;   // nothing but white space and calls yet
  bool spoke_ = false;     // harmony: a message that is no reasoning has begun
  bool called_ = false;    // the last thing was a call
  std::string head_;       // harmony: of the message that is being read
  std::string recipient_;  // and the tool it is for
  enum class Channel { reasoning, content, call } channel_ = Channel::content;
};

}  // namespace glassbox
