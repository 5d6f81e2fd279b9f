// WordPiece: a word cut from the left into the longest pieces the vocabulary has.
#pragma once

#include <string>
#include <utility>

#include "tokenizer/token_model.h"
#include "tokenizer/trie.h"

namespace glassbox {

// A vocabulary whose pieces inside a word are written with a prefix ("##ing"; Devlin et al. 2018). A word of too many
// characters, or one that cannot be cut wholly, is the unknown token.
class WordPiece final : public TokenModel {
 public:
  static constexpr size_t kLongest = 1024;  // bytes of a token
  struct Options {
    std::string prefix = "##";
    std::string unknown = "[UNK]";
    size_t longest_word = 100;  // characters
    std::string source;         // names the file in errors
  };

  // Throws Error(bad_file) for a text or id given twice, or no unknown token among them; Error(unsupported) for a
  // token of more than kLongest bytes.
  WordPiece(const std::vector<std::pair<std::string, uint32_t>>& tokens, Options options);

  void encode(std::string_view word, std::vector<int32_t>& out, Scratch& scratch) const override;
  std::optional<uint32_t> find(std::string_view text) const override;
  std::string_view text(uint32_t id) const override;
  bool defined(uint32_t id) const override;
  size_t size() const override { return names_.size(); }
  size_t tokens() const override { return tokens_; }
  const Options& options() const { return options_; }

 private:
  Options options_;
  std::vector<std::optional<std::string>> names_;  // by id
  size_t tokens_ = 0;
  Trie first_, later_;  // names as they begin a word; those with the prefix, without it
  uint32_t unknown_ = 0;
};

}  // namespace glassbox
