// Python's view of text over UTF-8: code points, its whitespace, its case mappings, its repr. Text here is valid
// UTF-8 throughout: template sources and contexts are checked when they enter.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::jinja {

size_t count_code_points(std::string_view text);
// Bytes of the first `count` code points (all of the text if it has fewer).
size_t prefix_bytes(std::string_view text, size_t count);
// The code point at `byte`, and `byte` moved past it.
uint32_t next_code_point(std::string_view text, size_t& byte);
// The code point that ends before `byte`, and `byte` moved to its start.
uint32_t previous_code_point(std::string_view text, size_t& byte);
std::vector<uint32_t> code_points(std::string_view text);

bool is_space(uint32_t c);       // str.isspace
bool is_line_break(uint32_t c);  // what str.splitlines splits at
bool is_alphabetic(uint32_t c);  // str.isalpha
bool is_decimal(uint32_t c);     // str.isdecimal
bool is_digit(uint32_t c);       // str.isdigit
bool is_numeric(uint32_t c);     // str.isnumeric
bool is_lower(uint32_t c);
bool is_upper(uint32_t c);
bool is_title(uint32_t c);
bool is_printable(uint32_t c);
bool is_identifier_start(uint32_t c);
bool is_identifier_part(uint32_t c);

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
std::string quote(std::string_view text);

}  // namespace glassbox::jinja
