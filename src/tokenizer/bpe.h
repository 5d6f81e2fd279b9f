// Byte-pair encoding: a word's symbols merged, pair by pair, into tokens.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/token_model.h"

namespace glassbox {

// A vocabulary with its merges (Sennrich et al. 2016), over bytes or over characters. Immutable once built; any number
// of threads may encode at once.
//
// A word is encoded as follows. It is cut into symbols: bytes, or characters. Of all neighbouring pairs that may merge
// the one of lowest rank is merged, the leftmost of equals, until none is left. That is what Hugging Face's tokenizers,
// tiktoken and SentencePiece's BPE do alike; they differ in where ranks come from, which is the builder's affair.
class Bpe final : public TokenModel {
 public:
  enum class Symbols { bytes, characters };
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  struct Options {
    Symbols symbols = Symbols::bytes;
    bool ignore_merges = false;   // a word that is a token is that token, whatever merges would make of it
    bool fuse_unknown = false;    // unknown symbols in a row are one unknown token
    uint32_t unknown = kNone;     // a symbol without token, byte tokens or this is dropped, as by the references
    std::vector<uint32_t> bytes;  // 256 ids: the byte tokens an unknown character falls back to; else empty
    std::string suffix;           // ends the names of tokens that end a word ("</w>", CLIP); else empty
    std::string source;           // names the file in errors
  };

  // Builds a model piece by piece; throws Error(bad_file) for what contradicts itself.
  class Builder {
   public:
    Builder(Options options, size_t expected_tokens);
    // A token's text, bytes as they are. Ids may come in any order; a text or id given twice is an error. `reachable`
    // false: text never becomes this token (control tokens, byte tokens, names outside the byte alphabet).
    void token(uint32_t id, std::string_view text, bool reachable = true);
    std::optional<uint32_t> find(std::string_view text) const;
    void unknown(uint32_t id);
    void byte_tokens(std::vector<uint32_t> ids);  // 256, or none
    // A pair that may merge, and the token it becomes; of a pair given twice the last counts.
    void merge(uint32_t left, uint32_t right, uint32_t rank, uint32_t into);
    // Every way to cut a token into two others may merge, at the rank of the token: what tiktoken's rank files and
    // SentencePiece's scores mean. `ranks` has one rank per id, kNone for tokens that are not made by merging.
    // Characters that are no tokens but parts of some take part too.
    void merge_all_splits(const std::vector<uint32_t>& ranks);
    Bpe build() &&;

   private:
    std::unique_ptr<Bpe> bpe_;
  };

  Bpe(Bpe&&) noexcept;
  Bpe& operator=(Bpe&&) noexcept;
  ~Bpe() override;

  void encode(std::string_view word, std::vector<int32_t>& out, Scratch& scratch) const override;

  // Pieces may be encoded apart wherever no token could span them. True if that is so between any character and a
  // `mark` after it that is not `mark` itself (SentencePiece's word mark): words can then be taken one by one.
  bool cuts_before(std::string_view mark) const;

  std::optional<uint32_t> find(std::string_view text) const override;
  std::string_view text(uint32_t id) const override;
  bool defined(uint32_t id) const override;
  size_t size() const override;
  size_t tokens() const override;
  size_t merges() const;
  const Options& options() const;

  // The same model as a list of merges, as tokenizer.json and GGUF have it: where ranks stand for every way to cut a
  // token, bytes take the one way that encoding goes, and characters all ways, tokens of one rank by falling lengths of
  // their parts, as transformers lists them. Throws Error(unsupported) where parts are characters without tokens.
  struct Merge {
    uint32_t left, right, into;
  };
  std::vector<Merge> merge_list() const;
  // The same model as one rank a token (kNone: no merge makes it), as scores have it: tokens whose merges stand mixed
  // in the list are of one rank. Throws Error(unsupported) where no ranks say what the list says.
  std::vector<uint32_t> token_ranks() const;

 private:
  Bpe();
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

}  // namespace glassbox
