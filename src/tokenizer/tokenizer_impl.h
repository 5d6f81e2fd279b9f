// A tokenizer's parts, as the loaders put them together. Not for other floors.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/token_model.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary_json.h"

namespace glassbox {

// From tokens back to text: what each token's name becomes, and what happens at the beginning.
struct DecoderSpec {
  bool byte_level = false;                                   // names are in GPT-2's alphabet
  std::vector<std::pair<std::string, std::string>> replace;  // within a name, in order
  bool byte_fallback = false;                                // <0x0A> is a byte
  size_t strip = 0;                                          // up to so many spaces at the beginning are dropped
  std::string drop_in_first;                                 // within the first token, every one of these is dropped
  std::string suffix;  // the end of a word in a byte-level name (CLIP): a space, and none around the whole text
  // WordPiece: a name that begins so goes on the word before, any other begins a word after a space.
  std::optional<std::string> word_prefix;
  bool cleanup = false;  // WordPiece: no space before punctuation
};

// What loaders fill in; Impl::finish() checks it and makes the tokenizer.
struct TokenizerParts {
  std::string source;  // names the file in errors
  std::string kind;    // for people
  Normalizer normalizer;
  PreTokenizer pretokenizer;
  std::shared_ptr<const TokenModel> model;
  std::vector<AddedToken> added;
  DecoderSpec decoder;
  std::vector<int32_t> before, after;             // what encode() puts around a text
  std::optional<std::string> bos, eos, unk, pad;  // by name; a name nobody defined is no token
  // Tokens that no merging makes, known to Bpe by name alone: those of a byte-level vocabulary whose names are not in
  // GPT-2's alphabet, and SentencePiece's bytes.
  std::vector<uint32_t> verbatim;
  std::vector<float> scores;  // of a SentencePiece model, by id; else empty

  std::optional<int32_t> id_of(std::string_view name) const;
};

struct Tokenizer::Impl {
  TokenizerParts parts;
  AddedTokenFinder raw, normalized;
  const Bpe* bpe = nullptr;  // the model, if it is one
  std::string word_mark;     // words may be taken one by one before each run of these; empty: they may not

  std::string pieces;                 // of all ids, one after another
  std::vector<uint32_t> piece_begin;  // size() + 1
  enum Flag : uint8_t { special = 1, byte = 2, is_added = 4 };
  std::vector<uint8_t> flags;
  std::map<int32_t, std::string> added_names;
  std::map<int32_t, std::string>
      added_text;  // what they decode from: their names, normalized where they are looked for so
  std::optional<int32_t> bos, eos, unk, pad;
  std::string why_none;  // of no tokenizer at all

  // What one token covers of a text at most, for least_tokens().
  struct Coverage {
    size_t most_bytes = 0;          // 0: any number
    size_t most_solid = 0;          // of the bytes below; 0: any number
    std::array<bool, 256> solid{};  // letters and digits of ASCII that never become part of an unknown token
  } covers;
  Coverage coverage() const;

  size_t size() const { return flags.size(); }
  std::string_view piece(int32_t id) const;
  std::string name(int32_t id) const;
  // The piece as the first of a text.
  std::string first_piece(int32_t id) const;
  void check_id(int32_t id) const;
  void check_some() const;  // throws where there is none
  // What encode() may find: special tokens or not; or where `trusted` is given, control tokens in it alone.
  struct Finding {
    bool special = true;
    const TrustedSpans* trusted = nullptr;
    const std::vector<bool>* control = nullptr;
  };
  void encode(std::string_view text, const Finding& finding, std::vector<int32_t>& out) const;
  std::vector<AddedTokenFinder::Found> find_normalized(std::string_view part, size_t at, bool first,
                                                       std::string_view made, const Finding& finding) const;
  static Tokenizer finish(TokenizerParts parts);
};

// The largest id a file may use, plus one: ids may have gaps, but not so that a small file makes large tables.
uint32_t id_limit(size_t entries);
// Throws Error(bad_file) unless the id is an integer in [0, limit).
uint32_t checked_id(int64_t id, uint32_t limit, std::string_view token, std::string_view source);
uint32_t checked_id(const Json& value, uint32_t limit, std::string_view token, std::string_view source);

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581, SentencePiece's space
// Its marks for all spaces, and back.
std::string with_marks(std::string_view text);
std::string with_spaces(std::string_view text);

// The key of a GGUF file that says NAME of its tokenizer.
std::string gguf_key(std::string_view name);

// A token that means a byte: "<0x0A>" to 10, -1 for any other name.
int byte_token(std::string_view name);

// "added_tokens" as tokenizer.json lists them.
std::vector<AddedToken> read_added_tokens(const Json& list, uint32_t limit, std::string_view source);
// "model" of a tokenizer.json, for the pre-tokenizer that `parts` has.
void read_model(const VocabularyJson& file, std::string_view source, TokenizerParts& parts);

// How a family splits text, by the name llama.cpp gives it in "tokenizer.ggml.pre"; nothing for names whose meaning is
// not exactly known here.
std::optional<PreTokenizer> pretokenizer_named(std::string_view name);
// What goes with such a name, which GGUF has no keys for: NFC before the text is split, and words that are tokens whole
// ("ignore_merges").
bool composes_by_name(std::string_view name);
bool whole_words_by_name(std::string_view name);

// One loader a form. Each throws Error(bad_file | unsupported) naming `source`.
TokenizerParts read_tokenizer_json(const VocabularyJson& file, std::string_view source);
TokenizerParts read_sentencepiece(std::string_view bytes, std::string_view source, const Json& config);
// `special`: names and ids of special tokens from a file beside it (special_tokens.json), or null.
TokenizerParts read_tiktoken(std::string_view bytes, std::string_view source, std::string_view file_name,
                             const Json& special);
TokenizerParts read_vocab_txt(std::string_view bytes, std::string_view source, const Json& config);
TokenizerParts read_vocab_and_merges(std::string_view vocab_json, std::string_view merges, std::string_view source,
                                     const Json& config);

// Adds what tokenizer_config.json, special_tokens_map.json and added_tokens.json (null where absent) say. Whether BOS
// and EOS go around a text is the post_processor's to say where there is one to look at, in a tokenizer.json
// (`from_json`): transformers 5 drops add_bos_token and add_eos_token then, whatever class reads it.
void apply_config(TokenizerParts& parts, const Json& config, const Json& special_map, const Json& added,
                  std::string_view source, bool from_json);

}  // namespace glassbox
