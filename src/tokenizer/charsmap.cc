#include "tokenizer/charsmap.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

// A unit of the double array: a label with a leaf's mark, and where its children begin.
bool has_leaf(uint32_t unit) { return unit >> 8 & 1; }
uint32_t label(uint32_t unit) { return unit & (uint32_t{1} << 31 | 0xFF); }
size_t offset(uint32_t unit) { return size_t{unit >> 10} << ((unit & 1u << 9) >> 6); }

constexpr size_t kLongest = 64;      // bytes that take a character's place: Unicode's longest are 33
constexpr size_t kMostMatches = 32;  // SentencePiece asks for no more

}  // namespace

Charsmap Charsmap::parse(std::string_view blob, std::string_view source) {
  uint32_t bytes = 0;
  if (blob.size() < 4) fail(ErrorKind::bad_file, "{}: precompiled_charsmap: {} bytes", source, blob.size());
  std::memcpy(&bytes, blob.data(), 4);
  blob.remove_prefix(4);
  if (bytes > blob.size() || bytes < 4 || bytes % 4 != 0)
    fail(ErrorKind::bad_file, "{}: precompiled_charsmap: a trie of {} bytes, {} are left", source, bytes, blob.size());
  Charsmap map;
  map.units_.resize(bytes / 4);
  std::memcpy(map.units_.data(), blob.data(), bytes);
  map.texts_ = blob.substr(bytes);
  if (!map.texts_.empty() && map.texts_.back() != '\0')
    fail(ErrorKind::bad_file, "{}: precompiled_charsmap: its texts do not end with a zero byte", source);
  size_t longest = 0, from = 0;
  for (size_t end; (end = map.texts_.find('\0', from)) != std::string::npos; from = end + 1)
    longest = std::max(longest, end - from);
  if (longest > kLongest)
    fail(ErrorKind::unsupported, "{}: precompiled_charsmap: {} bytes for one character are not supported", source,
         longest);
  if (unicode::valid_prefix(map.texts_) != map.texts_.size())
    fail(ErrorKind::bad_file, "{}: precompiled_charsmap: its texts are not UTF-8", source);
  return map;
}

std::string Charsmap::blob() const {
  const auto bytes = static_cast<uint32_t>(units_.size() * sizeof(uint32_t));
  std::string out(sizeof(bytes) + bytes, '\0');
  std::memcpy(out.data(), &bytes, sizeof(bytes));
  std::memcpy(out.data() + sizeof(bytes), units_.data(), bytes);
  return out + texts_;
}

Charsmap::Match Charsmap::match(std::string_view text, bool longest) const {
  Match found;
  size_t node = offset(units_[0]), matches = 0;
  for (size_t i = 0; i < text.size() && matches < kMostMatches; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label(units_[node]) != byte) break;
    const uint32_t unit = units_[node];
    node ^= offset(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) break;
    const size_t at = units_[node] & 0x7FFFFFFF;
    if (at >= texts_.size()) break;
    // An entry that ends inside a character would leave half of it: only a broken table has such.
    if (i + 1 < text.size() && !unicode::begins_character(text[i + 1])) continue;
    found = {i + 1, std::string_view(texts_.data() + at)};
    ++matches;
    if (!longest) break;
  }
  return found;
}

void Charsmap::replace_longest(std::string_view text, std::string& out) const {
  out.clear();
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (const Match found = match(text.substr(at), true); found.length > 0) {
      out += found.text;
      at += found.length;
      continue;
    }
    const size_t from = at;
    if (unicode::next(text, at) == unicode::kBroken)
      out += "\xEF\xBF\xBD";
    else
      out.append(text, from, at - from);
  }
}

void Charsmap::replace_graphemes(std::string_view text, std::string& out) const {
  out.clear();
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    char32_t last = unicode::next(text, end);
    utf8proc_int32_t state = 0;
    while (end < text.size() && last != unicode::kBroken) {
      size_t after = end;
      const char32_t c = unicode::next(text, after);
      if (c == unicode::kBroken || utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last),
                                                                    static_cast<utf8proc_int32_t>(c), &state))
        break;
      end = after, last = c;
    }
    const std::string_view cluster = text.substr(at, end - at);
    at = end;
    if (cluster.size() < 6)
      if (const Match found = match(cluster, false); found.length > 0) {
        out += found.text;
        continue;
      }
    for (size_t i = 0; i < cluster.size();) {
      const size_t from = i;
      unicode::next(cluster, i);
      const Match found = match(cluster.substr(from, i - from), false);
      if (found.length > 0)
        out += found.text;
      else
        out.append(cluster, from, i - from);
    }
  }
}

}  // namespace glassbox
