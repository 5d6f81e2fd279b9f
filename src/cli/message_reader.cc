#include "cli/message_reader.h"

namespace glassbox {

bool MessageReader::push(std::string_view line) {
  constexpr std::string_view kQuotes = "\"\"\"";
  const auto without_spaces_behind = [](std::string_view text) {
    return text.substr(0, text.find_last_not_of(" \t\n") + 1);
  };
  if (!begun_) {
    begun_ = true;
    const size_t first = line.find_first_not_of(" \t");
    if (first != std::string_view::npos && line.substr(first).starts_with(kQuotes)) {
      quoted_ = open_ = true;
      line.remove_prefix(first + kQuotes.size());
      if (line.starts_with('\n')) line.remove_prefix(1);
      if (without_spaces_behind(line).empty()) return false;  // the text begins on the next line
    }
  } else if (joins_) {
    text_ += '\n';
  }
  joins_ = true;
  if (open_) {
    const std::string_view shown = without_spaces_behind(line);
    if (!shown.ends_with(kQuotes)) {
      text_ += line;
      return false;
    }
    open_ = false;
    text_ += shown.substr(0, shown.size() - kQuotes.size());
    if (text_.ends_with('\n')) text_.pop_back();
    return true;
  }
  if (line.ends_with('\\')) {
    text_ += line.substr(0, line.size() - 1);
    return false;
  }
  text_ += line;
  return true;
}

}  // namespace glassbox
