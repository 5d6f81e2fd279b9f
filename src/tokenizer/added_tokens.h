// Tokens that are found whole in text before anything else is done to it: special tokens, and others added by hand.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool special = false;
  bool single_word = false;      // only where no word character is beside it
  bool lstrip = false;           // takes the white space before it along
  bool rstrip = false;           // and after it
  bool normalized = false;       // looked for in normalized text
  bool from_convention = false;  // no file says so: a file that does may say otherwise
  std::string pattern;           // what stands in (normalized) text for it; if empty, what `content` is when normalized
};

// Finds the leftmost, then longest, of a set of texts; in time linear in the text times the longest of them, however
// many there are. Immutable once made.
class AddedTokenFinder {
 public:
  AddedTokenFinder() { first_.fill(-1); }
  // Looks for the tokens' patterns; empty ones are never found. Of equal patterns the first counts.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  struct Found {
    size_t begin, end;  // with the white space it takes along; begin is never before the end of the match before
    int32_t id;
    size_t spelled_begin, spelled_end;  // without it
  };
  // All matches in order. `with_special` false passes over tokens marked special.
  std::vector<Found> find(std::string_view text, bool with_special) const;
  // Only tokens that `allowed` lets stand for [begin, end), without white space taken along, are found there: where the
  // longest may not, a shorter one may, or one that begins later.
  using Allowed = std::function<bool(const AddedToken&, size_t begin, size_t end)>;
  std::vector<Found> find_allowed(std::string_view text, const Allowed& allowed) const;
  bool empty() const { return tokens_.empty(); }
  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  struct Node {
    int32_t token = -1;
    std::vector<std::pair<uint8_t, int32_t>> next;  // by byte, ascending
  };
  template <class May, class Keep>
  std::vector<Found> search(std::string_view text, May&& may, Keep&& keep) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::array<int32_t, 256> first_{};  // the nodes after one byte; -1: no token begins so
};

}  // namespace glassbox
