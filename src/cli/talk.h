// The conversation in the terminal: lines and commands from a person, answers as they come.
#pragma once

#include "cli/conversation.h"

namespace glassbox {

// Until /bye, Ctrl-D, or Ctrl-C twice. The exit status.
int talk(Conversation& conversation);

}  // namespace glassbox
