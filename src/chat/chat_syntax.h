// What a model's answer means: its reasoning, what it says, and the tools it calls, by the marks its family writes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "chat/harmony.h"
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
  const CallSyntax* calls = nullptr;                   // null: how it calls tools is not known
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
  using Delta = AnswerDelta;

  // `tools`: the request's, as OpenAI writes them; without any, calls are not looked for. `prompt`: the rendered one,
  // which may have opened the reasoning already; only its end counts. `silent`: marks that are special tokens: where
  // they mark nothing they are left out, as special tokens are.
  explicit AnswerParser(const ChatSyntax& syntax = {}, OrderedJson tools = {}, std::string_view prompt = {},
                        std::vector<std::string> silent = {});

  Delta push(std::string_view piece);
  Delta finish();       // what was held back, when nothing will follow
  bool speaks() const;  // the reasoning, if any, is over

 private:
  void take_content(std::string_view text, bool last, Delta& out);
  void find_calls(bool last, Delta& out);
  bool begin_call(bool last, Delta& out);
  void let_go(size_t bytes);
  std::pair<size_t, size_t> silent_mark(size_t before, bool last) const;

  ChatSyntax syntax_;
  std::shared_ptr<const OrderedJson> tools_;
  bool looks_for_calls_;
  std::vector<std::string> silent_;
  std::optional<HarmonyParser> harmony_;  // which reads all of an answer in harmony's channels
  ReasoningSplitter splitter_;
  std::shared_ptr<CallReader> reader_;  // of the call being read
  std::string held_;
  std::string space_;    // before a mark that may turn out not to be one
  bool line_ = true;     // held_ begins a line
  bool called_ = false;  // the last thing was a call
};

}  // namespace glassbox
