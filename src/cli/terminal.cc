#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace glassbox {

bool is_smart_terminal(int fd) {
  const char* term = std::getenv("TERM");
  return isatty(fd) && term && *term && std::string_view(term) != "dumb";
}

bool shows_styles(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  return is_smart_terminal(fd) && !(no_color && *no_color);
}

TerminalSize terminal_size(int fd) {
  TerminalSize size;
  winsize told{};
  if (ioctl(fd, TIOCGWINSZ, &told) != 0) return size;
  if (told.ws_col > 0) size.columns = told.ws_col;
  if (told.ws_row > 0) size.rows = told.ws_row;
  return size;
}

}  // namespace glassbox
