// GPT-2's alphabet: every byte has a printable character of its own, which is how byte-level vocabularies are written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace glassbox::unicode {

char32_t byte_to_char(uint8_t byte);
int char_to_byte(char32_t c);  // -1: not of the alphabet

// "Ġthe" for " the", and back. from_alphabet is false, and `out` unchanged, if a character is not of the alphabet.
std::string to_alphabet(std::string_view bytes);
bool from_alphabet(std::string_view text, std::string& out);

}  // namespace glassbox::unicode
