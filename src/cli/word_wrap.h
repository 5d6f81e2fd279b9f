// Wraps text between words while it comes, piece by piece: what a model says, on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace glassbox {

// Gives what to write for each piece, at once: a word that turns out too long for its line is taken back and written on
// the next. Lines of fenced code (```) and words longer than a line are left to the terminal, so that they can be
// copied. Text is UTF-8 without controls but line ends and tabs.
class WordWrap {
 public:
  // `columns`: of the terminal; less than 20 does not wrap.
  explicit WordWrap(int columns = 0) { resize(columns); }
  void resize(int columns) { columns_ = columns < 20 ? 0 : columns; }

  std::string push(std::string_view piece);

  bool at_line_start() const { return column_ == 0 && gap_.empty(); }

 private:
  void put(std::string_view cluster, std::string& out);
  void end_line(std::string& out);

  int columns_ = 0;
  int column_ = 0;    // where the cursor is
  std::string gap_;   // white space that is written if a word follows on this line
  std::string word_;  // what of the current word is on the screen
  int word_columns_ = 0;
  int space_columns_ = 0;  // of the white space on the screen right before it
  std::string head_;       // the line's first characters, of which a fence is made
  bool code_ = false;      // within fences
};

}  // namespace glassbox
