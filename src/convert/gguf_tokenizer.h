// A model's tokenizer as GGUF metadata, and the other way: "tokenizer.ggml.*" and the files of a published folder.
#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"
#include "formats/file_set.h"
#include "formats/gguf.h"

namespace glassbox {

// What llama.cpp and we need to tokenize as the model's own files do, in whichever form they are, padded with unused
// tokens to `vocabulary`; as tokenizer.json too ("tokenizer.huggingface.json"; the model's own where it has one), so
// that the way back loses nothing; and the chat template. Of a model without a tokenizer, that there is none. Throws
// as Tokenizer::open() and to_gguf() do.
std::vector<GgufEntry> gguf_tokenizer(const FileSet& files, int64_t vocabulary);

// tokenizer.json, tokenizer_config.json and chat_template.jinja of a file, by name: the tokenizer.json that it carries,
// or else what its own tokenizer says (Tokenizer::to_json(), and throws as that does). Empty where it has none.
struct NamedText {
  std::string name, text;
};
std::vector<NamedText> tokenizer_files(const Gguf& file);

}  // namespace glassbox
