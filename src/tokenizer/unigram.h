// Unigram: a word cut into the pieces whose scores sum highest.
#pragma once

#include <string>

#include "tokenizer/token_model.h"
#include "tokenizer/trie.h"

namespace glassbox {

// A vocabulary with scores (Kudo 2018). The best way to cut is found from left to right (Viterbi), in time linear in
// the text times the longest piece. A character that no piece covers costs 10 more than the worst piece, and becomes
// its bytes where the model has byte pieces, else the unknown piece, one for any number of such characters in a row.
class Unigram final : public TokenModel {
 public:
  struct Piece {
    std::string text;
    double score = 0;
    bool reachable = true;      // false: text never becomes this piece (control pieces, bytes)
    bool user_defined = false;  // wins over everything it competes with
  };
  struct Options {
    uint32_t unknown = 0;
    std::vector<uint32_t> bytes;  // 256 ids, or none
    // Whose arithmetic: SentencePiece sums in float32, Hugging Face's tokenizers in float64. Sums that differ in their
    // last bits choose different pieces.
    bool single = true;
    double lowest = 0;  // score of the worst piece, as the reference counts it
    double highest = 0;
    std::string source;  // names the file in errors
  };

  // Ids are the pieces' places. Throws Error(bad_file) for a text given twice, a score that is not finite or an id
  // outside the pieces; Error(unsupported) for a piece longer than 1,024 bytes.
  Unigram(std::vector<Piece> pieces, Options options);

  void encode(std::string_view word, std::vector<int32_t>& out, Scratch& scratch) const override;
  std::optional<uint32_t> find(std::string_view text) const override;
  std::string_view text(uint32_t id) const override;
  bool defined(uint32_t id) const override { return id < pieces_.size(); }
  size_t size() const override { return pieces_.size(); }
  size_t tokens() const override { return pieces_.size(); }
  const Options& options() const { return options_; }

 private:
  template <class Real>
  void cut(std::string_view word, std::vector<int32_t>& out, Scratch& scratch) const;
  void emit_unknown(std::string_view run, std::vector<int32_t>& out) const;

  std::vector<Piece> pieces_;
  Options options_;
  Trie trie_;  // of the reachable pieces
};

}  // namespace glassbox
