#include "unicode/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"
#include "base/quote.h"
#include "unicode/classes.h"
#include "unicode/pattern_reader.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

using unicode::Class;

// White_Space. Not PCRE2's \s, which takes U+180E too.
constexpr std::string_view kSpace = R"(\t-\r\x{85}\p{Z})";

std::string escape_char(char32_t c) { return fmt::format("\\x{{{:x}}}", static_cast<uint32_t>(c)); }

// What PCRE2's older Unicode lacks of a category, as ranges inside a class.
std::string newer(std::string_view category) {
  auto wanted = [&](Class c) {
    static constexpr std::string_view kNames[] = {"", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", ""};
    return (category == "L" && unicode::is_letter(c)) || (c != Class::Other && category == kNames[static_cast<int>(c)]);
  };
  std::string out;
  for (size_t i = 0; i + 1 < unicode::kNewerRunsSize; ++i) {
    if (!wanted(static_cast<Class>(unicode::kNewerRuns[i] & 15))) continue;
    out += escape_char(unicode::kNewerRuns[i] >> 4) + "-" + escape_char((unicode::kNewerRuns[i + 1] >> 4) - 1);
  }
  const uint32_t symbol = category == "P" ? 1 : category == "S" ? 2 : 0;
  for (size_t i = 0; symbol > 0 && i + 1 < unicode::kNewerSymbolRunsSize; ++i)
    if ((unicode::kNewerSymbolRuns[i] & 15) == symbol)
      out += escape_char(unicode::kNewerSymbolRuns[i] >> 4) + "-" +
             escape_char((unicode::kNewerSymbolRuns[i + 1] >> 4) - 1);
  return out;
}

class Translator : PatternReader {
 public:
  Translator(std::string_view text, std::string_view source) : PatternReader(text, source) {}

  std::string run() {
    alternatives(0);
    if (at_ < text_.size()) malformed("unmatched )");
    return std::move(out_);
  }

 private:
  void alternatives(int depth) {
    if (depth > 50) unsupported("nesting deeper than 50");
    while (more() && !sees(")")) {
      if (take("|")) {
        out_ += '|';
        continue;
      }
      const bool repeatable = atom(depth);
      quantifier(repeatable);
    }
  }

  // False for what cannot be repeated.
  bool atom(int depth) {
    if (take("(")) {
      static constexpr std::string_view kOpenings[] = {"?:", "?i:", "?=", "?!", "?<=", "?<!", "?>"};
      std::string_view opening = "?:";  // a group that captures: nobody looks at what it captured
      if (sees("?")) {
        auto found = std::find_if(std::begin(kOpenings), std::end(kOpenings), [&](auto o) { return sees(o); });
        if (found == std::end(kOpenings)) unsupported("this kind of group");
        opening = *found;
        at_ += opening.size();
      }
      (out_ += '(') += opening;
      alternatives(depth + 1);
      if (!take(")")) malformed("( without )");
      out_ += ')';
      return opening == "?:" || opening == "?i:" || opening == "?>";
    }
    if (take("[")) {
      out_ += '[';
      if (take("^")) out_ += '^';
      char_class();
      return true;
    }
    if (take("\\")) {
      escape(false);
      return true;
    }
    if (take(".")) {
      out_ += R"([^\n])";
      return true;
    }
    if (sees("^") || sees("$")) unsupported("an anchor");
    if (sees("*") || sees("+") || sees("?") || sees("{")) malformed("a quantifier with nothing before it");
    literal(take_char());
    return true;
  }

  void quantifier(bool repeatable) {
    if (!more()) return;
    if (take("*") || take("+") || take("?")) {
      out_ += text_[at_ - 1];
      if (take("+"))
        out_ += '+';  // possessive in both engines
      else if (take("?"))
        out_ += '?';
    } else if (take("{")) {
      const auto low = number();
      std::string bounds = low ? std::to_string(*low) : "";
      if (take(",")) {
        const auto high = number();
        // {,m} is 0 to m for one engine and text for another.
        if (!low) unsupported("{,m}");
        bounds += high ? fmt::format(",{}", *high) : ",";
        if (high && *high < *low) malformed("{n,m} with m below n");
      } else if (!low) {
        unsupported("a lone {");
      }
      if (!take("}")) unsupported("this use of {");
      out_ += fmt::format("{{{}}}", bounds);
      if (sees("+")) unsupported("{n,m}+ (possessive for one engine, repeated for another)");
      if (take("?")) out_ += '?';
    } else {
      return;
    }
    if (!repeatable) malformed("a quantifier after a look-around");
    if (sees("*") || sees("+") || sees("?") || sees("{")) unsupported("a quantifier after a quantifier");
  }

  std::optional<int> number() {
    int value = 0;
    const size_t begin = at_;
    while (more() && text_[at_] >= '0' && text_[at_] <= '9') {
      value = value * 10 + (text_[at_++] - '0');
      if (value > 1000) unsupported("a bound above 1000");
    }
    return at_ == begin ? std::nullopt : std::optional<int>(value);
  }

  void literal(char32_t c) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (plain)
      out_ += static_cast<char>(c);
    else
      out_ += escape_char(c);
  }

  // After a backslash: one character, or nothing when a set was written instead.
  std::optional<char32_t> escape(bool in_class) {
    const char32_t c = take_char();
    std::optional<char32_t> one;
    switch (c) {
      case 'n':
        one = '\n';
        break;
      case 'r':
        one = '\r';
        break;
      case 't':
        one = '\t';
        break;
      case 'f':
        one = '\f';
        break;
      case 'x':
        one = hex(take("{") ? -1 : 2);
        break;
      case 'u':
        one = hex(take("{") ? -1 : 4);
        break;
      case 's':
        set(kSpace, false, in_class);
        return {};
      case 'S':
        set(kSpace, true, in_class);
        return {};
      case 'd':
        set("\\p{Nd}", false, in_class);
        return {};
      case 'D':
        set("\\p{Nd}", true, in_class);
        return {};
      case 'p':
      case 'P':
        property(c == 'P', in_class);
        return {};
      default:
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c >= 0x80)
          unsupported(fmt::format("\\{}", c < 0x80 ? std::string(1, static_cast<char>(c)) : "?"));
        one = c;
    }
    if (!in_class) literal(*one);
    return one;
  }

  char32_t hex(int digits) {
    uint32_t value = 0;
    const bool braced = digits < 0;
    int taken = 0;
    while (more() && std::isxdigit(static_cast<unsigned char>(text_[at_])) && (braced ? taken < 6 : taken < digits)) {
      const char c = text_[at_++];
      value = value * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
      ++taken;
    }
    if (taken == 0 || (!braced && taken != digits) || (braced && !take("}")))
      malformed("a number that is not hexadecimal");
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) malformed("a code point that is no character");
    return value;
  }

  void set(std::string_view members, bool negated, bool in_class) {
    if (!in_class) {
      ((out_ += negated ? "[^" : "[") += members) += ']';
    } else if (!negated) {
      out_ += members;
    } else if (members == kSpace) {
      unsupported("\\S inside [ ]");
    } else {
      out_ += "\\P{Nd}";
    }
  }

  void property(bool negated, bool in_class) {
    if (!take("{")) unsupported("\\p without {}");
    if (take("^")) negated = !negated;
    const size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) malformed("\\p{ without }");
    std::string name(text_.substr(at_, end - at_));
    static constexpr std::string_view kCategories[] = {
        "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P",  "Pc", "Pd",
        "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "Cc", "Cf"};
    static constexpr std::string_view kScripts[] = {"Han",      "Hiragana", "Katakana", "Hangul", "Latin",     "Greek",
                                                    "Cyrillic", "Arabic",   "Hebrew",   "Thai",   "Devanagari"};
    std::string extra;
    if (std::find(std::begin(kCategories), std::end(kCategories), name) != std::end(kCategories)) {
      extra = newer(name);
    } else if (std::find(std::begin(kScripts), std::end(kScripts), name) != std::end(kScripts)) {
      name.insert(0, "sc:");  // PCRE2's bare name means Script_Extensions
    } else {
      unsupported(fmt::format("\\p{{{}}}", name));
    }
    at_ = end + 1;
    const std::string members = fmt::format("\\p{{{}}}{}", name, extra);
    if (!in_class) {
      ((out_ += negated ? "[^" : "[") += members) += ']';
    } else if (!negated) {
      out_ += members;
    } else if (extra.empty()) {
      out_ += fmt::format("\\P{{{}}}", name);
    } else {
      unsupported("a negated property inside [ ]");
    }
  }

  void char_class() {
    if (sees("]")) unsupported("an empty [ ] or one that begins with ]");
    while (!take("]")) {
      if (!more()) malformed("[ without ]");
      if (sees("[")) unsupported("a class inside a class");
      if (sees("&&")) unsupported("&&");
      std::optional<char32_t> first = take("\\") ? escape(true) : std::optional<char32_t>(take_char());
      if (!first) continue;
      literal(*first);
      if (!sees("-") || sees("-]")) continue;
      take("-");
      if (sees("[")) unsupported("a class inside a class");
      std::optional<char32_t> last = take("\\") ? escape(true) : std::optional<char32_t>(take_char());
      if (!last) malformed("a range that ends in a set");
      if (*last < *first) malformed("a range that ends before it begins");
      out_ += '-';
      literal(*last);
    }
    out_ += ']';
  }

  std::string out_;
};

// The compiler's stack grows as deep as the text is long for some expressions; the default of 32 KiB is not enough.
pcre2_jit_stack* jit_stack() {
  struct Stack {
    pcre2_jit_stack* stack = pcre2_jit_stack_create(64 << 10, 64 << 20, nullptr);
    ~Stack() { pcre2_jit_stack_free(stack); }
  };
  static thread_local Stack mine;
  return mine.stack;
}

pcre2_match_context* match_context() {
  struct Context {
    pcre2_match_context* context = pcre2_match_context_create(nullptr);
    Context() { pcre2_jit_stack_assign(context, nullptr, jit_stack()); }
    ~Context() { pcre2_match_context_free(context); }
  };
  static thread_local Context mine;
  return mine.context;
}

}  // namespace

std::string to_pcre2(std::string_view expression, std::string_view source) {
  if (expression.size() > 20000)
    fail(ErrorKind::unsupported, "{}: a regular expression of {} bytes", source, expression.size());
  return Translator(expression, source).run();
}

Regex Regex::compile(std::string_view expression, std::string_view source) {
  const std::string translated = to_pcre2(expression, source);
  int error = 0;
  PCRE2_SIZE where = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                   PCRE2_UTF | PCRE2_UCP, &error, &where, nullptr);
  if (!code) {
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    fail(ErrorKind::bad_file, "{}: regular expression {}: {}", source, quote(expression),
         reinterpret_cast<char*>(message.data()));
  }
  Regex regex;
  regex.code_ = std::shared_ptr<void>(code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); });
  regex.expression_ = expression;
  pcre2_jit_compile(code,
                    PCRE2_JIT_COMPLETE);  // without the compiler (some machines) it is interpreted: slower, the same
  return regex;
}

Regex::Matcher::Matcher(const Regex& regex, std::string_view text)
    : regex_(regex), text_(text), match_data_(pcre2_match_data_create(1, nullptr)) {
  if (!match_data_) throw std::bad_alloc();
}

Regex::Matcher::~Matcher() { pcre2_match_data_free(static_cast<pcre2_match_data*>(match_data_)); }

bool Regex::Matcher::next(size_t& begin, size_t& end) {
  auto* data = static_cast<pcre2_match_data*>(match_data_);
  while (at_ <= text_.size()) {
    const int found =
        pcre2_match(static_cast<const pcre2_code*>(regex_.code_.get()), reinterpret_cast<PCRE2_SPTR>(text_.data()),
                    text_.size(), at_, PCRE2_NO_UTF_CHECK, data, match_context());
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) {
      std::array<PCRE2_UCHAR, 256> message{};
      pcre2_get_error_message(found, message.data(), message.size());
      fail(ErrorKind::bad_request, "regular expression {} gives up at byte {} of a text of {}: {}",
           quote(regex_.expression_), at_, text_.size(), reinterpret_cast<char*>(message.data()));
    }
    const size_t* range = pcre2_get_ovector_pointer(data);
    begin = range[0], end = range[1];
    if (end > begin) {
      at_ = end;
      return true;
    }
    // An empty match: look again one character on.
    at_ = end;
    if (at_ == text_.size()) break;
    unicode::next(text_, at_);
  }
  at_ = text_.size() + 1;
  return false;
}

}  // namespace glassbox
