#include "cli/columns.h"

#include <utf8proc.h>

#include "unicode/utf8.h"

namespace glassbox {
namespace {

constexpr char32_t kJoiner = 0x200D, kEmojiStyle = 0xFE0F;

bool is_regional(char32_t c) { return c >= 0x1F1E6 && c <= 0x1F1FF; }

int width(char32_t c) {
  if (c == unicode::kBroken) return 1;
  const auto point = static_cast<utf8proc_int32_t>(c);
  // Emoji that are newer than the tables stand where emoji stand.
  if (utf8proc_category(point) == UTF8PROC_CATEGORY_CN) return c >= 0x1F000 && c <= 0x1FAFF ? 2 : 1;
  return utf8proc_charwidth(point);
}

}  // namespace

size_t cluster_end(std::string_view text, size_t at) {
  char32_t before = unicode::next(text, at);
  utf8proc_int32_t state = 0;
  while (at < text.size() && before != unicode::kBroken) {
    size_t after = at;
    const char32_t c = unicode::next(text, after);
    if (c == unicode::kBroken || utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before),
                                                                  static_cast<utf8proc_int32_t>(c), &state))
      break;
    before = c;
    at = after;
  }
  return at;
}

size_t cluster_begin(std::string_view text, size_t at) {
  // What joins depends on all that came before (flags are pairs of letters): clusters are counted from a line's start.
  size_t begin = text.rfind('\n', at - 1);
  begin = begin == std::string_view::npos ? 0 : begin;
  for (;;) {
    const size_t end = cluster_end(text, begin);
    if (end >= at) return begin;
    begin = end;
  }
}

int cluster_columns(std::string_view cluster) {
  int sum = 0, characters = 0;
  bool wide = false, joined = false;
  for (size_t at = 0; at < cluster.size(); ++characters) {
    const char32_t c = unicode::next(cluster, at);
    const int w = width(c);
    if (characters == 0 && (w == 2 || is_regional(c))) wide = true;
    if (c == kJoiner || c == kEmojiStyle || (is_regional(c) && characters > 0)) joined = true;
    sum += w;
  }
  return characters > 1 && (wide || joined) ? 2 : sum;
}

int columns(std::string_view text) {
  int sum = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = cluster_end(text, at);
    sum += cluster_columns(text.substr(at, end - at));
    at = end;
  }
  return sum;
}

std::string without_controls(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = unicode::next(text, at);
    if (c == unicode::kBroken || (c >= 0x7F && c <= 0x9F)) {
      out += "\xEF\xBF\xBD";
    } else if (c < 0x20 && c != '\n' && c != '\t') {
      out += '^';
      out += static_cast<char>(c + '@');
    } else {
      out += text.substr(begin, at - begin);
    }
  }
  return out;
}

}  // namespace glassbox
