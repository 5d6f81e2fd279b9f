#include "chat/own_marks.h"

namespace glassbox {

std::vector<std::string> own_marks(const ChatSyntax& syntax) {
  std::vector<std::string> marks;
  if (syntax.reasoning == ChatSyntax::Reasoning::think) marks = {"<think>", "</think>"};
  if (syntax.reasoning == ChatSyntax::Reasoning::brackets) marks = {"[THINK]", "[/THINK]"};
  if (syntax.calls) marks.insert(marks.end(), syntax.calls->marks.begin(), syntax.calls->marks.end());
  return marks;
}

}  // namespace glassbox
