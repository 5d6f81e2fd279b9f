#include "cli/edit_buffer.h"

#include <algorithm>
#include <utility>

#include "cli/columns.h"

namespace glassbox {
namespace {

constexpr int kTab = 4;
constexpr size_t kMostYanked = 1 << 16;  // bytes of a text that still gets back what was killed

// Words are what is between white space and ASCII punctuation; scripts without spaces have long ones.
bool in_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (c >= '0' && c <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') || c == '_';
}

}  // namespace

void EditBuffer::set(std::string text) {
  text_ = std::move(text);
  cursor_ = text_.size();
}

void EditBuffer::insert(std::string_view text) {
  text_.insert(cursor_, text);
  cursor_ += text.size();
}

size_t EditBuffer::line_start(size_t at) const { return at == 0 ? 0 : text_.rfind('\n', at - 1) + 1; }

size_t EditBuffer::line_end(size_t at) const { return std::min(text_.find('\n', at), text_.size()); }

size_t EditBuffer::word_start(size_t at) const {
  while (at > 0 && !in_word(text_[at - 1])) --at;
  while (at > 0 && in_word(text_[at - 1])) --at;
  return at;
}

size_t EditBuffer::word_end(size_t at) const {
  while (at < text_.size() && !in_word(text_[at])) ++at;
  while (at < text_.size() && in_word(text_[at])) ++at;
  return at;
}

void EditBuffer::kill(size_t from, size_t to) {
  killed_ = text_.substr(from, to - from);
  text_.erase(from, to - from);
  cursor_ = from;
}

// To the line above or below, at the same column or its end.
bool EditBuffer::move_to_line(bool next) {
  const size_t start = line_start(cursor_), end = line_end(cursor_);
  if (next ? end == text_.size() : start == 0) return false;
  const int wanted = columns(std::string_view(text_).substr(start, cursor_ - start));
  size_t at = next ? end + 1 : line_start(start - 1);
  const size_t stop = line_end(at);
  for (int column = 0; at < stop;) {
    const size_t after = cluster_end(text_, at);
    column += cluster_columns(std::string_view(text_).substr(at, after - at));
    if (column > wanted) break;
    at = after;
  }
  cursor_ = at;
  return true;
}

bool EditBuffer::apply(const Key& key) {
  switch (key.kind) {
    case Key::text:
      insert(key.text_typed);
      return true;
    case Key::new_line:
      insert("\n");
      return true;
    case Key::tab:
      insert("\t");
      return true;
    case Key::erase_back:
      if (cursor_ > 0) {
        const size_t begin = cluster_begin(text_, cursor_);
        text_.erase(begin, cursor_ - begin);
        cursor_ = begin;
      }
      return true;
    case Key::end_or_erase:
      if (text_.empty()) return false;
      [[fallthrough]];
    case Key::erase_forward:
      if (cursor_ < text_.size()) text_.erase(cursor_, cluster_end(text_, cursor_) - cursor_);
      return true;
    case Key::left:
      if (cursor_ > 0) cursor_ = cluster_begin(text_, cursor_);
      return true;
    case Key::right:
      if (cursor_ < text_.size()) cursor_ = cluster_end(text_, cursor_);
      return true;
    case Key::up:
    case Key::down:
      return move_to_line(key.kind == Key::down);
    case Key::line_start:
      cursor_ = line_start(cursor_);
      return true;
    case Key::line_end:
      cursor_ = line_end(cursor_);
      return true;
    case Key::word_left:
      cursor_ = word_start(cursor_);
      return true;
    case Key::word_right:
      cursor_ = word_end(cursor_);
      return true;
    case Key::kill_to_end: {
      const size_t end = line_end(cursor_);
      kill(cursor_, end == cursor_ ? std::min(end + 1, text_.size()) : end);
      return true;
    }
    case Key::kill_to_start:
      kill(line_start(cursor_), cursor_);
      return true;
    case Key::kill_word_back:
      kill(word_start(cursor_), cursor_);
      return true;
    case Key::kill_word_forward:
      kill(cursor_, word_end(cursor_));
      return true;
    case Key::yank:
      // Killing all and bringing it back many times, again and again, would grow without end. Nobody means that.
      if (text_.size() > kMostYanked) return false;
      insert(killed_);
      return true;
    default:
      return false;
  }
}

Layout lay_out(std::string_view prompt, std::string_view text, size_t cursor, int columns_wide) {
  const std::string indent(static_cast<size_t>(columns(prompt)), ' ');
  Layout layout;
  layout.rows.emplace_back(prompt);
  int column = columns(prompt);
  const auto next_row = [&](std::string_view begin) {
    layout.rows.emplace_back(begin);
    column = static_cast<int>(begin.size());
  };
  const auto mark_cursor = [&] {
    layout.cursor_row = layout.rows.size() - 1;
    layout.cursor_column = column;
  };
  for (size_t at = 0; at < text.size();) {
    const size_t end = cluster_end(text, at);
    std::string shown(text.substr(at, end - at));
    const bool line_ends = shown == "\n";
    if (shown == "\t") shown = std::string(kTab, ' ');
    const int width = line_ends ? 0 : columns(shown);
    if (column + width > columns_wide) next_row("");
    if (at == cursor) {
      if (line_ends && column >= columns_wide) next_row("");
      mark_cursor();
    }
    if (line_ends) {
      next_row(indent);
    } else {
      layout.rows.back() += shown;
      column += width;
    }
    at = end;
  }
  if (cursor >= text.size()) {
    if (column >= columns_wide) next_row("");
    mark_cursor();
  }
  return layout;
}

}  // namespace glassbox
