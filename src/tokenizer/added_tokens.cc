#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "unicode/classes.h"
#include "unicode/utf8.h"

namespace glassbox {

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  first_.fill(-1);
  auto child = [&](int32_t node, uint8_t byte) {
    auto& next = nodes_[static_cast<size_t>(node)].next;
    auto at =
        std::lower_bound(next.begin(), next.end(), byte, [](const auto& entry, uint8_t b) { return entry.first < b; });
    if (at != next.end() && at->first == byte) return at->second;
    const auto made = static_cast<int32_t>(nodes_.size());
    next.insert(at, {byte, made});
    nodes_.emplace_back();
    return made;
  };
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& text = tokens_[i].pattern;
    if (text.empty()) continue;
    int32_t& root = first_[static_cast<uint8_t>(text[0])];
    if (root < 0) {
      root = static_cast<int32_t>(nodes_.size());
      nodes_.emplace_back();
    }
    int32_t node = root;
    for (size_t at = 1; at < text.size(); ++at) node = child(node, static_cast<uint8_t>(text[at]));
    int32_t& token = nodes_[static_cast<size_t>(node)].token;
    if (token < 0) token = static_cast<int32_t>(i);
  }
}

std::vector<AddedTokenFinder::Found> AddedTokenFinder::find(std::string_view text, bool with_special) const {
  return search(
      text, [](const AddedToken&, size_t, size_t) { return true; },
      [&](const AddedToken& token) { return with_special || !token.special; });
}

std::vector<AddedTokenFinder::Found> AddedTokenFinder::find_allowed(std::string_view text,
                                                                    const Allowed& allowed) const {
  return search(text, allowed, [](const AddedToken&) { return true; });
}

// `may`: whether a token may stand where it matches; `keep`: whether the longest that may is wanted.
template <class May, class Keep>
std::vector<AddedTokenFinder::Found> AddedTokenFinder::search(std::string_view text, May&& may, Keep&& keep) const {
  std::vector<Found> found;
  if (nodes_.empty()) return found;
  size_t taken = 0;  // where the match before ended, its white space included
  for (size_t at = 0; at < text.size();) {
    int32_t node = first_[static_cast<uint8_t>(text[at])];
    if (node < 0) {
      ++at;
      continue;
    }
    int32_t longest = -1;
    size_t end = at;
    for (size_t i = at + 1;; ++i) {
      const Node& here = nodes_[static_cast<size_t>(node)];
      if (here.token >= 0 && may(tokens_[static_cast<size_t>(here.token)], at, i)) longest = here.token, end = i;
      if (i == text.size()) break;
      const auto byte = static_cast<uint8_t>(text[i]);
      auto next = std::lower_bound(here.next.begin(), here.next.end(), byte,
                                   [](const auto& entry, uint8_t b) { return entry.first < b; });
      if (next == here.next.end() || next->first != byte) break;
      node = next->second;
    }
    if (longest < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(longest)];
    size_t begin = at;
    const size_t spelled_begin = at, spelled_end = end;
    at = end;  // even if the match is not wanted after all, as the reference goes on behind it
    if (!keep(token)) continue;
    if (token.single_word) {
      size_t back = begin, forth = end;
      if (begin > 0 && unicode::is_word(unicode::previous(text, back))) continue;
      if (end < text.size() && unicode::is_word(unicode::next(text, forth))) continue;
    }
    const unicode::Class* table = unicode::class_table();
    auto is_space = [&](char32_t c) { return c != unicode::kBroken && table[c] == unicode::Class::Space; };
    if (token.lstrip) {
      for (size_t back = begin; back > taken && is_space(unicode::previous(text, back));) begin = back;
      begin = std::max(begin, taken);
    }
    if (token.rstrip)
      for (size_t forth = end; forth < text.size() && is_space(unicode::next(text, forth));) end = forth;
    found.push_back({std::max(begin, taken), end, token.id, spelled_begin, spelled_end});
    taken = end;
  }
  return found;
}

}  // namespace glassbox
