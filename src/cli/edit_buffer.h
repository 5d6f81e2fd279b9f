// A text that is being typed, and where the cursor stands in it; how both lie on a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "cli/keys.h"

namespace glassbox {

// The cursor stands between clusters (cli/columns.h). Text is UTF-8 and may have several lines.
class EditBuffer {
 public:
  const std::string& text() const { return text_; }
  size_t cursor() const { return cursor_; }  // a byte of the text, or its end

  void set(std::string text);  // cursor at the end
  void insert(std::string_view text);
  // Does what the key says to the text; false if that is not for the text to do, as with up in its first line.
  bool apply(const Key& key);

 private:
  size_t line_start(size_t at) const;
  size_t line_end(size_t at) const;
  size_t word_start(size_t at) const;
  size_t word_end(size_t at) const;
  void kill(size_t from, size_t to);
  bool move_to_line(bool next);

  std::string text_, killed_;
  size_t cursor_ = 0;
};

// Rows of a terminal `columns` wide. The first begins with `prompt`, each line of the text after it with spaces as
// wide.
struct Layout {
  std::vector<std::string> rows;
  size_t cursor_row = 0;
  int cursor_column = 0;
};
Layout lay_out(std::string_view prompt, std::string_view text, size_t cursor, int columns);

}  // namespace glassbox
