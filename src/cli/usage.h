// What was wrong with a command line, for the person who typed it.
#pragma once

#include <string>

#include "cli/options.h"

namespace glassbox {

// One line: the command, what was expected and what came, what it is most like, and where help is.
std::string explain(const Command& program, const Misuse& misuse);

}  // namespace glassbox
