// What the terminal a program runs on can do.
#pragma once

namespace glassbox {

// Whether `fd` is a terminal that understands cursor movements: TERM is set and not "dumb".
bool is_smart_terminal(int fd);
// The same, and nobody asked for plain text (NO_COLOR).
bool shows_styles(int fd);

struct TerminalSize {
  int columns = 80, rows = 24;
};
// 80 by 24 where it does not say.
TerminalSize terminal_size(int fd);

}  // namespace glassbox
