// Searching, splitting and padding text as Python's str does. Times are linear, whatever the texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/value.h"
#include "unicode/mixed_text.h"

namespace glassbox::jinja {

// A string of the kind `like` is: markup or not.
Value string_like(const Value& like, MixedText text);

// Where `needle` begins in text, from byte `from`; npos if nowhere.
size_t find_text(std::string_view text, std::string_view needle, size_t from = 0);
// Where the last one begins.
size_t find_last_text(std::string_view text, std::string_view needle);

// At most `most` replacements, all if negative. An empty `from` is found between all characters.
MixedText replace_text(const MixedText& text, std::string_view from, const MixedText& to, int64_t most);

// split() at runs of whitespace, or at a separator that is not empty: at most `most` times, from the left or right.
std::vector<std::string_view> split_space(std::string_view text, int64_t most, bool from_right);
std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, int64_t most,
                                       bool from_right);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

// Padded with `fill`, one character, to `width` characters; align < > ^ as ljust, rjust and center do.
MixedText justify(const MixedText& text, int64_t width, char align, const MixedText& fill);

// `map` of a text, for maps whose lengths add up, whatever is around a character: each run keeps what it is.
template <class Map>
MixedText map_runs(const MixedText& text, Map&& map) {
  const std::string made = map(text.text());
  if (text.one_kind()) return {made, text.trusted()};
  MixedText out;
  text.each_run([&](std::string_view run, bool trusted) {
    out.append(std::string_view(made).substr(out.size(), map(run).size()), trusted);
  });
  return out.size() == made.size() ? out : MixedText(made, false);
}
// What was made of a whole text: trusted if all of that was.
inline MixedText made_of(const MixedText& text, std::string made) { return {std::move(made), text.trusted()}; }

// For an error: line breaks become spaces, and a text that is too long is cut.
std::string one_line(std::string_view text);

}  // namespace glassbox::jinja
