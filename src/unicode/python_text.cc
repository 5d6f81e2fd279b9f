#include "unicode/python_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "unicode/utf8.h"

namespace glassbox::python {
namespace {

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }
char32_t simple_upper(char32_t c) { return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))); }
char32_t simple_lower(char32_t c) { return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))); }
char32_t simple_title(char32_t c) { return static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))); }

// Full case folding: one to three code points.
std::vector<char32_t> fold(char32_t c) {
  utf8proc_int32_t folded[8];
  int boundary = 0;
  auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), folded, 8, UTF8PROC_CASEFOLD, &boundary);
  if (n <= 0 || n > 8) return {c};
  return {folded, folded + n};
}

// Characters whose capital form is several characters (SpecialCasing.txt) are those that fold to several; their
// capitals are the capitals of what they fold to. Capitals themselves (U+0130, U+1E9E) stay as they are.
bool has_long_capital(char32_t c, std::vector<char32_t>& folded) {
  if (c < 0xdf || category(c) == UTF8PROC_CATEGORY_LU) return false;
  folded = fold(c);
  return folded.size() > 1;
}

void append_upper(std::string& out, char32_t c) {
  std::vector<char32_t> folded;
  if (c < 0x80) {
    out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  } else if (has_long_capital(c, folded)) {
    for (char32_t part : folded) unicode::append(out, simple_upper(part));
  } else {
    unicode::append(out, simple_upper(c));
  }
}

void append_title(std::string& out, char32_t c) {
  std::vector<char32_t> folded;
  if (simple_title(c) == c && has_long_capital(c, folded) && category(c) != UTF8PROC_CATEGORY_LT) {
    unicode::append(out, simple_title(folded[0]));
    for (size_t i = 1; i < folded.size(); ++i) unicode::append(out, folded[i]);
  } else {
    unicode::append(out, simple_title(c));
  }
}

// Case_Ignorable, which the rule for a final sigma looks through.
bool is_case_ignorable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x387 || c == 0x55f || c == 0x5f4 || c == 0x2018 ||
             c == 0x2019 || c == 0x2024 || c == 0x2027 || c == 0xfe13 || c == 0xfe52 || c == 0xfe55 || c == 0xff07 ||
             c == 0xff0e || c == 0xff1a;
  }
}

bool is_cased(char32_t c) { return is_lower(c) || is_upper(c) || category(c) == UTF8PROC_CATEGORY_LT; }

bool is_final_sigma(std::string_view text, size_t start, size_t end) {
  bool before = false;
  for (size_t at = start; at > 0;) {
    char32_t c = unicode::previous(text, at);
    if (is_case_ignorable(c)) continue;
    before = is_cased(c);
    break;
  }
  if (!before) return false;
  for (size_t at = end; at < text.size();) {
    char32_t c = unicode::next_valid(text, at);
    if (is_case_ignorable(c)) continue;
    return !is_cased(c);
  }
  return true;
}

// The lower case of the character that lies at [start, end) of `text`.
void append_lower(std::string& out, char32_t c, std::string_view text, size_t start, size_t end) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  } else if (c == 0x3a3) {
    unicode::append(out, is_final_sigma(text, start, end) ? 0x3c2 : 0x3c3);
  } else if (c == 0x130) {
    out += "i\u0307";
  } else {
    unicode::append(out, simple_lower(c));
  }
}

}  // namespace

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_line_break(char32_t c) {
  return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool is_alphabetic(char32_t c) {
  auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

bool is_digit(char32_t c) {
  // Digits that are no decimals: superscripts, subscripts, circled and the like up to nine.
  return is_decimal(c) || c == 0xb2 || c == 0xb3 || c == 0xb9 || (c >= 0x1369 && c <= 0x1371) || c == 0x19da ||
         c == 0x2070 || (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468) ||
         (c >= 0x2474 && c <= 0x247c) || (c >= 0x2488 && c <= 0x2490) || c == 0x24ea || (c >= 0x24f5 && c <= 0x24fd) ||
         c == 0x24ff || (c >= 0x2776 && c <= 0x277e) || (c >= 0x2780 && c <= 0x2788) || (c >= 0x278a && c <= 0x2792) ||
         (c >= 0x10a40 && c <= 0x10a43) || (c >= 0x10e60 && c <= 0x10e68) || (c >= 0x11052 && c <= 0x1105a) ||
         (c >= 0x1f100 && c <= 0x1f10a);
}

bool is_numeric(char32_t c) {
  auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO;
}

bool is_lower(char32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z';
  return category(c) == UTF8PROC_CATEGORY_LL || c == 0xaa || c == 0xba || (c >= 0x2b0 && c <= 0x2b8) ||
         (c >= 0x2c0 && c <= 0x2c1) || (c >= 0x2e0 && c <= 0x2e4) || c == 0x345 || c == 0x37a ||
         (c >= 0x1d2c && c <= 0x1d6a) || c == 0x1d78 || (c >= 0x1d9b && c <= 0x1dbf) || c == 0x2071 || c == 0x207f ||
         (c >= 0x2090 && c <= 0x209c) || (c >= 0x2170 && c <= 0x217f) || (c >= 0x24d0 && c <= 0x24e9) ||
         (c >= 0x2c7c && c <= 0x2c7d) || (c >= 0xa69c && c <= 0xa69d) || c == 0xa770 || (c >= 0xa7f8 && c <= 0xa7f9) ||
         (c >= 0xab5c && c <= 0xab5f);
}

bool is_upper(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z';
  return category(c) == UTF8PROC_CATEGORY_LU || (c >= 0x2160 && c <= 0x216f) || (c >= 0x24b6 && c <= 0x24cf) ||
         (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
}

bool is_title(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LT; }

bool is_printable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return c == ' ';
    default:
      return true;
  }
}

bool is_identifier_start(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  return is_alphabetic(c) || category(c) == UTF8PROC_CATEGORY_NL;
}

bool is_identifier_part(char32_t c) {
  if (c < 0x80) return is_identifier_start(c) || (c >= '0' && c <= '9');
  auto kind = category(c);
  return is_identifier_start(c) || kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_MN ||
         kind == UTF8PROC_CATEGORY_MC || kind == UTF8PROC_CATEGORY_PC;
}

std::string to_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) append_upper(out, unicode::next_valid(text, at));
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t start = at;
    char32_t c = unicode::next_valid(text, at);
    append_lower(out, c, text, start, at);
  }
  return out;
}

std::string to_title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    size_t start = at;
    char32_t c = unicode::next_valid(text, at);
    if (inside)
      append_lower(out, c, text, start, at);
    else
      append_title(out, c);
    inside = is_cased(c);
  }
  return out;
}

std::string to_capitalized(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t start = at;
    char32_t c = unicode::next_valid(text, at);
    if (start == 0)
      append_title(out, c);
    else
      append_lower(out, c, text, start, at);
  }
  return out;
}

std::string to_swapped(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t start = at;
    char32_t c = unicode::next_valid(text, at);
    if (is_upper(c))
      append_lower(out, c, text, start, at);
    else if (is_lower(c))
      append_upper(out, c);
    else
      unicode::append(out, c);
  }
  return out;
}

std::string to_folded(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();)
    for (char32_t c : fold(unicode::next_valid(text, at))) unicode::append(out, c);
  return out;
}

std::string_view strip(std::string_view text, const std::string_view* chars, char ends) {
  std::vector<char32_t> set;
  if (chars) set = unicode::code_points(*chars);
  std::sort(set.begin(), set.end());
  auto drops = [&](char32_t c) { return chars ? std::binary_search(set.begin(), set.end(), c) : is_space(c); };
  size_t start = 0, end = text.size();
  if (ends != 'r') {
    for (size_t at = start; at < end && drops(unicode::next_valid(text, at));) start = at;
  }
  if (ends != 'l') {
    for (size_t at = end; at > start && drops(unicode::previous(text, at));) end = at;
  }
  return text.substr(start, end - start);
}

std::string repr(std::string_view text) {
  bool single = text.find('\'') != text.npos, twice = text.find('"') != text.npos;
  char mark = single && !twice ? '"' : '\'';
  static constexpr char kHex[] = "0123456789abcdef";
  auto hex = [](std::string& out, char32_t c, int digits) {
    for (int i = digits - 1; i >= 0; --i) out += kHex[c >> (4 * i) & 15];
  };
  std::string out(1, mark);
  for (size_t at = 0; at < text.size();) {
    size_t start = at;
    char32_t c = unicode::next_valid(text, at);
    if (c == static_cast<unsigned char>(mark) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_printable(c)) {
      out += text.substr(start, at - start);
    } else if (c < 0x100) {
      out += "\\x";
      hex(out, c, 2);
    } else if (c < 0x10000) {
      out += "\\u";
      hex(out, c, 4);
    } else {
      out += "\\U";
      hex(out, c, 8);
    }
  }
  out += mark;
  return out;
}

}  // namespace glassbox::python
