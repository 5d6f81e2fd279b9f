#include "cli/keys.h"

#include <algorithm>
#include <utility>

#include "unicode/utf8.h"

namespace glassbox {
namespace {

Key::Kind of_control(char c) {
  switch (c) {
    case '\r':
    case '\n':
      return Key::enter;
    case '\t':
      return Key::tab;
    case '\b':
    case '\x7f':
      return Key::erase_back;
    case '\0':  // Ctrl-D typed before anyone read keys: the system keeps it so
    case 'D' - '@':
      return Key::end_or_erase;
    case 'A' - '@':
      return Key::line_start;
    case 'B' - '@':
      return Key::left;
    case 'C' - '@':
      return Key::interrupt;
    case 'E' - '@':
      return Key::line_end;
    case 'F' - '@':
      return Key::right;
    case 'K' - '@':
      return Key::kill_to_end;
    case 'L' - '@':
      return Key::clear_screen;
    case 'N' - '@':
      return Key::newer;
    case 'P' - '@':
      return Key::older;
    case 'R' - '@':
      return Key::search;
    case 'U' - '@':
      return Key::kill_to_start;
    case 'W' - '@':
      return Key::kill_word_back;
    case 'Y' - '@':
      return Key::yank;
    case 'Z' - '@':
      return Key::suspend;
    default:
      return Key::nothing;
  }
}

// Of "\033[" parameters final, and of "\033O" final.
Key::Kind of_sequence(std::string_view parameters, char final) {
  // The modifier of "1;5D": Ctrl, Alt or both move by words.
  const size_t semicolon = parameters.find(';');
  const bool by_word = semicolon != std::string_view::npos && parameters.substr(semicolon + 1) != "2";
  switch (final) {
    case 'A':
      return Key::up;
    case 'B':
      return Key::down;
    case 'C':
      return by_word ? Key::word_right : Key::right;
    case 'D':
      return by_word ? Key::word_left : Key::left;
    case 'F':
      return Key::line_end;
    case 'H':
      return Key::line_start;
    case '~': {
      const std::string_view number = parameters.substr(0, semicolon);
      if (number == "1" || number == "7") return Key::line_start;
      if (number == "4" || number == "8") return Key::line_end;
      if (number == "3") return by_word ? Key::kill_word_forward : Key::erase_forward;
      return Key::nothing;
    }
    case 'u':  // terminals that tell Shift-Enter and Alt-Enter apart
      return parameters.starts_with("13;") ? Key::new_line : Key::nothing;
    default:
      return Key::nothing;
  }
}

Key::Kind of_alt(char c) {
  switch (c) {
    case '\r':
    case '\n':
      return Key::new_line;
    case 'b':
      return Key::word_left;
    case 'f':
      return Key::word_right;
    case 'd':
      return Key::kill_word_forward;
    case '\b':
    case '\x7f':
      return Key::kill_word_back;
    default:
      return Key::nothing;
  }
}

bool is_control(char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }

// Pasted text as it is meant: lines end in \n, nothing in it is a key.
std::string cleaned(std::string_view pasted) {
  std::string out;
  for (size_t i = 0; i < pasted.size(); ++i) {
    if (pasted[i] == '\r') {
      out += '\n';
      if (i + 1 < pasted.size() && pasted[i + 1] == '\n') ++i;
    } else if (pasted[i] == '\n' || pasted[i] == '\t' || !is_control(pasted[i])) {
      out += pasted[i];
    }
  }
  return unicode::replace_broken(out);
}

}  // namespace

Key KeyReader::take(Key::Kind kind, size_t bytes) {
  bytes_.erase(0, bytes);
  return {kind, ""};
}

std::optional<Key> KeyReader::next() {
  if (pasting_) return paste();
  if (bytes_.empty()) return std::nullopt;
  if (bytes_[0] == '\033') return escape();
  if (is_control(bytes_[0])) return take(of_control(bytes_[0]), 1);
  size_t end = 0;
  while (end < bytes_.size() && !is_control(bytes_[end])) ++end;
  if (end == bytes_.size()) {  // the last character may not be whole yet
    constexpr size_t kLongest = 4;
    for (size_t at = end - std::min(end, kLongest - 1); at < end; ++at)
      if (unicode::unfinished(std::string_view(bytes_).substr(at))) end = at;
  }
  if (end == 0) return std::nullopt;
  Key key{Key::text, unicode::replace_broken(std::string_view(bytes_).substr(0, end))};
  bytes_.erase(0, end);
  return key;
}

std::optional<Key> KeyReader::escape() {
  if (bytes_.size() < 2) return std::nullopt;
  if (bytes_[1] == '\033') return take(Key::nothing, 1);
  if (bytes_[1] != '[' && bytes_[1] != 'O') {
    // Alt and a character of several bytes: none of them is a key here, and none of them text.
    if (unicode::unfinished(std::string_view(bytes_).substr(1))) return std::nullopt;
    size_t length = 0;
    unicode::next(std::string_view(bytes_).substr(1), length);
    return take(of_alt(bytes_[1]), 1 + length);
  }
  constexpr size_t kLongest = 32;  // no key sends more: what does is none, however much of it has come
  size_t end = 2;                  // parameters, then one byte from @ to ~
  while (end < bytes_.size() && end < kLongest && bytes_[end] >= ' ' && bytes_[end] < '@') ++end;
  if (end == kLongest) return take(Key::nothing, 1);
  if (end == bytes_.size()) return std::nullopt;
  if (bytes_.starts_with(kPasteBegins)) {
    bytes_.erase(0, kPasteBegins.size());
    pasting_ = true;
    return paste();
  }
  const std::string_view parameters = std::string_view(bytes_).substr(2, end - 2);
  return take(of_sequence(parameters, bytes_[end]), end + 1);
}

std::optional<Key> KeyReader::paste() {
  const size_t end = bytes_.find(kPasteEnds, searched_);
  if (end == std::string::npos) {
    searched_ = bytes_.size() - std::min(bytes_.size(), kPasteEnds.size() - 1);  // a long paste is looked through once
    return std::nullopt;
  }
  searched_ = 0;
  Key key{Key::text, cleaned(std::string_view(bytes_).substr(0, end))};
  bytes_.erase(0, end + kPasteEnds.size());
  pasting_ = false;
  return key;
}

}  // namespace glassbox
