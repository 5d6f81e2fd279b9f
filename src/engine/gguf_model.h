// What a model's GGUF file says beside its weights.
#pragma once

#include <optional>

#include "formats/gguf.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace glassbox {

// "tokenizer.chat_template" and the named ones beside it, with the special tokens as variables. Nothing if the file has
// none. Throws Error(bad_file | unsupported) as ChatTemplate::parse.
std::optional<ChatTemplate> gguf_chat_template(const Gguf& file, const Tokenizer& tokenizer);

}  // namespace glassbox
