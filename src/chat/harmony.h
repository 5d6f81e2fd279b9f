// Harmony (gpt-oss): an answer is messages, each on a channel and perhaps to a tool: functions.NAME.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "chat/answer_delta.h"

namespace glassbox {

namespace harmony {
bool taught_by(std::string_view chat_template);
std::vector<std::string_view> marks();
}  // namespace harmony

// Takes an answer piece by piece as AnswerParser does: the analysis channel is reasoning, a message to a tool a call.
class HarmonyParser {
 public:
  // `tools` outlives this. `calls`: whether they are looked for. A prompt ends with "<|start|>assistant", or has begun
  // the message.
  HarmonyParser(const OrderedJson& tools, bool calls, std::string_view prompt);

  AnswerDelta push(std::string_view piece);
  AnswerDelta finish();
  bool speaks() const { return spoke_; }

 private:
  enum class Channel { reasoning, content, call };
  void read(bool last, AnswerDelta& out);
  bool read_head(bool last, AnswerDelta& out);
  bool read_call(bool last, AnswerDelta& out);
  bool read_text(bool last, AnswerDelta& out);

  const OrderedJson* tools_;
  bool looks_for_calls_;
  std::string held_;
  bool in_head_ = true;    // of a message; else in its body
  bool spoke_ = false;     // a message that is no reasoning has begun
  std::string recipient_;  // the tool that the message being read is for
  size_t body_ = 0;        // how far a call's body is looked at
  int tries_ = 0;
  bool quoted_ = false, escaped_ = false;
  Channel channel_ = Channel::content;
};

}  // namespace glassbox
