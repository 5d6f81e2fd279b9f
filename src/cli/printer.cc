#include "cli/printer.h"

#include <unistd.h>

#include <utility>

#include "cli/columns.h"
#include "cli/terminal.h"

namespace glassbox {

Look look_of(int fd) {
  return {isatty(fd) != 0, shows_styles(fd), is_smart_terminal(fd) ? terminal_size(fd).columns : 0};
}

std::string Printer::text(std::string_view piece) {
  return look_.terminal ? wrap_.push(without_controls(piece)) : std::string(piece);
}

std::string Printer::show(const AnswerParser::Delta& delta) {
  std::string out;
  if (!delta.reasoning.empty()) {
    if (!std::exchange(reasoning_, true)) out += look_.styles ? "\033[2m" : "<think>";
    out += text(delta.reasoning);
  }
  if (!delta.content.empty()) out += end_reasoning() + text(delta.content);
  return out;
}

std::string Printer::end_reasoning() {
  if (!std::exchange(reasoning_, false)) return "";
  return (look_.styles ? "\033[0m" : "</think>") + text("\n");
}

std::string Printer::finish() { return end_reasoning() + text("\n"); }

}  // namespace glassbox
