#include "tokenizer/wordpiece.h"

#include <algorithm>

#include "base/error.h"
#include "base/quote.h"
#include "unicode/utf8.h"

namespace glassbox {

WordPiece::WordPiece(const std::vector<std::pair<std::string, uint32_t>>& tokens, Options options)
    : options_(std::move(options)) {
  const std::string& source = options_.source;
  size_t count = 0, bytes = 0;
  for (const auto& [text, id] : tokens) {
    count = std::max(count, id + size_t{1});
    bytes += text.size();
  }
  names_.resize(count);
  tokens_ = tokens.size();
  first_ = Trie(bytes);
  later_ = Trie(bytes);
  for (const auto& [text, id] : tokens) {
    if (text.size() > kLongest)
      fail(ErrorKind::unsupported, "{}: token {} of {} bytes is not supported", source, id, text.size());
    if (names_[id])
      fail(ErrorKind::bad_file, "{}: id {} belongs to two tokens, {} and {}", source, id, quote(*names_[id]),
           quote(text));
    names_[id] = text;
    if (!text.empty() && !first_.insert(text, id))
      fail(ErrorKind::bad_file, "{}: token {} has two ids, {} and {}", source, quote(text), first_.at(text), id);
    if (text.size() > options_.prefix.size() && text.starts_with(options_.prefix))
      later_.insert(std::string_view(text).substr(options_.prefix.size()), id);
  }
  unknown_ = first_.at(options_.unknown);
  if (unknown_ == Trie::kNone)
    fail(ErrorKind::bad_file, "{}: the unknown token {} is not in the vocabulary", source, quote(options_.unknown));
}

void WordPiece::encode(std::string_view word, std::vector<int32_t>& out, Scratch&) const {
  size_t characters = 0;
  for (size_t at = 0; at < word.size() && characters <= options_.longest_word; ++characters) unicode::next(word, at);
  bool whole = characters <= options_.longest_word;
  const size_t first = out.size();
  for (size_t at = 0; whole && at < word.size();) {
    const Trie& trie = at == 0 ? first_ : later_;
    uint32_t node = 0, longest = Trie::kNone;
    size_t end = at;
    for (size_t i = at; i < word.size(); ++i) {
      const Trie::Edge* next = trie.step(node, word[i]);
      if (!next) break;
      node = next->node;
      if (next->value != Trie::kNone) longest = next->value, end = i + 1;
    }
    whole = longest != Trie::kNone;
    if (whole) out.push_back(static_cast<int32_t>(longest));
    at = end;
  }
  if (whole) return;
  out.resize(first);
  out.push_back(static_cast<int32_t>(unknown_));
}

std::optional<uint32_t> WordPiece::find(std::string_view text) const {
  const uint32_t id = first_.at(text);
  return id == Trie::kNone ? std::nullopt : std::optional<uint32_t>(id);
}

std::string_view WordPiece::text(uint32_t id) const {
  return defined(id) ? std::string_view(*names_[id]) : std::string_view();
}

bool WordPiece::defined(uint32_t id) const { return id < names_.size() && names_[id].has_value(); }

}  // namespace glassbox
