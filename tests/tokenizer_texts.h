// Texts for tokenizers: the data folder's, cut before characters, and characters of all planes.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "unicode/utf8.h"

namespace glassbox::testing {

// The first `most` bytes of a file, or of all files of a folder in the order of their paths.
inline std::string file_bytes(const std::filesystem::path& path, size_t most) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::recursive_directory_iterator(path))
      if (entry.is_regular_file()) files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path.string());
  }
  std::string bytes;
  for (size_t i = 0; i < files.size() && bytes.size() < most; ++i) bytes += read_file(files[i]);
  bytes.resize(std::min(bytes.size(), most));
  return bytes;
}

// At most `size` bytes each, cut before a character.
inline std::vector<std::string> cut(const std::string& bytes, size_t size) {
  std::vector<std::string> out;
  for (size_t at = 0; at < bytes.size();) {
    size_t end = std::min(at + size, bytes.size());
    while (end < bytes.size() && (static_cast<uint8_t>(bytes[end]) & 0xC0) == 0x80) --end;
    out.push_back(bytes.substr(at, end - at));
    at = end;
  }
  return out;
}

// Characters of all planes, spaces, words and special tokens, as tests/reference/tokenizer_hashes.py draws them.
inline std::string generated(uint64_t seed, int count, const std::vector<std::string>& special) {
  uint64_t state = seed;
  auto draw = [&](uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>((state >> 33) % n);
  };
  static const char32_t kSpaces[] = {' ', '\n', '\r', '\t', '\'', 0xA0, 0x3000, 0x2581, 0x85, 0x180E, ' ', ' '};
  std::string out;
  for (int i = 0; i < count; ++i) {
    const uint32_t k = draw(100);
    if (k < 40) {
      unicode::append(out, 0x20 + draw(0x5F));
    } else if (k < 55) {
      unicode::append(out, kSpaces[draw(12)]);
    } else if (k < 70) {
      unicode::append(out, 0x80 + draw(0x780));
    } else if (k < 80) {
      unicode::append(out, 0x4E00 + draw(0x5200));
    } else if (k < 88) {
      const char32_t c = 0x800 + draw(0xF800);
      unicode::append(out, c >= 0xD800 && c < 0xE000 ? U'\'' : c);
    } else if (k < 95) {
      unicode::append(out, 0x10000 + draw(0x100000));
    } else if (k < 97) {
      out += special[draw(special.size())];
    } else {
      const char c = "a -1=\n"[draw(6)];
      out.append(1 + draw(70), c);
    }
  }
  return out;
}

}  // namespace glassbox::testing
