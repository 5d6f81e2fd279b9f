// The tokenizer inside a GGUF file: what llama.cpp's converter wrote of the model's own.
#include <algorithm>
#include <deque>

#include "base/error.h"
#include "base/quote.h"
#include "formats/gguf.h"
#include "formats/json_fields.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tokenizer_impl.h"

namespace glassbox {

namespace {

struct Contents {
  std::string source;
  std::vector<std::string_view> tokens;
  std::vector<int64_t> types;  // PieceType, one a token; all normal where the file says nothing

  std::string_view token(std::optional<int64_t> id) const {
    return id && *id >= 0 && static_cast<size_t>(*id) < tokens.size() ? tokens[static_cast<size_t>(*id)]
                                                                      : std::string_view();
  }
};

// An id that must be in the vocabulary, where the file gives one.
std::optional<int64_t> id_at(const Gguf& file, const Contents& contents, std::string_view name) {
  const auto id = file.integer(gguf_key(name));
  // Converters write -1, or 2^32 - 1, for none.
  if (!id || *id == -1 || *id == UINT32_MAX) return std::nullopt;
  if (*id < 0 || static_cast<size_t>(*id) >= contents.tokens.size())
    fail(ErrorKind::bad_file, "{}: {}: expected an id in [0, {}), got {}", contents.source, gguf_key(name),
         contents.tokens.size(), *id);
  return id;
}

void add_around(const Gguf& file, const Contents& contents, bool bos, bool eos, TokenizerParts& parts) {
  bos = file.boolean(gguf_key("add_bos_token")).value_or(bos);
  eos = file.boolean(gguf_key("add_eos_token")).value_or(eos);
  parts.before.clear();
  parts.after.clear();
  const auto first = id_at(file, contents, "bos_token_id"), last = id_at(file, contents, "eos_token_id");
  if (bos && first) parts.before = {static_cast<int32_t>(*first)};
  if (eos && last) parts.after = {static_cast<int32_t>(*last)};
}

void name_special(const Gguf& file, const Contents& contents, TokenizerParts& parts) {
  auto name = [&](std::string_view which, std::optional<std::string>& into) {
    if (const auto id = id_at(file, contents, which)) into = contents.tokens[static_cast<size_t>(*id)];
  };
  name("bos_token_id", parts.bos);
  name("eos_token_id", parts.eos);
  name("unknown_token_id", parts.unk);
  name("padding_token_id", parts.pad);
}

// A row of the embedding that no token uses, as converters name it.
bool is_padding(const Contents& contents, size_t id) {
  return contents.types[id] == static_cast<int64_t>(PieceType::unused) &&
         contents.tokens[id] == fmt::format("[PAD{}]", id);
}

TokenizerParts read_pieces(const Gguf& file, const Contents& contents, bool unigram) {
  SentencePieceModel model;
  model.model_type = unigram ? 1 : 2;
  const auto scores = file.numbers(gguf_key("scores"));
  if (!scores || scores->size() != contents.tokens.size())
    fail(ErrorKind::bad_file, "{}: {}: expected {} scores, got {}", contents.source, gguf_key("scores"),
         contents.tokens.size(), scores ? scores->size() : 0);
  const auto first = std::find(contents.types.begin(), contents.types.end(), int64_t{2});
  const int64_t otherwise = first == contents.types.end() ? 0 : first - contents.types.begin();
  const int64_t unknown = id_at(file, contents, "unknown_token_id").value_or(otherwise);
  size_t count = contents.tokens.size();
  while (count > 0 && is_padding(contents, count - 1)) --count;
  std::deque<std::string> marked;  // what pieces view
  const bool legacy = file.boolean("glassbox.tokenizer.mark_every_stretch").value_or(true);
  for (size_t id = 0; id < count; ++id) {
    SentencePieceModel::Piece piece;
    piece.text = contents.tokens[id];
    // Converters write spaces where user defined pieces have marks.
    if (contents.types[id] == static_cast<int64_t>(PieceType::user_defined) && piece.text.find(' ') != piece.text.npos)
      piece.text = marked.emplace_back(with_marks(piece.text));
    piece.score = static_cast<float>((*scores)[id]);
    piece.type = static_cast<int32_t>(contents.types[id]);
    // Converters mark room for tokens yet to come as unknown too.
    if (piece.type == static_cast<int32_t>(PieceType::unknown)) piece.type = static_cast<int32_t>(PieceType::unused);
    if (static_cast<int64_t>(id) == unknown) piece.type = static_cast<int32_t>(PieceType::unknown);
    model.byte_fallback = model.byte_fallback || piece.type == static_cast<int32_t>(PieceType::byte);
    model.pieces.push_back(piece);
  }
  model.bos = model.eos = model.pad = -1;
  model.dummy_prefix = file.boolean(gguf_key("add_space_prefix")).value_or(true);
  model.squeeze = file.boolean(gguf_key("remove_extra_whitespaces")).value_or(false);
  model.drop_unused = true;
  std::string charsmap;
  if (const auto bytes = file.integers(gguf_key("precompiled_charsmap")))
    for (int64_t byte : *bytes) charsmap += static_cast<char>(byte);
  model.charsmap = charsmap;
  TokenizerParts parts = tokenizer_of(model, contents.source, legacy);
  // llama.cpp finds user defined pieces in the text itself.
  for (AddedToken& token : parts.added)
    if (!token.special) {
      token.normalized = false;
      token.pattern = with_spaces(token.content);
    }
  if (const auto text = file.string("tokenizer.huggingface.json"); text && !unigram) {
    const std::string source = fmt::format("{}: tokenizer.huggingface.json", contents.source);
    const Json published = parse_vocabulary_json(*text, source).rest;
    const auto part = [&](const char* name) { return published.contains(name) ? published[name] : Json(); };
    PreTokenizer pretokenizer = PreTokenizer::from_json(part("pre_tokenizer"), source);
    if (pretokenizer.byte_level())
      fail(ErrorKind::bad_file, "{}: pre_tokenizer: ByteLevel in a file whose model is {}", source, "llama");
    parts.normalizer = Normalizer::from_json(part("normalizer"), source);
    parts.pretokenizer = std::move(pretokenizer);
  }
  parts.kind += " (GGUF)";
  name_special(file, contents, parts);
  add_around(file, contents, !unigram, unigram, parts);
  return parts;
}

TokenizerParts read_merges(const Gguf& file, const Contents& contents) {
  const auto pre = file.string(gguf_key("pre"));
  if (!pre)
    fail(ErrorKind::unsupported, "{}: {} is missing: it does not say how text is split", contents.source,
         gguf_key("pre"));
  auto pretokenizer = pretokenizer_named(*pre);
  if (!pretokenizer)
    fail(ErrorKind::unsupported, "{}: {} {} is not supported", contents.source, gguf_key("pre"), quote(*pre));

  TokenizerParts parts;
  parts.source = contents.source;
  parts.pretokenizer = std::move(*pretokenizer);
  parts.decoder.byte_level = true;
  if (composes_by_name(*pre)) parts.normalizer = Normalizer({Normalizer::Compose{true, false}});
  bool whole_words = whole_words_by_name(*pre);
  // The published file, where there is one, says what GGUF has no key for.
  Json published_tokens;
  if (const auto text = file.string("tokenizer.huggingface.json")) {
    const std::string source = fmt::format("{}: tokenizer.huggingface.json", contents.source);
    const Json published = parse_vocabulary_json(*text, source).rest;
    const Json nothing;
    const auto part = [&](const Json& from, const char* name) -> const Json& {
      return from.is_object() && from.contains(name) ? from[name] : nothing;
    };
    parts.normalizer = Normalizer::from_json(part(published, "normalizer"), source);
    if (const Json& model = part(published, "model"); model.is_object())
      whole_words = json_bool(model, "ignore_merges", false, source, "model");
    if (const Json& added = part(published, "added_tokens"); added.is_array())
      for (const Json& token : added)  // but for those that the model has no row for
        if (!token.is_object() || !token.value("id", Json()).is_number_integer() ||
            token["id"] < static_cast<int64_t>(contents.tokens.size()))
          published_tokens.push_back(token);
  }
  VocabularyJson vocabulary;
  vocabulary.has_vocab = vocabulary.has_merges = true;
  for (size_t id = 0; id < contents.tokens.size(); ++id) {
    const auto type = static_cast<PieceType>(contents.types[id]);
    if (is_padding(contents, id)) continue;
    const bool special = type == PieceType::control || type == PieceType::unknown;
    if (special || type == PieceType::user_defined) {
      AddedToken token;
      token.id = static_cast<int32_t>(id);
      token.content = contents.tokens[id];
      token.special = special;
      parts.added.push_back(std::move(token));
    } else {
      vocabulary.vocab.emplace_back(contents.tokens[id], static_cast<int64_t>(id));
    }
  }
  const auto merges = file.strings(gguf_key("merges"));
  if (!merges) fail(ErrorKind::bad_file, "{}: {} is missing", contents.source, gguf_key("merges"));
  for (std::string_view line : *merges)
    vocabulary.merges.push_back(split_merge(line, vocabulary.merges.size(), contents.source));
  if (published_tokens.is_array()) {
    const auto limit = static_cast<uint32_t>(contents.tokens.size());
    for (const AddedToken& known : read_added_tokens(published_tokens, limit, contents.source))
      for (AddedToken& token : parts.added)
        if (token.id == known.id && token.content == known.content) token = known;
  }
  vocabulary.rest["model"] = {{"type", "BPE"}, {"ignore_merges", whole_words}};
  read_model(vocabulary, contents.source, parts);
  parts.kind = fmt::format("byte-level BPE (GGUF, {})", *pre);
  name_special(file, contents, parts);
  add_around(file, contents, whole_words_by_name(*pre), false, parts);
  return parts;
}

// The converter writes a word's first piece with U+2581 before it and takes the ## off the others.
std::string word_piece(std::string_view token) {
  if (token.starts_with(kSpaceMark)) return std::string(token.substr(kSpaceMark.size()));
  if (token.size() > 2 && token.front() == '[' && token.back() == ']') return std::string(token);
  return fmt::format("##{}", token);
}

TokenizerParts read_words(const Gguf& file, const Contents& contents) {
  VocabularyJson vocabulary;
  vocabulary.has_vocab = true;
  for (std::string_view token : contents.tokens)
    vocabulary.vocab.emplace_back(word_piece(token), static_cast<int64_t>(vocabulary.vocab.size()));
  auto special = [&](std::initializer_list<std::string_view> names) -> std::string {
    for (std::string_view name : names)
      if (const auto id = id_at(file, contents, name)) return vocabulary.vocab[static_cast<size_t>(*id)].first;
    fail(ErrorKind::bad_file, "{}: {} is missing", contents.source, gguf_key(*names.begin()));
  };
  const std::string unknown = special({"unknown_token_id"});
  const std::string cls = special({"cls_token_id", "bos_token_id"});
  const std::string sep = special({"seperator_token_id", "separator_token_id", "eos_token_id"});
  Json& rest = vocabulary.rest;
  rest["model"] = {{"type", "WordPiece"}, {"unk_token", unknown}};
  rest["normalizer"] = {{"type", "BertNormalizer"}};
  rest["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  rest["decoder"] = {{"type", "WordPiece"}};
  auto pair = [&](const std::string& name) {
    const auto found = std::find_if(vocabulary.vocab.begin(), vocabulary.vocab.end(),
                                    [&](const auto& token) { return token.first == name; });
    return Json::array({name, found->second});
  };
  rest["post_processor"] = {{"type", "BertProcessing"}, {"cls", pair(cls)}, {"sep", pair(sep)}};
  rest["added_tokens"] = Json::array();
  for (size_t id = 0; id < contents.tokens.size(); ++id) {
    const auto type = static_cast<PieceType>(contents.types[id]);
    const std::string& name = vocabulary.vocab[id].first;
    const bool named = name == unknown || name == cls || name == sep ||
                       contents.token(id_at(file, contents, "mask_token_id")) == contents.tokens[id] ||
                       contents.token(id_at(file, contents, "padding_token_id")) == contents.tokens[id];
    if (named || type == PieceType::user_defined)
      rest["added_tokens"].push_back({{"id", id}, {"content", name}, {"special", true}, {"normalized", false}});
  }
  TokenizerParts parts = read_tokenizer_json(vocabulary, contents.source);
  parts.kind = "WordPiece (GGUF)";
  return parts;
}

}  // namespace

std::string gguf_key(std::string_view name) { return fmt::format("tokenizer.ggml.{}", name); }

Tokenizer Tokenizer::from_gguf(const Gguf& file) {
  Contents contents;
  contents.source = file.source();
  const auto kind = file.string(gguf_key("model"));
  if (!kind || *kind == "none" || *kind == "no_vocab")
    fail(ErrorKind::not_found, "{}: no tokenizer here: {} {}", contents.source, gguf_key("model"),
         kind ? "says so" : "is missing");
  const auto tokens = file.strings(gguf_key("tokens"));
  if (!tokens || tokens->empty() || tokens->size() > INT32_MAX)
    fail(ErrorKind::bad_file, "{}: {} is missing or empty", contents.source, gguf_key("tokens"));
  contents.tokens = *tokens;
  contents.types = file.integers(gguf_key("token_type")).value_or(std::vector<int64_t>(tokens->size(), 1));
  if (contents.types.size() != tokens->size())
    fail(ErrorKind::bad_file, "{}: {}: expected {} types, got {}", contents.source, gguf_key("token_type"),
         tokens->size(), contents.types.size());
  for (int64_t type : contents.types)
    if (type < 1 || type > 6)
      fail(ErrorKind::unsupported, "{}: {}: type {} is not supported", contents.source, gguf_key("token_type"), type);
  if (*kind == "llama") return Impl::finish(read_pieces(file, contents, false));
  if (*kind == "t5") return Impl::finish(read_pieces(file, contents, true));
  if (*kind == "gpt2") return Impl::finish(read_merges(file, contents));
  if (*kind == "bert") return Impl::finish(read_words(file, contents));
  fail(ErrorKind::unsupported, "{}: {} {} is not supported", contents.source, gguf_key("model"), quote(*kind));
}

}  // namespace glassbox
