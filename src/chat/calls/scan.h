// Scanning a call as it grows: marks and brackets, in quotes and out of them.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace glassbox {

using Marks = std::vector<std::string_view>;  // string literals

constexpr std::string_view kSpace = " \t\r\n";

inline std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

inline size_t skip_space(std::string_view text, size_t at) {
  return std::min(text.find_first_not_of(kSpace, at), text.size());
}

// True for what may stand behind a call whose writer lost count of its brackets.
inline bool only_brackets(std::string_view text) {
  return text.find_first_not_of("]}) \t\r\n;,") == std::string_view::npos;
}

// Takes the mark from where `text` begins or ends, if it is there.
inline bool take_mark(std::string_view& text, std::string_view mark) {
  if (!text.starts_with(mark)) return false;
  text.remove_prefix(mark.size());
  return true;
}
inline bool take_end_mark(std::string_view& text, std::string_view mark) {
  if (!text.ends_with(mark)) return false;
  text.remove_suffix(mark.size());
  return true;
}

// The mark that `text` begins with, empty if none; nothing where it may yet be one.
inline std::optional<std::string_view> mark_at(std::string_view text, const Marks& marks) {
  bool partial = false;
  for (std::string_view mark : marks) {
    if (text.starts_with(mark)) return mark;
    partial = partial || mark.starts_with(text);
  }
  if (partial) return std::nullopt;
  return std::string_view();
}

// Follows a text's quotes as a call's JSON or Python has them. A single quote opens only where a value or a key may
// begin: elsewhere it is an apostrophe.
class Quotes {
 public:
  // Takes the next character. True if it stands outside of quotes and is none.
  bool outside(char c) {
    const bool began = quote_ == 0;
    if (!began) {
      if (escaped_)
        escaped_ = false;
      else if (c == '\\')
        escaped_ = true;
      else if (c == quote_)
        quote_ = 0;
    } else if (c == '"' || (c == '\'' && std::string_view("{[(,:=").find(before_) != std::string_view::npos)) {
      quote_ = c;
    }
    if (std::string_view(" \t\r\n").find(c) == std::string_view::npos) before_ = c;
    return began && quote_ == 0;
  }
  bool open() const { return quote_ != 0; }

 private:
  char quote_ = 0, before_ = '(';
  bool escaped_ = false;
};

// Finds marks in a text that grows, and whether they are in quotes.
class MarkScan {
 public:
  explicit MarkScan(size_t at = 0) : at_(at) {}
  // The next of the marks at or after where the scan is; false if there is none yet, or may yet be one.
  bool next(std::string_view text, const Marks& marks, bool last) {
    for (; at_ < text.size(); ++at_) {
      const auto mark = mark_at(text.substr(at_), marks);
      if (!mark && !last) return false;
      if (mark && !mark->empty()) {
        found_ = *mark;
        return true;
      }
      quotes_.outside(text[at_]);
    }
    return false;
  }
  void pass() {  // over the mark found
    for (char c : found_) quotes_.outside(c);
    at_ += found_.size();
  }
  bool quoted() const { return quotes_.open(); }
  size_t at() const { return at_; }
  std::string_view found() const { return found_; }

 private:
  size_t at_;
  Quotes quotes_;
  std::string_view found_;
};

// From the bracket that a text has at a place to the one that closes it, quotes passed over.
class BracketScan {
 public:
  explicit BracketScan(size_t at = 0) : at_(at) {}
  bool closed(std::string_view text) {
    for (; at_ < text.size(); ++at_) {
      const char c = text[at_];
      if (!quotes_.outside(c)) continue;
      if (c == '[' || c == '{' || c == '(') ++depth_;
      if ((c == ']' || c == '}' || c == ')') && --depth_ <= 0) {
        ++at_;
        return true;
      }
    }
    return false;
  }
  size_t at() const { return at_; }

 private:
  size_t at_;
  int depth_ = 0;
  Quotes quotes_;
};

}  // namespace glassbox
