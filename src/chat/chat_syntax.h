// What a model's answer means: its reasoning, what it says, and the tools it calls, by the marks its family writes.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "chat/reasoning.h"
#include "chat/tool_calls.h"
#include "tokenizer/tokenizer.h"

namespace glassbox {

// A tokenizer's special tokens, by their text.
using SpecialTokens = std::map<std::string, int32_t>;
SpecialTokens special_tokens(const Tokenizer& tokenizer);
// The texts of those with these ids.
std::vector<std::string> texts_of(const SpecialTokens& tokens, const std::set<int32_t>& ids);

// The marks a model was taught.
struct ChatSyntax {
  enum class Reasoning { think, brackets, channels };  // <think>, [THINK] (Mistral), harmony's channels
  CallSyntax calls = CallSyntax::none;
  Reasoning reasoning = Reasoning::think;

  // Read off the text of the model's chat template, which writes these marks itself; no model is known by name.
  static ChatSyntax of_template(std::string_view source);

  // Those of a tokenizer's special tokens that are marks of this syntax, its calls' only if `calls`: an answer's reader
  // needs their text, where others' is left out.
  std::set<int32_t> special_marks(const SpecialTokens& tokens, bool calls) const;
};

// Takes an answer piece by piece, cut anywhere, special tokens that are marks written out, and tells what has become
// certain. A call comes whole, as soon as it is. What only looks like a call, or is malformed, is content; nothing is
// lost but the marks of calls and reasoning, and white space beside them. However the pieces are cut, all of them come
// to the same. One answer, one thread.
class AnswerParser {
 public:
  struct Delta {
    std::string reasoning, content;
    std::vector<ToolCall> calls;
    size_t before_calls = 0;  // bytes of content that came before the first of them

    static Delta said(std::string content) { return {"", std::move(content), {}, 0}; }
    void add(ToolCall call) {
      if (calls.empty()) before_calls = content.size();
      calls.push_back(std::move(call));
    }
    void add(Delta more) {  // what followed
      if (calls.empty()) before_calls = content.size() + more.before_calls;
      reasoning += more.reasoning;
      content += more.content;
      for (ToolCall& call : more.calls) calls.push_back(std::move(call));
    }
  };

  // `tools`: the request's, as OpenAI writes them; without any, calls are not looked for. `prompt`: the rendered one,
  // which may have opened the reasoning already; only its end counts. `silent`: marks that are special tokens: where
  // they mark nothing they are left out, as special tokens are.
  explicit AnswerParser(const ChatSyntax& syntax = {}, OrderedJson tools = {}, std::string_view prompt = {},
                        std::vector<std::string> silent = {});

  Delta push(std::string_view piece);
  Delta finish();       // what was held back, when nothing will follow
  bool speaks() const;  // the reasoning, if any, is over

 private:
  enum class Mode { text, call, head, body };
  void take_content(std::string_view text, bool last, Delta& out);
  void find_calls(bool last, Delta& out);
  bool begin_call(bool last, Delta& out);
  void let_go(size_t bytes);
  std::pair<size_t, size_t> silent_mark(size_t before, bool last) const;
  void channels(bool last, Delta& out);
  bool read_head(bool last, Delta& out);

  ChatSyntax syntax_;
  std::shared_ptr<const OrderedJson> tools_;
  bool looks_for_calls_;
  std::vector<std::string> silent_;
  ReasoningSplitter splitter_;
  Mode mode_ = Mode::text;
  std::shared_ptr<CallReader> reader_;  // of the call being read
  std::string held_;
  std::string space_;      // before a mark that may turn out not to be one
  bool line_ = true;       // held_ begins a line
  bool called_ = false;    // the last thing was a call
  bool spoke_ = false;     // harmony: a message that is no reasoning has begun
  std::string recipient_;  // the tool that the message being read is for
  size_t body_ = 0;        // harmony: how far a call's body is looked at
  int tries_ = 0;
  bool quoted_ = false, escaped_ = false;
  enum class Channel { reasoning, content, call } channel_ = Channel::content;
};

}  // namespace glassbox
