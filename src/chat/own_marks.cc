#include "chat/own_marks.h"

#include "chat/tool_calls.h"

namespace glassbox {

std::vector<std::string> own_marks(const ChatSyntax& syntax) {
  std::vector<std::string> marks;
  if (syntax.reasoning == ChatSyntax::Reasoning::think) marks = {"<think>", "</think>"};
  if (syntax.reasoning == ChatSyntax::Reasoning::brackets) marks = {"[THINK]", "[/THINK]"};
  for (const std::string_view mark : call_marks(syntax.calls)) marks.emplace_back(mark);
  return marks;
}

}  // namespace glassbox
