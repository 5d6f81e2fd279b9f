#include "train/documents.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace glassbox {

std::vector<OrderedJson> read_documents(const std::vector<std::filesystem::path>& files) {
  std::vector<OrderedJson> documents;
  for (const auto& file : files) {
    const std::string bytes = read_file(file, size_t{16} << 30);
    size_t line = 0;
    for (size_t begin = 0; begin < bytes.size(); ++line) {
      const size_t end = std::min(bytes.find('\n', begin), bytes.size());
      const std::string_view text = std::string_view(bytes).substr(begin, end - begin);
      if (text.find_first_not_of(" \t\r") != std::string_view::npos)
        documents.push_back(parse_ordered_json(text, fmt::format("{}:{}", file.string(), line + 1)));
      begin = end + 1;
    }
  }
  return documents;
}

Rendered document_text(const OrderedJson& document, std::string_view where,
                       const std::optional<ChatTemplate>& chat_template, std::string_view eos) {
  if (!document.is_object()) fail(ErrorKind::bad_file, "{}: expected an object with \"messages\" or \"text\"", where);
  Rendered all;
  if (document.contains("messages")) {
    if (!chat_template) fail(ErrorKind::bad_file, "{}: a conversation, but there is no chat template", where);
    OrderedJson context = {{"messages", document["messages"]}, {"add_generation_prompt", false}};
    if (document.contains("tools")) context["tools"] = document["tools"];
    try {
      all = chat_template->render(context);
    } catch (const Error& error) { fail(ErrorKind::bad_file, "{}: {}", where, error.what()); }
    if (all.generation.empty())
      fail(ErrorKind::bad_file,
           "{}: the chat template marks nothing with {{% generation %}}: what the model is to say is unknown", where);
  } else {
    const auto text = document.find("text");
    if (text == document.end() || !text->is_string())
      fail(ErrorKind::bad_file, "{}: expected \"messages\" or a string \"text\"", where);
    all.text = text->get<std::string>();
    all.text += eos;
    all.generation.emplace_back(0, all.text.size());
    if (!all.text.empty()) all.trusted = all.generation;
  }
  return all;
}

DocumentEncoder::DocumentEncoder(Tokenizer tokenizer, std::optional<ChatTemplate> chat_template)
    : tokenizer_(std::move(tokenizer)), chat_template_(std::move(chat_template)), prompts_(tokenizer_, chat_template_) {
  if (const auto eos = tokenizer_.eos()) eos_ = tokenizer_.token(*eos);
}

Document DocumentEncoder::encode(const OrderedJson& document, std::string_view where) const {
  const Rendered written = document_text(document, where, chat_template_, eos_);
  const std::string& text = written.text;
  const GenerationSpans& spans = written.generation;
  Document encoded;
  const bool chat = document.contains("messages");
  encoded.tokens = chat ? prompts_.encode(written) : tokenizer_.encode(text, false);
  size_t at = 0, span = 0;
  // A BOS that the template left to the tokenizer is none of the text's bytes, and nobody says it.
  size_t bytes = 0;
  for (const int32_t id : encoded.tokens) bytes += tokenizer_.piece(id).size();
  const bool added_bos =
      chat && tokenizer_.adds_bos() && bytes == text.size() + tokenizer_.piece(*tokenizer_.bos()).size();
  for (size_t i = 0; i < encoded.tokens.size(); ++i) {
    if (i == 0 && added_bos) {
      encoded.loss_mask.push_back(false);
      continue;
    }
    const int32_t id = encoded.tokens[i];
    const std::string_view piece = tokenizer_.piece(id);
    // Tokens are matched with the template's spans by their bytes, so they must be the text's own.
    if (text.compare(at, piece.size(), piece) != 0)
      fail(ErrorKind::unsupported,
           "{}: the tokenizer changes the text it encodes (byte {}): training needs one that does not", where, at);
    while (span < spans.size() && spans[span].second <= at) ++span;
    encoded.loss_mask.push_back(span < spans.size() && spans[span].first <= at);
    at += piece.size();
  }
  if (at != text.size())
    fail(ErrorKind::unsupported, "{}: the tokenizer encodes {} of {} bytes: training needs one that keeps all", where,
         at, text.size());
  return encoded;
}

Encoded encode_documents(int64_t count, const std::function<OrderedJson(int64_t)>& document,
                         const std::function<std::string(int64_t)>& where, const DocumentEncoder& encoder,
                         int64_t context, LongDocuments long_documents, ThreadPool& pool,
                         const std::function<void(int64_t)>& progress) {
  constexpr int64_t kRound = 4096, kGrain = 64;
  Encoded result;
  std::vector<Document> all;
  for (int64_t begin = 0; begin < count; begin += kRound) {
    const int64_t here = std::min(kRound, count - begin);
    all.assign(static_cast<size_t>(here), {});
    pool.parallel_ranges(here, kGrain, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i)
        all[static_cast<size_t>(i)] = encoder.encode(document(begin + i), where(begin + i));
    });
    for (int64_t i = 0; i < here; ++i) {
      const Document& encoded = all[static_cast<size_t>(i)];
      const auto length = static_cast<int64_t>(encoded.tokens.size());
      if (length <= context) {
        result.corpus.add(encoded);
      } else if (long_documents == LongDocuments::skip) {
        ++result.skipped;
      } else if (long_documents == LongDocuments::refuse) {
        fail(ErrorKind::bad_file,
             "{}: {} tokens, the model's context is {} (data.long_documents = \"skip\" or \"split\" would let it pass)",
             where(begin + i), length, context);
      } else {
        for (int64_t at = 0; at < length; at += context) {
          const auto cut = [&](const auto& all) {
            return std::vector(all.begin() + at, all.begin() + std::min(length, at + context));
          };
          result.corpus.add({cut(encoded.tokens), cut(encoded.loss_mask)});
        }
      }
    }
    if (progress) progress(begin + here);
  }
  return result;
}

}  // namespace glassbox
