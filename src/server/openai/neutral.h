// Fields that other servers have, or OpenAI's own, that change no answer here.
#pragma once

#include "server/fields.h"

namespace glassbox::openai {

// Counts them as read. Throws ApiError(400) that names the first one whose value asks for something that is not done.
// The table is in docs/openai.md.
void read_neutral(Fields& fields, bool chat);

}  // namespace glassbox::openai
