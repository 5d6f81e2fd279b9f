// Python's view of text: its whitespace, its case mappings, its repr, by the characters of Unicode that Python's own
// tables have. Text here is well-formed UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace glassbox::python {

bool is_space(char32_t c);       // str.isspace
bool is_line_break(char32_t c);  // what str.splitlines splits at
bool is_alphabetic(char32_t c);  // str.isalpha
bool is_decimal(char32_t c);     // str.isdecimal
bool is_digit(char32_t c);       // str.isdigit
bool is_numeric(char32_t c);     // str.isnumeric
bool is_lower(char32_t c);
bool is_upper(char32_t c);
bool is_title(char32_t c);
bool is_printable(char32_t c);
bool is_identifier_start(char32_t c);
bool is_identifier_part(char32_t c);

// Full mappings: "ß" is "SS" in capitals, a final sigma has its own small letter.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_title(std::string_view text);        // str.title: every run of cased characters
std::string to_capitalized(std::string_view text);  // str.capitalize
std::string to_swapped(std::string_view text);      // str.swapcase
std::string to_folded(std::string_view text);       // str.casefold

// Strips whitespace, or if `chars` is given its code points. Which ends: 'l', 'r' or 'b'.
std::string_view strip(std::string_view text, const std::string_view* chars, char ends);

// As Python's repr of a str: single quotes unless that needs more escapes, \n, \x07, \u200b ...
std::string repr(std::string_view text);

}  // namespace glassbox::python
