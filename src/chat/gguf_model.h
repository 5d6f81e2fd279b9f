// What a model's GGUF file says beside its weights.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "chat/chat_template.h"
#include "formats/gguf.h"
#include "tokenizer/tokenizer.h"

namespace glassbox {

// "tokenizer.chat_template" and the named ones beside it, with the special tokens as variables. Nothing if the file has
// none. Throws Error(bad_file | unsupported) as ChatTemplate::parse.
std::optional<ChatTemplate> gguf_chat_template(const Gguf& file, const Tokenizer& tokenizer);

// What to call the model: the file's name without .gguf and without its number among parts; where the name has no such
// ending (a store's hash), general.name, if that is a line of text.
std::string gguf_model_name(const Gguf& file, const std::filesystem::path& path);

}  // namespace glassbox
