// What was said before in the terminal, over all conversations: found again with the arrow keys.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

// A file of at most 1,000 entries that only its owner reads; each entry is one line of it, with white space and
// controls as \ooo. What several programs add at a time is all kept. History is a convenience: what cannot be read or
// written is passed over.
class History {
 public:
  explicit History(std::filesystem::path file);

  const std::vector<std::string>& entries() const { return entries_; }  // oldest first
  void add(std::string_view entry);                                     // not if it is empty, or the same as the last

 private:
  std::filesystem::path file_;
  std::vector<std::string> entries_;
};

}  // namespace glassbox
