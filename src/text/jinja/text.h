// Searching, splitting and padding text as Python's str does. Times are linear, whatever the texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::jinja {

// Where `needle` begins in text, from byte `from`; npos if nowhere.
size_t find_text(std::string_view text, std::string_view needle, size_t from = 0);
// Where the last one begins.
size_t find_last_text(std::string_view text, std::string_view needle);

// At most `most` replacements, all if negative. An empty `from` is found between all characters.
std::string replace_text(std::string_view text, std::string_view from, std::string_view to, int64_t most);

// split() at runs of whitespace, or at a separator that is not empty: at most `most` times, from the left or right.
std::vector<std::string_view> split_space(std::string_view text, int64_t most, bool from_right);
std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, int64_t most,
                                       bool from_right);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

// Padded with `fill`, one character, to `width` characters; align < > ^ as ljust, rjust and center do.
std::string justify(std::string_view text, int64_t width, char align, std::string_view fill);

// For an error: line breaks become spaces, and a text that is too long is cut.
std::string one_line(std::string_view text);

}  // namespace glassbox::jinja
