#include "unicode/python_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/quote.h"
#include "unicode/pattern_reader.h"

namespace glassbox {
namespace {

constexpr int kDeepest = 50;
constexpr int64_t kMostRepeats = 65535;  // PCRE2's

// Of ASCII texts: Python's sets take more beyond.
constexpr std::string_view kPythonSpace = R"(\t-\r\x{1c}-\x{20})", kDigit = "0-9", kWord = "0-9A-Za-z_";

// Python's spelling to PCRE2's, a construct at a time: what is not known here is refused.
class PythonTranslator : PatternReader {
 public:
  PythonTranslator(std::string_view text, std::string_view source) : PatternReader(text, source) {}

  std::string run() {
    // Flags for all of it stand first.
    while (sees("(?") && take_flags_for_all()) {}
    out_ += flags_.ignore_case ? "(?i:" : "(?:";
    alternatives(0);
    if (at_ < text_.size()) malformed("unbalanced parenthesis");
    return std::move(out_) + ")";
  }

 private:
  struct Flags {
    bool ignore_case = false, multiline = false, dot_all = false, verbose = false;
  };

  std::string_view take_until(char end) {
    const size_t found = text_.find(end, at_);
    if (found == text_.npos) malformed(fmt::format("missing {}", end));
    const std::string_view taken = text_.substr(at_, found - at_);
    at_ = found + 1;
    return taken;
  }

  bool set_flag(char letter, Flags& flags, bool on) const {
    switch (letter) {
      case 'i':
        flags.ignore_case = on;
        return true;
      case 'm':
        flags.multiline = on;
        return true;
      case 's':
        flags.dot_all = on;
        return true;
      case 'x':
        flags.verbose = on;
        return true;
      case 'u':
        return on;
      case 'a':
      case 'L':
        unsupported(fmt::format("flag {}", letter));
      default:
        return false;
    }
  }

  // "(?im)", and nothing taken of other groups.
  bool take_flags_for_all() {
    size_t end = at_ + 2;
    while (end < text_.size() && std::isalpha(static_cast<unsigned char>(text_[end]))) ++end;
    if (end == at_ + 2 || end >= text_.size() || text_[end] != ')' || text_[at_ + 2] == 'P') return false;
    for (size_t i = at_ + 2; i < end; ++i)
      if (!set_flag(text_[i], flags_, true)) malformed("unknown flag");
    at_ = end + 1;
    return true;
  }

  void skip_verbose() {
    while (flags_.verbose && more()) {
      if (text_[at_] == '#') {
        while (more() && text_[at_] != '\n') ++at_;
      } else if (std::string_view(" \t\n\r\f\v").find(text_[at_]) != std::string_view::npos) {
        ++at_;
      } else {
        return;
      }
    }
  }

  void alternatives(int depth) {
    if (depth > kDeepest) unsupported("nesting deeper than 50");
    for (skip_verbose(); more() && !sees(")"); skip_verbose()) {
      if (take("|")) {
        out_ += '|';
        continue;
      }
      const Atom kind = atom(depth);
      skip_verbose();
      quantifier(kind);
    }
  }

  enum class Atom { piece, look, anchor, nothing };

  Atom atom(int depth) {
    if (take("(")) return group(depth);
    if (take("[")) {
      char_class();
      return Atom::piece;
    }
    if (take("\\")) return escape();
    if (take(".")) {
      out_ += flags_.dot_all ? R"([\s\S])" : R"([^\n])";
      return Atom::piece;
    }
    if (take("^")) {
      out_ += flags_.multiline ? R"((?:\A|(?<=\n)))" : R"(\A)";
      return Atom::anchor;
    }
    if (take("$")) {
      out_ += flags_.multiline ? R"((?=\n|\z))" : R"((?=\n?\z))";
      return Atom::anchor;
    }
    if (sees("*") || sees("+") || sees("?")) malformed("nothing to repeat");
    if (sees("{") && bounds()) malformed("nothing to repeat");
    literal(take_char());
    return Atom::piece;
  }

  std::string group_name(char end) {
    std::string name(take_until(end));
    const auto letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; };
    if (name.empty() || !letter(name[0]) ||
        !std::ranges::all_of(name, [&](char c) { return letter(c) || std::isdigit(static_cast<unsigned char>(c)); }))
      malformed("bad character in group name");
    return name;
  }

  void inside(std::string_view opening, int depth) {
    out_ += opening;
    const Flags outside = flags_;
    alternatives(depth + 1);
    flags_ = outside;
    if (!take(")")) malformed("missing ), unterminated subpattern");
    out_ += ')';
  }

  Atom group(int depth) {
    if (!take("?")) {
      ++groups_;
      inside("(", depth);
      return Atom::piece;
    }
    if (take("#")) {
      take_until(')');
      return Atom::nothing;
    }
    if (take("P<")) {
      const std::string name = group_name('>');
      if (!named_.emplace(name, ++groups_).second) malformed("redefinition of group name");
      inside("(", depth);
      return Atom::piece;
    }
    if (take("P=")) {
      const auto found = named_.find(group_name(')'));
      if (found == named_.end()) malformed("unknown group name");
      out_ += fmt::format("\\g{{{}}}", found->second);
      return Atom::piece;
    }
    if (take("(")) {  // (?(1)yes|no)
      const std::string_view which = take_until(')');
      int number = 0;
      if (!which.empty() && which.size() < 4 && which.find_first_not_of("0123456789") == which.npos)
        number = std::stoi(std::string(which));
      else if (const auto found = named_.find(which); found != named_.end())
        number = found->second;
      if (number < 1 || number > groups_) malformed("bad group number");
      inside(fmt::format("(?({})", number), depth);
      return Atom::piece;
    }
    for (const std::string_view look : {"=", "!", "<=", "<!"})
      if (take(look)) {
        inside(fmt::format("(?{}", look), depth);
        return Atom::look;
      }
    if (take(">")) {
      inside("(?>", depth);
      return Atom::piece;
    }
    // (?ims-x:...)
    const Flags outside = flags_;
    Flags within = flags_;
    bool on = true;
    while (!take(":")) {
      if (sees("-") && on) {
        on = false;
        ++at_;
        continue;
      }
      if (!more() || !set_flag(text_[at_], within, on)) malformed("unknown extension of a group");
      ++at_;
    }
    flags_ = within;
    inside(within.ignore_case ? "(?i:" : "(?-i:", depth);
    flags_ = outside;
    return Atom::piece;
  }

  // "{2}", "{2,}", "{,3}", "{2,3}" here; Python takes any other { as it is.
  std::optional<std::pair<std::string, size_t>> bounds() const {
    size_t at = at_ + 1;
    const auto number = [&]() -> std::string {
      const size_t begin = at;
      while (at < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at]))) ++at;
      return std::string(text_.substr(begin, at - begin));
    };
    const std::string low = number();
    std::string high = low;
    bool open = false;
    if (at < text_.size() && text_[at] == ',') {
      ++at;
      high = number();
      open = true;
    } else if (low.empty()) {
      return std::nullopt;
    }
    if (at >= text_.size() || text_[at] != '}') return std::nullopt;
    for (const std::string& one : {low, high})
      if (one.size() > 5 || (!one.empty() && std::stoll(one) > kMostRepeats)) unsupported("a bound above 65535");
    if (!low.empty() && !high.empty() && std::stoll(high) < std::stoll(low))
      malformed("min repeat greater than max repeat");
    const std::string first = low.empty() ? "0" : low;
    return std::pair(open ? fmt::format("{{{},{}}}", first, high) : fmt::format("{{{}}}", first), at + 1);
  }

  bool repeats(std::string& how) {
    for (const char c : {'*', '+', '?'})
      if (take(std::string_view(&c, 1))) {
        how = c;
        return true;
      }
    if (!sees("{")) return false;
    const auto found = bounds();
    if (!found) return false;
    how = found->first;
    at_ = found->second;
    return true;
  }

  void quantifier(Atom of) {
    std::string how;
    if (!repeats(how)) return;
    if (of == Atom::anchor) malformed("nothing to repeat");
    if (of == Atom::nothing) unsupported("a repeated comment");
    if (of == Atom::look) unsupported("a repeated look-around");
    if (take("?"))
      how += '?';
    else if (take("+"))
      how += '+';
    out_ += how;
    skip_verbose();
    if (repeats(how)) malformed("multiple repeat");
  }

  void literal(char32_t c) {
    if (c >= 0x80 && flags_.ignore_case) unsupported("a letter beyond ASCII where case is ignored");
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    out_ += plain ? std::string(1, static_cast<char>(c)) : fmt::format("\\x{{{:x}}}", static_cast<uint32_t>(c));
  }

  std::string_view set_of(char32_t letter) const {
    switch (letter | 0x20) {
      case 'd':
        return kDigit;
      case 's':
        return kPythonSpace;
      default:
        return kWord;
    }
  }
  // The others of ASCII, for inside of [ ].
  static std::string_view all_but(char32_t letter) {
    switch (letter) {
      case 'D':
        return R"(\x{0}-\x{2f}\x{3a}-\x{7f})";
      case 'S':
        return R"(\x{0}-\x{8}\x{e}-\x{1b}\x{21}-\x{7f})";
      default:
        return R"(\x{0}-\x{2f}\x{3a}-\x{40}\x{5b}-\x{5e}\x{60}\x{7b}-\x{7f})";
    }
  }
  static bool names_set(char32_t c) { return c < 0x80 && std::string_view("dDsSwW").find(static_cast<char>(c)) < 6; }

  char32_t hexadecimal(int digits) {
    uint32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      if (!more() || !std::isxdigit(static_cast<unsigned char>(text_[at_]))) malformed("incomplete escape");
      const char c = text_[at_++];
      value = value * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) malformed("bad escape");
    return value;
  }

  // A character behind a backslash, the letter c taken; nothing for what is no character.
  std::optional<char32_t> character(char32_t c) {
    switch (c) {
      case 'a':
        return '\a';
      case 'f':
        return '\f';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'v':
        return '\v';
      case 'x':
        return hexadecimal(2);
      case 'u':
        return hexadecimal(4);
      case 'U':
        return hexadecimal(8);
      case 'N':
        unsupported("\\N");
      default:
        if (c < 0x80 && std::isalnum(static_cast<int>(c))) return std::nullopt;
        return c;
    }
  }

  bool octal_digit(size_t ahead) const {
    return at_ + ahead < text_.size() && text_[at_ + ahead] >= '0' && text_[at_ + ahead] <= '7';
  }
  char32_t octal(char32_t first, int most) {
    char32_t value = first - '0';
    for (int i = 0; i < most && octal_digit(0); ++i) value = value * 8 + static_cast<char32_t>(text_[at_++] - '0');
    if (value > 0377) malformed("octal escape outside of range");
    return value;
  }

  Atom escape() {
    const char32_t c = take_char();
    switch (c) {
      case 'A':
        out_ += R"(\A)";
        return Atom::anchor;
      case 'Z':
      case 'z':
        out_ += R"(\z)";
        return Atom::anchor;
      case 'b':
        out_ += R"(\b)";
        return Atom::anchor;
      case 'B':
        // Of an empty text Python before 3.14 says no.
        out_ += R"(\B)";
        return Atom::anchor;
      case '0':
        literal(octal(c, 2));
        return Atom::piece;
      default:
        break;
    }
    if (names_set(c)) {
      out_ += fmt::format("[{}{}]", c < 'a' ? "^" : "", set_of(c));
      return Atom::piece;
    }
    if (c >= '1' && c <= '9') {
      if (c <= '3' && octal_digit(0) && octal_digit(1)) {
        literal(octal(c, 2));
        return Atom::piece;
      }
      int number = static_cast<int>(c - '0');
      if (more() && std::isdigit(static_cast<unsigned char>(text_[at_]))) number = number * 10 + (text_[at_++] - '0');
      if (number > groups_) malformed("invalid group reference");
      out_ += fmt::format("\\g{{{}}}", number);
      return Atom::piece;
    }
    const auto one = character(c);
    if (!one) malformed("bad escape");
    literal(*one);
    return Atom::piece;
  }

  void char_class() {
    out_ += '[';
    if (take("^")) out_ += '^';
    // A ] that comes first is itself.
    for (bool first = true; first || !take("]"); first = false) {
      if (!more()) malformed("unterminated character set");
      const auto low = class_member();
      if (!sees("-") || sees("-]") || at_ + 1 >= text_.size()) continue;
      take("-");
      const size_t here = at_;
      const size_t written = out_.size();
      if (!low) malformed("bad character range");
      const auto high = class_member();
      if (!high || *high < *low) {
        at_ = here;
        malformed("bad character range");
      }
      out_.insert(written, "-");
    }
    out_ += ']';
  }

  std::optional<char32_t> class_member() {
    const char32_t c = take_char();
    char32_t one = c;
    if (c == '\\') {
      const char32_t letter = take_char();
      if (names_set(letter)) {
        out_ += letter < 'a' ? all_but(letter) : set_of(letter);
        return std::nullopt;
      }
      if (letter == 'b') {
        one = '\b';
      } else if (letter >= '0' && letter <= '7') {
        one = octal(letter, 2);
      } else if (const auto named = character(letter)) {
        one = *named;
      } else {
        malformed("bad escape");
      }
    }
    literal(one);
    return one;
  }

  std::string out_;
  Flags flags_;
  int groups_ = 0;
  std::map<std::string, int, std::less<>> named_;
};

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> message{};
  pcre2_get_error_message(error, message.data(), message.size());
  return reinterpret_cast<char*>(message.data());
}

}  // namespace

PythonRegex PythonRegex::compile(std::string_view expression, std::string_view source) {
  if (expression.size() > 20000)
    fail(ErrorKind::unsupported, "{}: a regular expression of {} bytes", source, expression.size());
  const std::string translated = PythonTranslator(expression, source).run();
  int error = 0;
  PCRE2_SIZE where = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(), PCRE2_UTF,
                                   &error, &where, nullptr);
  if (!code) fail(ErrorKind::bad_file, "{}: regular expression {}: {}", source, quote(expression), message_of(error));
  PythonRegex regex;
  regex.code_ = std::shared_ptr<void>(code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); });
  regex.expression_ = expression;
  return regex;
}

bool PythonRegex::match(std::string_view text) const {
  check(std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; }),
        "PythonRegex: a text in ASCII");
  const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(pcre2_match_data_create(1, nullptr),
                                                                            pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, void (*)(pcre2_match_context*)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  if (!data || !context) throw std::bad_alloc();
  pcre2_set_match_limit(context.get(), 1'000'000);
  const int found = pcre2_match(static_cast<const pcre2_code*>(code_.get()), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                text.size(), 0, PCRE2_ANCHORED, data.get(), context.get());
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0)
    fail(ErrorKind::unsupported, "regular expression {} gives up on {}: {}", quote(expression_), quote(text),
         message_of(found));
  return true;
}

}  // namespace glassbox
