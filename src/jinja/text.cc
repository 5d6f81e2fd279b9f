#include "jinja/text.h"

#include <algorithm>
#include <cstring>

#include "unicode/python_text.h"
#include "unicode/utf8.h"

namespace glassbox::jinja {
namespace {

std::string reversed(std::string_view text) { return {text.rbegin(), text.rend()}; }

}  // namespace

Value string_like(const Value& like, MixedText text) { return Value::string(std::move(text), like.str().markup); }

size_t find_text(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return text.npos;
  if (needle.empty()) return from;
  const void* found = ::memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) : text.npos;
}

size_t find_last_text(std::string_view text, std::string_view needle) {
  if (needle.empty()) return text.size();
  size_t at = find_text(reversed(text), reversed(needle));
  return at == text.npos ? text.npos : text.size() - at - needle.size();
}

MixedText replace_text(const MixedText& mixed, std::string_view from, const MixedText& to, int64_t most) {
  MixedText out;
  const std::string_view text = mixed.text();
  size_t at = 0;
  spend_bytes(text.size());
  auto put = [&](const MixedText& part, size_t begin, size_t end) {
    out.append(part, begin, end);
    check_string_size(out.size());
  };
  if (from.empty()) {
    for (; most != 0; --most) {
      put(to, 0, to.size());
      if (at >= text.size()) return out;
      size_t start = at;
      unicode::next_valid(text, at);
      put(mixed, start, at);
      spend_items(1);
    }
  } else {
    for (; most != 0; --most) {
      size_t found = find_text(text, from, at);
      if (found == text.npos) break;
      put(mixed, at, found);
      put(to, 0, to.size());
      at = found + from.size();
    }
  }
  put(mixed, at, text.size());
  return out;
}

std::vector<std::string_view> split_space(std::string_view text, int64_t most, bool from_right) {
  std::vector<std::string_view> parts;
  for (;;) {
    text = python::strip(text, nullptr, from_right ? 'r' : 'l');
    if (text.empty()) break;
    if (most >= 0 && static_cast<int64_t>(parts.size()) >= most) {
      parts.push_back(text);
      break;
    }
    size_t at = from_right ? text.size() : 0, edge = at;
    while (from_right ? at > 0 : at < text.size()) {
      if (python::is_space(from_right ? unicode::previous(text, at) : unicode::next_valid(text, at))) break;
      edge = at;
    }
    spend_items(1);
    parts.push_back(from_right ? text.substr(edge) : text.substr(0, edge));
    text = from_right ? text.substr(0, edge) : text.substr(edge);
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, int64_t most,
                                       bool from_right) {
  std::string backward = from_right ? reversed(text) : "", backward_separator = from_right ? reversed(separator) : "";
  std::string_view look = from_right ? backward : text, mark = from_right ? backward_separator : separator;
  std::vector<std::string_view> parts;
  size_t start = 0;
  auto take = [&](size_t end) {
    parts.push_back(from_right ? text.substr(text.size() - end, end - start) : text.substr(start, end - start));
    spend_items(1);
  };
  while (most < 0 || static_cast<int64_t>(parts.size()) < most) {
    size_t at = find_text(look, mark, start);
    if (at == look.npos) break;
    take(at);
    start = at + mark.size();
  }
  take(text.size());
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    char32_t c = unicode::next_valid(text, at);
    if (!python::is_line_break(c)) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(start, (keep_ends ? at : end) - start));
    spend_items(1);
    start = at;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::string one_line(std::string_view text) {
  constexpr size_t kLongest = 1000;
  std::string out(text.substr(0, unicode::prefix_bytes(text, kLongest)));
  if (out.size() < text.size()) out += "...";
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return out;
}

MixedText justify(const MixedText& text, int64_t width, char align, const MixedText& fill) {
  auto length = static_cast<int64_t>(unicode::count_code_points(text.text()));
  if (length >= width) return text;
  int64_t missing = width - length;
  check_string_size(fill.size(), static_cast<size_t>(missing));
  // CPython puts the odd one left only if the width is odd too.
  int64_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2 + (missing & width & 1);
  MixedText out;
  for (int64_t i = 0; i < left; ++i) out.append(fill);
  out.append(text);
  for (int64_t i = left; i < missing; ++i) out.append(fill);
  return out;
}

}  // namespace glassbox::jinja
