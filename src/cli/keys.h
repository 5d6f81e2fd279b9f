// What a person does at a keyboard, read from the bytes a terminal sends.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace glassbox {

struct Key {
  enum Kind {
    text,  // typed or pasted, with its line ends
    enter,
    new_line,  // Alt-Enter
    erase_back,
    erase_forward,  // Delete
    end_or_erase,   // Ctrl-D
    left,
    right,
    up,
    down,
    line_start,
    line_end,
    word_left,
    word_right,
    kill_to_end,
    kill_to_start,
    kill_word_back,
    kill_word_forward,
    yank,
    older,
    newer,
    search,
    tab,
    clear_screen,
    interrupt,
    suspend,
    nothing,  // a key without a meaning here
  };
  Kind kind = nothing;
  std::string text_typed;  // of Kind::text: UTF-8, no controls but line ends and tabs
};

// Where a terminal says that a paste begins and ends, once asked to ("bracketed paste").
inline constexpr std::string_view kPasteBegins = "\033[200~", kPasteEnds = "\033[201~";

// Bytes come cut anywhere; a paste (between the marks of "bracketed paste") is one text.
class KeyReader {
 public:
  void push(std::string_view bytes) { bytes_ += bytes; }
  // Nothing while a key is incomplete, or none has come.
  std::optional<Key> next();

 private:
  std::optional<Key> escape();
  std::optional<Key> paste();
  Key take(Key::Kind kind, size_t bytes);

  std::string bytes_;
  bool pasting_ = false;
  size_t searched_ = 0;  // of a paste, for its end
};

}  // namespace glassbox
