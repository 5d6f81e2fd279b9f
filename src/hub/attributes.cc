#include "hub/attributes.h"

#include <algorithm>
#include <ranges>

namespace glassbox::hub {
namespace {

std::string_view take(std::string_view& text, std::string_view ends) {
  const std::string_view part = text.substr(0, text.find_first_of(ends));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return part;
}

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) parts.push_back(take(path, "/"));
  return parts;
}

// Whether `pattern` fits all of `items`, where a wild one of it stands for any number of them. Only the last wild one
// is ever gone back to, so it takes no more steps than both lengths multiplied.
template <class Pattern, class Items, class IsWild, class Fits>
bool fits_all(const Pattern& pattern, const Items& items, const IsWild& is_wild, const Fits& fits) {
  size_t p = 0, i = 0, wild = pattern.size(), from = 0;
  while (i < items.size()) {
    if (p < pattern.size() && is_wild(pattern[p])) {
      wild = p++;
      from = i;
    } else if (p < pattern.size() && fits(pattern[p], items[i])) {
      ++p;
      ++i;
    } else if (wild < pattern.size()) {
      p = wild + 1;
      i = ++from;
    } else {
      return false;
    }
  }
  return std::all_of(pattern.begin() + static_cast<std::ptrdiff_t>(p), pattern.end(), is_wild);
}

// A character of a pattern: itself, any ("?"), any number ("*"), or one of a set ("[a-z]", "[!0-9]").
struct Glyph {
  enum class Kind { one, any, star, set } kind = Kind::one;
  char c = 0;
  std::string_view set;
  bool fits(char other) const {
    if (kind != Kind::set) return kind == Kind::any || c == other;
    const bool outside = set.starts_with('!') || set.starts_with('^');
    const std::string_view of = set.substr(outside ? 1 : 0);
    bool in = false;
    for (size_t k = 0; k < of.size(); ++k) {
      if (k + 2 < of.size() && of[k + 1] == '-') {
        in |= of[k] <= other && other <= of[k + 2];
        k += 2;
      } else {
        in |= of[k] == other;
      }
    }
    return in != outside;
  }
};

std::vector<Glyph> glyphs_of(std::string_view pattern) {
  std::vector<Glyph> glyphs;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const size_t close = pattern[i] == '[' ? pattern.find(']', i + 2) : std::string_view::npos;
    if (close != std::string_view::npos) {
      glyphs.push_back({Glyph::Kind::set, 0, pattern.substr(i + 1, close - i - 1)});
      i = close;
    } else if (pattern[i] == '*' || pattern[i] == '?') {
      glyphs.push_back({pattern[i] == '*' ? Glyph::Kind::star : Glyph::Kind::any, 0, {}});
    } else {
      if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
      glyphs.push_back({Glyph::Kind::one, pattern[i], {}});
    }
  }
  return glyphs;
}

bool fits_name(std::string_view pattern, std::string_view name) {
  return fits_all(
      glyphs_of(pattern), name, [](const Glyph& glyph) { return glyph.kind == Glyph::Kind::star; },
      [](const Glyph& glyph, char c) { return glyph.fits(c); });
}

bool fits_path(std::string_view pattern, std::string_view path) {
  return fits_all(parts_of(pattern), parts_of(path), [](std::string_view part) { return part == "**"; }, fits_name);
}

}  // namespace

Attributes::Attributes(std::string_view text) {
  while (!text.empty()) {
    std::string_view line = take(text, "\r\n");
    const std::string_view pattern = take(line, " \t");
    if (pattern.empty() || pattern.starts_with('#')) continue;
    for (bool said = false; !line.empty() && !said;) {
      const std::string_view attribute = take(line, " \t");
      said = attribute.starts_with("filter=") || attribute == "-filter" || attribute == "!filter";
      if (said) lines_.push_back({std::string(pattern), attribute == "filter=lfs"});
    }
  }
}

bool Attributes::is_large(std::string_view path) const {
  for (const Line& line : lines_ | std::views::reverse) {
    std::string_view pattern = line.pattern, of = path;
    if (pattern.find('/') == std::string_view::npos)
      of = path.substr(path.rfind('/') + 1);  // a pattern without a slash is of names, in any folder
    else if (pattern.starts_with('/'))
      pattern.remove_prefix(1);
    if (fits_path(pattern, of)) return line.large;
  }
  return false;
}

}  // namespace glassbox::hub
