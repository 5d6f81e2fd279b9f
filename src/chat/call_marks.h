// Where a call begins and ends, syntax by syntax: what the reader of calls looks for.
#pragma once

#include "chat/call_scan.h"
#include "chat/tool_calls.h"

namespace glassbox {

// What may open a call: the marks that a model was taught, and those that models of its kind write in their place.
Marks opening_marks(CallSyntax syntax);
// What may stand behind a call's arguments and belongs to it.
Marks closing_marks(CallSyntax syntax);

}  // namespace glassbox
