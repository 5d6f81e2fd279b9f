#include "cli/line_editor.h"

#include <editline/readline.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace glassbox {
namespace {

volatile std::sig_atomic_t line_interrupted = 0;

}  // namespace

std::filesystem::path home_folder() {
  if (const char* set = std::getenv("GLASSBOX_HOME")) return set;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home ? home : "/tmp") / ".local/share/glassbox";
}

LineEditor::LineEditor(const std::string& name) : history_(home_folder() / (name + ".history")) {
  std::error_code unwritable;  // history is a convenience: without a home there is none
  std::filesystem::create_directories(history_.parent_path(), unwritable);
  using_history();
  stifle_history(1000);
  read_history(history_.c_str());
}

LineEditor::~LineEditor() { write_history(history_.c_str()); }

std::optional<std::string> LineEditor::read(const std::string& prompt) {
  struct sigaction action{}, before{};
  action.sa_handler = [](int) { line_interrupted = 1; };  // no SA_RESTART: the read returns
  sigaction(SIGINT, &action, &before);
  std::optional<std::string> line;
  for (;;) {
    line_interrupted = 0;
    char* typed = readline(prompt.c_str());
    if (typed) {
      line = typed;
      if (*typed) add_history(typed);
      std::free(typed);
      break;
    }
    if (!line_interrupted) break;
    std::fputs("\n(/exit or Ctrl-D leaves)\n", stderr);
  }
  sigaction(SIGINT, &before, nullptr);
  return line;
}

}  // namespace glassbox
