// What a piece of an answer made certain.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "chat/tool_calls.h"

namespace glassbox {

struct AnswerDelta {
  std::string reasoning, content;
  std::vector<ToolCall> calls;
  size_t before_calls = 0;  // bytes of content that came before the first of them

  static AnswerDelta said(std::string content) { return {"", std::move(content), {}, 0}; }
  void add(ToolCall call) {
    if (calls.empty()) before_calls = content.size();
    calls.push_back(std::move(call));
  }
  void add(AnswerDelta more) {  // what followed
    if (calls.empty()) before_calls = content.size() + more.before_calls;
    reasoning += more.reasoning;
    content += more.content;
    for (ToolCall& call : more.calls) calls.push_back(std::move(call));
  }
};

}  // namespace glassbox
