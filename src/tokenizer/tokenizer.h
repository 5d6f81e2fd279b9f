// Tokenizers: text to the ids a model was trained on, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unicode/mixed_text.h"

namespace glassbox {

class FileSet;
class Gguf;
struct GgufEntry;

// A tokenizer as its model's authors published it: byte-level BPE (GPT-2, Llama 3, Qwen, CLIP, ...),
// SentencePiece-style BPE with byte fallback (Llama 2, Mistral 7B, ...), Unigram (T5) or WordPiece (BERT). Encodes to
// the same ids as Hugging Face's tokenizers, tiktoken and SentencePiece, whichever the files came from. A handle:
// copies are cheap and share one immutable table, which any number of threads may use at once.
class Tokenizer {
 public:
  // A folder (tokenizer.json, else tokenizer.model or spiece.model, else vocab.json + merges.txt or vocab.txt; with
  // what tokenizer_config.json, special_tokens_map.json and added_tokens.json beside them add), or one such file.
  // tokenizer.model may hold a SentencePiece model or tiktoken's lines (Llama 3, whose special tokens are added). A
  // *.tiktoken file named as OpenAI names it (cl100k_base, o200k_base, ...) opens too, as do deepseek_v3 and
  // mistral_v3_tekken. Throws Error(not_found | bad_file | unsupported): a component type, option or regular expression
  // whose meaning is not exactly kept is refused by name.
  static Tokenizer open(const std::filesystem::path& path);
  static Tokenizer open(const FileSet& files);  // of a model, as published or in its .gguf file

  // Of a model whose files have none: size() is 0, no token has text, and what would encode or decode throws
  // Error(unsupported) with `why`.
  static Tokenizer none(std::string why);
  const std::string& why_none() const;  // empty for all others

  // The text of a tokenizer.json and, where there is one, of its tokenizer_config.json. `source` names them in errors.
  static Tokenizer from_json(std::string_view tokenizer_json, std::string_view source,
                             std::string_view tokenizer_config_json = {});

  // The tokenizer inside a GGUF file ("tokenizer.ggml.*"): its models llama (SentencePiece BPE), gpt2 (byte-level BPE),
  // bert (WordPiece) and t5 (Unigram). Throws Error(not_found) where the file has none, Error(bad_file), and
  // Error(unsupported) for another model or a way to split text ("tokenizer.ggml.pre") that is not exactly known.
  static Tokenizer from_gguf(const Gguf& file);

  // The same tokenizer as a tokenizer.json, for us and for Hugging Face's tokenizers. What SentencePiece finds in its
  // prepared text (user defined pieces) is found in the text itself then, as in the files that transformers makes of
  // such models: a word right after one gets its mark. Throws Error(unsupported) naming what such a file cannot say:
  // a Unigram's scores, SentencePiece's normalization, its mark at a text's beginning only ("legacy": false).
  std::string to_json() const;

  // The same tokenizer as GGUF metadata ("tokenizer.ggml.*"), for from_gguf() and llama.cpp, padded with unused tokens
  // to `vocabulary`. What GGUF has no key for (normalization, whole words, how added tokens are looked for) is in the
  // tokenizer.json that the caller adds as "tokenizer.huggingface.json", where from_gguf() looks for it. Throws
  // Error(unsupported) for what neither says: a way to split text without a name, merges without scores, CLIP,
  // WordPiece, and a Unigram that is not SentencePiece's; Error(bad_file) for ids outside [0, vocabulary), but for
  // added tokens, which the model then has no row for and GGUF does not hold. User defined pieces as above: llama.cpp
  // too finds them in the text itself.
  std::vector<GgufEntry> to_gguf(int64_t vocabulary) const;

  // Added and special tokens written out in `text` become their ids, as the reference does. `add_special` puts what
  // the tokenizer's own template says around it (usually a BOS): a rendered chat wants false, its template wrote it.
  // Bytes that are not UTF-8 are kept where the vocabulary can (byte-level, byte fallback), never replaced.
  std::vector<int32_t> encode(std::string_view text, bool add_special = true) const;

  // For text that must not speak for the system: tokens marked special are plain characters here, and nothing is
  // added. (Added tokens that are not marked special are still found, as with transformers' split_special_tokens.)
  std::vector<int32_t> encode_plain(std::string_view text) const;

  // encode() and encode_plain() of this text, whole or in any pieces, give at least so many tokens: a bound from its
  // length and its letters, found in no time. 0 where this tokenizer has none.
  size_t least_tokens(std::string_view text) const;

  // For text that is the system's own in part (mixed_text.h): of the tokens that `control` marks by id, added ones,
  // only those are found whose whole spelling lies in one of `trusted`; what they spell elsewhere is text like any
  // other. All that lies between tokens that are found is encoded as one piece, whoever wrote it, so that a text
  // without control tokens has the ids that encode(text, false) gives. (PromptEncoder knows which tokens control.)
  std::vector<int32_t> encode(std::string_view text, const TrustedSpans& trusted,
                              const std::vector<bool>& control) const;

  // The text of `ids` as the reference decodes it: valid UTF-8 always, U+FFFD for bytes that make no character, the
  // space a SentencePiece model puts before the first word removed. Throws Error(bad_request) for an id outside
  // [0, size()). decode_bytes() gives the same bytes with nothing replaced.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;
  std::string decode_bytes(std::span<const int32_t> ids, bool skip_special = false) const;

  // The bytes a token adds to a stream: may be part of a character; empty for an id nobody defined. Lives as long as
  // any copy of this tokenizer. Throws Error(bad_request) for an id outside [0, size()).
  std::string_view piece(int32_t id) const;
  size_t size() const;  // ids are in [0, size()): the largest id defined, plus one

  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;
  std::optional<int32_t> unk() const;
  std::optional<int32_t> pad() const;
  // By the token's name in the files ("<|eot_id|>", "Ġthe", "▁the"): what configurations and templates speak of.
  std::optional<int32_t> id_of(std::string_view token) const;
  std::string token(int32_t id) const;        // the other way: the name in the files, empty if nobody defined the id
  std::vector<int32_t> added_tokens() const;  // the ids that encode() finds whole in text, special ones among them
  bool is_special(int32_t id) const;          // false for an id outside [0, size())

  // True if encode(text, true) begins with bos(): a prompt that already begins with it needs false.
  bool adds_bos() const;

  // For people: "byte-level BPE, 128,256 tokens (256 special), bos <|begin_of_text|> 128000, ...".
  std::string describe() const;

  struct Impl;  // not for callers

 private:
  friend class StreamDecoder;
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// Tokens to text as they come: whole UTF-8 characters only, the bytes of an unfinished one held back until the
// token that ends it. One stream, one thread. What it gives in all is decode()'s text, except that SentencePiece's
// byte tokens, where a run of them is broken UTF-8, are replaced one broken character at a time.
class StreamDecoder {
 public:
  // `continues`: the stream goes on after other text (a prompt), so the first word's space is part of it. Otherwise
  // the stream is a text of its own (a chat's answer), and SentencePiece's leading space is dropped as decode() does.
  explicit StreamDecoder(Tokenizer tokenizer, bool continues = false, bool skip_special = false);

  // Text that became certain with this token: may be empty. Throws Error(bad_request) for an id outside the range.
  std::string push(int32_t id);
  // What is left when no token will follow: U+FFFD for an unfinished character. The decoder may then be used anew.
  std::string finish();

 private:
  Tokenizer tokenizer_;
  bool continues_;
  bool skip_special_;
  bool at_start_;
  size_t tokens_ = 0, stripped_ = 0;
  std::string without_ends(const std::string& more);
  std::string held_;                   // bytes of a character that is not whole yet
  std::optional<std::string> spaces_;  // CLIP: white space that may be the last; nothing before the first text
};

}  // namespace glassbox
