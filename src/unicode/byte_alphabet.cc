#include "unicode/byte_alphabet.h"

#include <array>

#include "unicode/utf8.h"

namespace glassbox::unicode {
namespace {

// Printable Latin-1 stands for itself, the 68 other bytes for U+0100 and up, in order.
struct Alphabet {
  std::array<char32_t, 256> to_char;
  std::array<int16_t, 0x144> to_byte;
  Alphabet() {
    to_byte.fill(-1);
    char32_t spare = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      to_char[static_cast<size_t>(b)] = printable ? static_cast<char32_t>(b) : spare++;
      to_byte[to_char[static_cast<size_t>(b)]] = static_cast<int16_t>(b);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet made;
  return made;
}

}  // namespace

char32_t byte_to_char(uint8_t byte) { return alphabet().to_char[byte]; }

int char_to_byte(char32_t c) { return c < alphabet().to_byte.size() ? alphabet().to_byte[c] : -1; }

std::string to_alphabet(std::string_view bytes) {
  std::string out;
  for (char byte : bytes) append(out, byte_to_char(static_cast<uint8_t>(byte)));
  return out;
}

bool from_alphabet(std::string_view text, std::string& out) {
  std::string made;
  for (size_t at = 0; at < text.size();) {
    const int byte = char_to_byte(next(text, at));
    if (byte < 0) return false;
    made += static_cast<char>(byte);
  }
  out += made;
  return true;
}

}  // namespace glassbox::unicode
