// How an answer looks while it comes.
#pragma once

#include <string>

#include "chat/chat_syntax.h"
#include "cli/word_wrap.h"

namespace glassbox {

struct Look {
  bool terminal = false;  // else the text goes out byte for byte
  bool styles = false;    // reasoning is dimmed, not marked with its tags
  int columns = 0;        // to wrap words at; 0: nowhere
};
Look look_of(int fd);

// Gives what to write for each piece. One answer; its first line begins at the left.
class Printer {
 public:
  explicit Printer(const Look& look) : look_(look), wrap_(look.columns) {}
  void resize(int columns) { wrap_.resize(columns); }

  std::string show(const AnswerParser::Delta& delta);
  std::string finish();  // ends the reasoning, and the line

 private:
  std::string text(std::string_view piece);
  std::string end_reasoning();

  Look look_;
  WordWrap wrap_;
  bool reasoning_ = false;
};

}  // namespace glassbox
