#include "server/hub/csv.h"

#include <algorithm>
#include <array>

namespace glassbox::hubapi {
namespace {

// What formulas begin with, also in the wide forms of East Asian keyboards: = + - @.
constexpr std::array<std::string_view, 8> kBeginnings{
    "=", "+", "-", "@", "\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"};

}  // namespace

std::string csv_field(std::string_view text) {
  std::string field = "\"";
  // Which character ends a cell depends on where the spreadsheet lives.
  for (bool may_begin = true; !text.empty(); text.remove_prefix(1)) {
    if (may_begin && std::ranges::any_of(kBeginnings, [&](auto beginning) { return text.starts_with(beginning); }))
      field += '\'';
    const auto c = static_cast<unsigned char>(text.front());
    const bool is_blank = c <= 0x20 || c == 0x7f, is_end = c == ',' || c == ';' || c == '|' || c == '"' || c == '\'';
    may_begin = (may_begin && is_blank) || is_end || (is_blank && c != ' ');
    if (c == '"') field += '"';
    field += is_blank ? ' ' : static_cast<char>(c);
  }
  return field + '"';
}

}  // namespace glassbox::hubapi
