// SentencePiece's precompiled normalization: a table from characters, or a few in a row, to what takes their place.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

// The blob of a model's "precompiled_charsmap": a double-array trie (darts-clone's) over UTF-8 and the texts it leads
// to. Immutable once made; any number of threads may use it at once.
class Charsmap {
 public:
  // Throws Error(bad_file) naming `source` for sizes that contradict each other. Links in the trie are checked as they
  // are followed: those that lead nowhere find nothing.
  static Charsmap parse(std::string_view blob, std::string_view source);

  std::string blob() const;  // what parse() reads

  // As SentencePiece: at each place the longest entry is replaced; bytes that are no character become U+FFFD.
  void replace_longest(std::string_view text, std::string& out) const;
  // As Hugging Face's tokenizers: by grapheme clusters; one of less than 6 bytes that begins with an entry is replaced
  // whole by what the shortest such entry says, else each character by itself. Broken bytes stay.
  void replace_graphemes(std::string_view text, std::string& out) const;

 private:
  struct Match {
    size_t length = 0;  // 0: none
    std::string_view text;
  };
  // The shortest or longest entry that `text` begins with.
  Match match(std::string_view text, bool longest) const;

  std::vector<uint32_t> units_;
  std::string texts_;  // each ends with a zero byte
};

}  // namespace glassbox
