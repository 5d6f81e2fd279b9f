// One request, from the terminal: waited for, shown while it comes, stopped by Ctrl-C.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "chat/chat_syntax.h"
#include "engine/engine.h"

namespace glassbox {

struct Answer {
  std::string text, reasoning;
  Finished finished;
};

struct Told {
  std::function<void(const AnswerParser::Delta&)> piece;  // of the answer, as it comes
  std::function<void(int64_t read, int64_t tokens)> progress =
      {};  // of a prompt, several times a second until it is read
};

// `parser`: without one, all is content. On the caller's thread. Throws Error where the request fails.
Answer ask(Engine& engine, GenerationRequest request, std::optional<AnswerParser> parser, const Told& told);

}  // namespace glassbox
