#include "jinja/lexer.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "unicode/python_text.h"
#include "unicode/utf8.h"

namespace glassbox::jinja {
namespace {

std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view name) : source_(normalize_newlines(source)), name_(name) {}

  std::vector<Token> run() {
    if (size_t good = unicode::valid_prefix(source_); good != source_.size()) {
      line_ += static_cast<int>(std::count(source_.begin(), source_.begin() + static_cast<long>(good), '\n'));
      error("not UTF-8");
    }
    while (at_ < source_.size()) text();
    push(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void error(const std::string& what) const {
    fail(ErrorKind::bad_file, "{}: line {}: {}", name_, line_, what);
  }
  [[noreturn]] void unsupported(const std::string& what) const {
    fail(ErrorKind::unsupported, "{}: line {}: {}", name_, line_, what);
  }

  void push(TokenKind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool ahead(std::string_view what) const { return rest().starts_with(what); }
  char peek(size_t offset = 0) const { return at_ + offset < source_.size() ? source_[at_ + offset] : '\0'; }

  // Moves on, counting lines.
  void advance(size_t to) {
    line_ += static_cast<int>(
        std::count(source_.begin() + static_cast<long>(at_), source_.begin() + static_cast<long>(to), '\n'));
    at_ = to;
  }

  size_t skip_space(size_t at) const {
    while (at < source_.size()) {
      size_t next = at;
      if (!python::is_space(unicode::next_valid(source_, next))) break;
      at = next;
    }
    return at;
  }

  // After `%}` or `#}` at `at`, with the sign before it at at - 1 if there is one: where the tag's match ends.
  size_t after_end(size_t at, char sign) const {
    at += 2;
    if (sign == '-') return skip_space(at);
    if (sign != '+' && at < source_.size() && source_[at] == '\n') ++at;  // trim_blocks
    return at;
  }

  // The end of `{%- raw -%}` if that is what stands at `at`.
  std::optional<size_t> raw_begin(size_t at) const {
    size_t p = at + 2;
    if (p < source_.size() && (source_[p] == '-' || source_[p] == '+')) ++p;
    p = skip_space(p);
    if (source_.compare(p, 3, "raw") != 0) return std::nullopt;
    p = skip_space(p + 3);
    if (source_.compare(p, 3, "-%}") == 0) return skip_space(p + 3);
    if (source_.compare(p, 2, "%}") == 0) return p + 2;
    return std::nullopt;
  }

  std::optional<size_t> raw_end(size_t at) const {
    size_t p = at + 2;
    if (p < source_.size() && (source_[p] == '-' || source_[p] == '+')) ++p;
    p = skip_space(p);
    if (source_.compare(p, 6, "endraw") != 0) return std::nullopt;
    p = skip_space(p + 6);
    char sign = p < source_.size() && (source_[p] == '-' || source_[p] == '+') ? source_[p++] : '\0';
    if (source_.compare(p, 2, "%}") != 0) return std::nullopt;
    return after_end(p, sign);
  }

  // The text before a tag that begins at `tag`, as the tag's sign and lstrip_blocks leave it.
  void push_data(size_t tag, char sign, bool is_variable) {
    std::string_view data = std::string_view(source_).substr(at_, tag - at_);
    if (sign == '-') {
      data = python::strip(data, nullptr, 'r');
    } else if (sign != '+' && !is_variable) {
      size_t line = data.rfind('\n');
      line = line == data.npos ? 0 : line + 1;
      if ((line > 0 || line_starting_) && python::strip(data.substr(line), nullptr, 'l').empty())
        data = data.substr(0, line);
    }
    if (!data.empty()) push(TokenKind::data, std::string(data));
  }

  void end_match(size_t to) {
    line_starting_ = to > 0 && source_[to - 1] == '\n';
    advance(to);
  }

  void text() {
    size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        push(TokenKind::data, std::string(rest()));
        return advance(source_.size());
      }
      char next = source_[tag + 1];
      if (next == '{' || next == '%' || next == '#') break;
    }
    char kind = source_[tag + 1], sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (sign != '-' && sign != '+') sign = '\0';
    std::optional<size_t> raw = kind == '%' ? raw_begin(tag) : std::nullopt;
    push_data(tag, sign, kind == '{');
    if (raw) {
      end_match(*raw);
      return raw_block();
    }
    end_match(tag + (sign ? 3 : 2));
    if (kind == '#') return comment();
    push(kind == '{' ? TokenKind::variable_begin : TokenKind::block_begin, "");
    expression(kind == '{');
  }

  void comment() {
    size_t end = source_.find("#}", at_);
    if (end == std::string::npos) error("missing end of comment tag");
    char sign = end > at_ ? source_[end - 1] : '\0';
    end_match(after_end(end, sign));
  }

  void raw_block() {
    for (size_t tag = at_;; ++tag) {
      tag = source_.find("{%", tag);
      if (tag == std::string::npos) error("missing end of raw directive");
      auto end = raw_end(tag);
      if (!end) continue;
      char sign = source_[tag + 2];
      push_data(tag, sign == '-' || sign == '+' ? sign : '\0', false);
      return end_match(*end);
    }
  }

  // The end of the tag if it stands here.
  std::optional<size_t> tag_end(bool is_variable) const {
    if (is_variable) {
      if (ahead("-}}")) return skip_space(at_ + 3);
      if (ahead("}}")) return at_ + 2;
    } else {
      if (ahead("+%}") || ahead("-%}")) return after_end(at_ + 1, peek());
      if (ahead("%}")) return after_end(at_, '\0');
    }
    return std::nullopt;
  }

  void expression(bool is_variable) {
    std::string open;  // the brackets that close what is open
    while (at_ < source_.size()) {
      if (open.empty()) {
        if (auto end = tag_end(is_variable)) {
          push(is_variable ? TokenKind::variable_end : TokenKind::block_end, "");
          return end_match(*end);
        }
      }
      if (size_t past = skip_space(at_); past > at_) {
        end_match(past);
        continue;
      }
      size_t start = at_;
      if (!number() && !word() && !quoted()) op(open);
      line_starting_ = false;
      if (at_ == start)
        error(fmt::format("unexpected character {}", python::repr(rest().substr(0, unicode::prefix_bytes(rest(), 1)))));
    }
    if (!open.empty()) error(fmt::format("unexpected end of template, expected '{}'", open.back()));
  }

  // Digits with single underscores between them, from `at`; where they end, `at` if there are none.
  template <class Is>
  size_t digits(size_t at, Is is, bool leading_underscore = false) const {
    size_t end = at;
    for (size_t p = at; p < source_.size(); ++p) {
      if (is(source_[p]))
        end = p + 1;
      else if (source_[p] != '_' || (p > at ? source_[p - 1] == '_' : !leading_underscore))
        break;
    }
    return end;
  }

  bool number() {
    auto decimal = [](char c) { return c >= '0' && c <= '9'; };
    if (!decimal(peek())) return false;
    auto lower = [&](size_t at) { return at < source_.size() ? source_[at] | 0x20 : 0; };
    size_t end = digits(at_, decimal);
    bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    bool real = false;
    if (!after_dot) {
      if (end < source_.size() && source_[end] == '.') {
        size_t past = digits(end + 1, decimal);
        if (past > end + 1 && decimal(source_[end + 1])) end = past, real = true;
      }
      if (lower(end) == 'e') {
        size_t exponent = end + 1;
        if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-')) ++exponent;
        size_t past = digits(exponent, decimal);
        if (past > exponent && decimal(source_[exponent])) end = past, real = true;
      }
    }
    if (!real) {
      end = at_ + 1;
      if (peek() == '0') {
        size_t past = at_ + 2;
        switch (lower(at_ + 1)) {
          case 'x':
            past = digits(at_ + 2, [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }, true);
            break;
          case 'o':
            past = digits(at_ + 2, [](char c) { return c >= '0' && c <= '7'; }, true);
            break;
          case 'b':
            past = digits(at_ + 2, [](char c) { return c == '0' || c == '1'; }, true);
            break;
          default:
            break;
        }
        end = past > at_ + 2 ? past : digits(at_, [](char c) { return c == '0'; });
      } else {
        end = digits(at_, decimal);
      }
    }
    std::string text = source_.substr(at_, end - at_);
    std::erase(text, '_');
    push(real ? TokenKind::floating : TokenKind::integer, std::move(text));
    at_ = end;
    return true;
  }

  bool word() {
    size_t end = at_;
    while (end < source_.size()) {
      size_t next = end;
      char32_t c = unicode::next_valid(source_, next);
      if (!python::is_identifier_part(c) && !python::is_numeric(c)) break;
      end = next;
    }
    if (end == at_) return false;
    std::string text = source_.substr(at_, end - at_);
    auto letters = unicode::code_points(text);
    if (!python::is_identifier_start(letters[0]) ||
        !std::all_of(letters.begin(), letters.end(), python::is_identifier_part))
      error("invalid character in identifier");
    push(TokenKind::name, std::move(text));
    at_ = end;
    return true;
  }

  bool quoted() {
    char mark = peek();
    if (mark != '\'' && mark != '"') return false;
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != mark) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return false;
    push(TokenKind::string, unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1)));
    advance(end + 1);
    return true;
  }

  uint32_t hex(std::string_view text, size_t& at, size_t count) const {
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i, ++at) {
      if (at >= text.size() || !std::isxdigit(static_cast<unsigned char>(text[at])))
        error("truncated escape in a string");
      char c = static_cast<char>(text[at] | 0x20);
      value = value << 4 | static_cast<uint32_t>(c >= 'a' ? c - 'a' + 10 : text[at] - '0');
    }
    return value;
  }

  // Python's unicode-escape.
  std::string unescape(std::string_view text) const {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      if (text[at] != '\\') {
        out += text[at++];
        continue;
      }
      if (++at >= text.size()) {
        out += '\\';
        break;
      }
      char c = text[at++];
      uint32_t code = 0;
      switch (c) {
        case '\n':
          continue;
        case '\\':
        case '\'':
        case '"':
          out += c;
          continue;
        case 'a':
          out += '\a';
          continue;
        case 'b':
          out += '\b';
          continue;
        case 'f':
          out += '\f';
          continue;
        case 'n':
          out += '\n';
          continue;
        case 'r':
          out += '\r';
          continue;
        case 't':
          out += '\t';
          continue;
        case 'v':
          out += '\v';
          continue;
        case 'x':
          code = hex(text, at, 2);
          break;
        case 'u':
          code = hex(text, at, 4);
          break;
        case 'U':
          code = hex(text, at, 8);
          break;
        case 'N':
          unsupported("\\N{...} in a string");
        default:
          if (c >= '0' && c <= '7') {
            code = static_cast<uint32_t>(c - '0');
            for (int i = 0; i < 2 && at < text.size() && text[at] >= '0' && text[at] <= '7'; ++i)
              code = code << 3 | static_cast<uint32_t>(text[at++] - '0');
            break;
          }
          out += '\\';
          if (static_cast<unsigned char>(c) < 0x80) {
            out += c;
          } else {
            // Jinja2 first writes what is not ASCII as an escape; the backslash before it then escapes that one.
            --at;
            uint32_t escaped = unicode::next_valid(text, at);
            out += escaped < 0x100     ? fmt::format("x{:02x}", escaped)
                   : escaped < 0x10000 ? fmt::format("u{:04x}", escaped)
                                       : fmt::format("U{:08x}", escaped);
          }
          continue;
      }
      if (code > 0x10ffff) error("illegal Unicode character in a string");
      if (code >= 0xd800 && code < 0xe000) unsupported("half of a surrogate pair in a string");
      unicode::append(out, code);
    }
    return out;
  }

  void op(std::string& open) {
    static constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view kOne = "+-/*%~[](){}><=.:|,;";
    size_t size = 0;
    for (std::string_view two : kTwo)
      if (ahead(two)) size = 2;
    if (size == 0 && kOne.find(peek()) != kOne.npos && peek() != '\0') size = 1;
    if (size == 0) return;
    std::string text = source_.substr(at_, size);
    char c = text[0];
    if (c == '(') open += ')';
    if (c == '[') open += ']';
    if (c == '{') open += '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) error(fmt::format("unexpected '{}'", c));
      if (open.back() != c) error(fmt::format("unexpected '{}', expected '{}'", c, open.back()));
      open.pop_back();
    }
    push(TokenKind::op, std::move(text));
    at_ += size;
  }

  std::string source_;
  std::string_view name_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source, std::string_view name) { return Lexer(source, name).run(); }

}  // namespace glassbox::jinja
