// UTF-8: characters one by one, forwards and backwards, and what broken ones become.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::unicode {

constexpr char32_t kBroken = 0xFFFFFFFF;  // what next() gives for a byte that begins no character

// The character at `at` (< text.size()), and its length in bytes added to `at`. Overlong forms, surrogates, code
// points past U+10FFFF and cut characters are broken: one byte each.
char32_t next(std::string_view text, size_t& at);
// The character that ends at `at` (> 0), which is taken back by its length. Broken as in next().
char32_t previous(std::string_view text, size_t& at);

// How many bytes at the front of `text` are whole, well-formed characters.
size_t valid_prefix(std::string_view text);
// True if `text` (not empty) could become one well-formed character when more bytes follow.
bool unfinished(std::string_view text);

// U+FFFD for every maximal part of a broken character (Unicode 3.9, W3C's "replace", Rust's from_utf8_lossy).
std::string replace_broken(std::string_view text);

void append(std::string& out, char32_t c);

// For text that is known to be well-formed: as next(), without looking whether it is.
inline char32_t next_valid(std::string_view text, size_t& at) {
  const auto byte = [&] { return static_cast<char32_t>(static_cast<uint8_t>(text[at++])); };
  const char32_t lead = byte();
  if (lead < 0x80) return lead;
  if (lead < 0xE0) return (lead & 0x1F) << 6 | (byte() & 0x3F);
  char32_t c = (lead < 0xF0 ? lead & 0x0F : lead & 0x07) << 6 | (byte() & 0x3F);
  if (lead >= 0xF0) c = c << 6 | (byte() & 0x3F);
  return c << 6 | (byte() & 0x3F);
}
inline bool begins_character(char byte) { return (byte & 0xC0) != 0x80; }

// Of well-formed text: how many characters it has, the bytes of its first `count` (all if it has fewer), and all of
// them.
size_t count_code_points(std::string_view text);
size_t prefix_bytes(std::string_view text, size_t count);
std::vector<char32_t> code_points(std::string_view text);

}  // namespace glassbox::unicode
