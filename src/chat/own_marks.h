// The marks that a model writes in its own answers: those of its reasoning and its calls.
#pragma once

#include <string>
#include <vector>

#include "chat/chat_syntax.h"

namespace glassbox {

// What keeps its meaning in the content of an assistant's message, since clients send back what the model wrote. Marks
// that begin or end a turn are not among them, so harmony, whose reasoning is turns of its own, has none.
std::vector<std::string> own_marks(const ChatSyntax& syntax);

}  // namespace glassbox
