// Gemma: a fenced block ```tool_code or ```json.
#include "chat/calls/reader.h"

namespace glassbox {

CallSyntax gemma_calls() {
  CallSyntax gemma;
  gemma.name = "gemma";
  gemma.taught_by = {"<start_of_turn>"};
  gemma.marks = gemma.opening = {kFence};
  gemma.closing = {";", ","};
  gemma.bare = gemma.python = true;
  return gemma;
}

}  // namespace glassbox
