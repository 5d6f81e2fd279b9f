// Documents to learn from, as people write them: conversations or plain text, and how they become tokens.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/threads.h"
#include "chat/chat_template.h"
#include "chat/prompt_encoder.h"
#include "tokenizer/tokenizer.h"
#include "train/corpus.h"

namespace glassbox {

// A program that makes documents, by the name recipes use. Document `index` of `seed`: {"messages": [...]}, with
// "tools" if they have any, or {"text": "..."}; keys stay in order, since templates write tools as they find them. A
// pure function, called from any thread. Held-out documents share no fact with the others.
struct DocumentSource {
  std::string name;
  std::function<OrderedJson(uint64_t seed, uint64_t index, bool held_out)> document;
};

// The lines of JSONL files, in order. Throws Error naming the file and line.
std::vector<OrderedJson> read_documents(const std::vector<std::filesystem::path>& files);

// A document's text: a conversation as the chat template writes it, a text as it is with `eos` after it. In
// `generation`: the bytes that the model is to say, which are those in {% generation %} blocks, or all of a plain text.
// A conversation's control tokens are the template's alone, as where it is served; a plain text is trusted, special
// tokens written in it included. Throws Error(bad_file) naming `where`: a document without either, or that the template
// refuses.
Rendered document_text(const OrderedJson& document, std::string_view where,
                       const std::optional<ChatTemplate>& chat_template, std::string_view eos);

// Documents to tokens. Safe to share between threads.
class DocumentEncoder {
 public:
  DocumentEncoder(Tokenizer tokenizer, std::optional<ChatTemplate> chat_template);

  // A conversation has the ids of Model::encode_prompt(), a text those of its tokenizer. A token is the model's to say
  // if its first byte is.
  Document encode(const OrderedJson& document, std::string_view where) const;

 private:
  Tokenizer tokenizer_;
  std::optional<ChatTemplate> chat_template_;
  PromptEncoder prompts_;
  std::string eos_;
};

// What to do with a document that is longer than the model's context.
enum class LongDocuments { refuse, skip, split };

struct Encoded {
  Corpus corpus;
  int64_t skipped = 0;  // documents longer than the context
};

// Documents 0 to count - 1, encoded by all threads, in order. `where(i)` names one in errors. `progress` (may be empty)
// is told now and then how many are done; what it throws ends the work.
Encoded encode_documents(int64_t count, const std::function<OrderedJson(int64_t)>& document,
                         const std::function<std::string(int64_t)>& where, const DocumentEncoder& encoder,
                         int64_t context, LongDocuments long_documents, ThreadPool& pool,
                         const std::function<void(int64_t)>& progress = {});

}  // namespace glassbox
