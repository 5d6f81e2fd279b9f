// Reads what a person types on a terminal: editing over several lines, history, whole pastes, in every script.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "cli/edit_buffer.h"
#include "cli/history.h"
#include "cli/keys.h"

namespace glassbox {

struct Line {
  enum Kind { text, interrupted, end };  // interrupted: Ctrl-C; end: Ctrl-D, or the terminal is gone
  Kind kind;
  std::string typed;  // where interrupted, what was thrown away
};

// On a terminal that cannot move its cursor (TERM=dumb), lines as the system edits them. The terminal is changed only
// while read() runs. Text is UTF-8 whatever the locale says.
class LineEditor {
 public:
  explicit LineEditor(History history);

  Line read(const std::string& prompt);
  void remember(std::string_view entry) { history_.add(entry); }

 private:
  class RawMode;
  std::optional<Line> act(const Key& key);
  Line read_plain(const std::string& prompt);
  void browse(bool older);
  void search_for(const Key& key);
  void find_older();
  void draw(bool at_end = false);
  void write(std::string_view text) const;
  std::string shown_prompt() const;

  History history_;
  int out_;  // where prompts go
  std::string prompt_;
  KeyReader keys_;
  EditBuffer buffer_;
  size_t entry_ = 0;                  // of the history, where browsing is; its size: the draft
  std::string draft_;                 // what was typed before browsing
  std::optional<std::string> query_;  // of Ctrl-R, while it searches
  size_t found_ = 0;                  // entry the search is at
  Layout drawn_;
  size_t drawn_row_ = 0;  // of the cursor, below the first row on the screen
  bool whole_ = false;    // all of drawn_ is on the screen
  std::string pending_;   // of read_plain: bytes after the line
};

}  // namespace glassbox
