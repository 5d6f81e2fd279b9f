// What turns a word into tokens: byte-pair encoding, Unigram or WordPiece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace glassbox {

// A vocabulary and its way of cutting words. Immutable once built; any number of threads may encode at once.
class TokenModel {
 public:
  // What encoding needs between words; one a thread, reused from word to word.
  struct Scratch {
    std::vector<uint32_t> ids, ranks, left, right, start;
    std::vector<uint64_t> heap;
    std::vector<double> score;
  };

  virtual ~TokenModel() = default;
  // Appends the word's tokens.
  virtual void encode(std::string_view word, std::vector<int32_t>& out, Scratch& scratch) const = 0;
  virtual std::optional<uint32_t> find(std::string_view text) const = 0;  // tokens that text can become only
  virtual std::string_view text(uint32_t id) const = 0;                   // empty if nobody defined the id
  virtual bool defined(uint32_t id) const = 0;
  virtual size_t size() const = 0;    // the largest id, plus one
  virtual size_t tokens() const = 0;  // defined ones
};

}  // namespace glassbox
