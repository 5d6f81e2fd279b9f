#include "unicode/utf8.h"

#include <algorithm>
#include <cstring>

namespace glassbox::unicode {
namespace {

// Length of the well-formed character at the front of p[0..n), which is not empty; 0 if there is none, and then `part`
// receives how many bytes are a maximal part of one, if that is more than the first.
inline size_t measure(const uint8_t* p, size_t n, char32_t& c, size_t* part = nullptr) {
  const uint8_t a = p[0];
  if (a < 0x80) {
    c = a;
    return 1;
  }
  size_t length = 0;
  uint8_t low = 0x80, high = 0xBF;
  if (a >= 0xC2 && a <= 0xDF) {
    length = 2;
    c = a & 0x1Fu;
  } else if (a >= 0xE0 && a <= 0xEF) {
    length = 3;
    c = a & 0x0Fu;
    if (a == 0xE0) low = 0xA0;   // shorter forms exist
    if (a == 0xED) high = 0x9F;  // surrogates
  } else if (a >= 0xF0 && a <= 0xF4) {
    length = 4;
    c = a & 0x07u;
    if (a == 0xF0) low = 0x90;
    if (a == 0xF4) high = 0x8F;  // past U+10FFFF
  } else {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if (i == n) {
      if (part) *part = n;
      return 0;
    }
    if (p[i] < low || p[i] > high) {
      if (part) *part = i;
      return 0;
    }
    c = c << 6 | (p[i] & 0x3Fu);
    low = 0x80, high = 0xBF;
  }
  return length;
}

inline const uint8_t* bytes(std::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

}  // namespace

char32_t next(std::string_view text, size_t& at) {
  char32_t c = 0;
  const size_t length = measure(bytes(text) + at, text.size() - at, c);
  if (length == 0) {
    ++at;
    return kBroken;
  }
  at += length;
  return c;
}

char32_t previous(std::string_view text, size_t& at) {
  for (size_t back = 1; back <= 4 && back <= at; ++back) {
    if ((static_cast<uint8_t>(text[at - back]) & 0xC0) == 0x80) continue;
    char32_t c = 0;
    if (measure(bytes(text) + at - back, back, c) == back) {
      at -= back;
      return c;
    }
    break;
  }
  --at;
  return kBroken;
}

size_t valid_prefix(std::string_view text) {
  const uint8_t* p = bytes(text);
  size_t at = 0;
  while (at < text.size()) {
    while (at + 8 <= text.size()) {  // eight ASCII bytes at a time
      uint64_t eight;
      std::memcpy(&eight, p + at, 8);
      if (eight & 0x8080808080808080u) break;
      at += 8;
    }
    if (at == text.size()) break;
    char32_t c = 0;
    const size_t length = measure(p + at, text.size() - at, c);
    if (length == 0) break;
    at += length;
  }
  return at;
}

bool unfinished(std::string_view text) {
  char32_t c = 0;
  size_t seen = 0;
  return measure(bytes(text), text.size(), c, &seen) == 0 && seen == text.size();
}

std::string replace_broken(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  while (at < text.size()) {
    const size_t good = valid_prefix(text.substr(at));
    out.append(text, at, good);
    at += good;
    if (at == text.size()) break;
    char32_t c = 0;
    size_t part = 1;
    measure(bytes(text) + at, text.size() - at, c, &part);
    out += "\xEF\xBF\xBD";
    at += part;
  }
  return out;
}

void append(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

size_t count_code_points(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, begins_character));
}

size_t prefix_bytes(std::string_view text, size_t count) {
  size_t at = 0;
  while (count > 0 && at < text.size()) {
    ++at;
    while (at < text.size() && !begins_character(text[at])) ++at;
    --count;
  }
  return at;
}

std::vector<char32_t> code_points(std::string_view text) {
  std::vector<char32_t> all;
  all.reserve(text.size());
  for (size_t at = 0; at < text.size();) all.push_back(next_valid(text, at));
  return all;
}

}  // namespace glassbox::unicode
