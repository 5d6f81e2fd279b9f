#include "tokenizer/splitter.h"

#include <array>
#include <cstdint>
#include <memory>

#include "unicode/classes.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

using unicode::Class;

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define REST R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"
constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kCl100k =
    CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)" REST;
constexpr std::string_view kCl100k1 = CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)" REST;
#define UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
constexpr std::string_view kO200k =
    R"([^\r\n\p{L}\p{N}]?)" UPPER "*" LOWER "+" CONTRACTIONS R"(?|[^\r\n\p{L}\p{N}]?)" UPPER "+" LOWER "*" CONTRACTIONS
    R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" REST;
constexpr std::string_view kTekken = R"([^\r\n\p{L}\p{N}]?)" UPPER "*" LOWER R"(+|[^\r\n\p{L}\p{N}]?)" UPPER "+" LOWER
                                     R"(*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" REST;
#undef CONTRACTIONS
#undef REST
#undef UPPER
#undef LOWER

// A set of classes, so that "is it one of these" is one test.
using Set = uint16_t;
constexpr Set set_of(Class c) { return static_cast<Set>(1 << static_cast<int>(c)); }
constexpr Set kUpper = set_of(Class::Lu) | set_of(Class::Lt) | set_of(Class::Lm) | set_of(Class::Lo) | set_of(Class::M);
constexpr Set kLower = set_of(Class::Ll) | set_of(Class::Lm) | set_of(Class::Lo) | set_of(Class::M);
constexpr Set kLetter =
    set_of(Class::Lu) | set_of(Class::Ll) | set_of(Class::Lt) | set_of(Class::Lm) | set_of(Class::Lo);
constexpr Set kNumber = set_of(Class::N);
constexpr Set kSpace = set_of(Class::Space);
constexpr Set kRest = set_of(Class::Other) | set_of(Class::M);  // [^\s\p{L}\p{N}]

constexpr std::array<Set, 128> kAscii = [] {
  std::array<Set, 128> sets{};
  for (size_t c = 0; c < 128; ++c) {
    if (c >= 'A' && c <= 'Z')
      sets[c] = set_of(Class::Lu);
    else if (c >= 'a' && c <= 'z')
      sets[c] = set_of(Class::Ll);
    else if (c >= '0' && c <= '9')
      sets[c] = kNumber;
    else if (c == ' ' || (c >= 9 && c <= 13))
      sets[c] = kSpace;
    else
      sets[c] = set_of(Class::Other);
  }
  return sets;
}();

struct Text {
  const uint8_t* p;
  size_t size;
  const Class* table;

  // The class of the character at `at`, and where the next one begins.
  Set look(size_t at, size_t& after) const {
    const uint32_t a = p[at];
    if (a < 0x80) {
      after = at + 1;
      return kAscii[a];
    }
    after = at;
    const char32_t c = unicode::next_valid({reinterpret_cast<const char*>(p), size}, after);
    return set_of(table[c]);
  }

  size_t skip(size_t at, Set wanted) const {
    size_t after;
    while (at < size && (look(at, after) & wanted)) at = after;
    return at;
  }
};

// The end of 's 't 're 've 'm 'll 'd at `at`, or `at` itself.
template <bool kAnyCase>
size_t contraction(const Text& text, size_t at) {
  if (at + 1 >= text.size || text.p[at] != '\'') return at;
  const uint8_t fold = kAnyCase ? 0x20 : 0;
  const auto first = static_cast<uint8_t>(text.p[at + 1] | fold);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  // U+017F, the long s, is an s to whoever ignores case.
  if (kAnyCase && at + 2 < text.size && text.p[at + 1] == 0xC5 && text.p[at + 2] == 0xBF) return at + 3;
  if (at + 2 >= text.size) return at;
  const auto second = static_cast<uint8_t>(text.p[at + 2] | fold);
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l'))
    return at + 3;
  return at;
}

// \s+(?!\S)|\s+ at a white space; with lines, \s*[\r\n]+ before them.
template <bool kLines>
size_t white_space(const Text& text, size_t at) {
  size_t end = at, last = at, line_end = at, after = at;
  while (end < text.size && (text.look(end, after) & kSpace)) {
    last = end;
    if (kLines && (text.p[end] == '\n' || text.p[end] == '\r')) line_end = after;
    end = after;
  }
  if (line_end > at) return line_end;
  // Before a word the last space is left to it, unless it is all there is.
  return end == text.size || last == at ? end : last;
}

size_t gpt2_end(const Text& text, size_t at) {
  if (const size_t end = contraction<false>(text, at); end > at) return end;
  size_t after;
  Set kind = text.look(at, after);
  if (text.p[at] == ' ' && after < text.size) {
    size_t beyond;
    const Set word = text.look(after, beyond);
    if (!(word & kSpace)) kind = word, after = beyond;
  }
  if (kind & kLetter) return text.skip(after, kLetter);
  if (kind & kNumber) return text.skip(after, kNumber);
  if (kind & kRest) return text.skip(after, kRest);
  return white_space<false>(text, at);
}

bool is_ascii_letter(uint8_t c) { return static_cast<uint8_t>((c | 0x20) - 'a') < 26; }

// Where the word of ASCII letters at `at` ends, one space before it or none: what most words of most texts are. Or `at`
// itself, if it is another kind of word or what comes after it has a say.
template <bool kCase>
size_t plain_word(const Text& text, size_t at) {
  const size_t begin = at + (text.p[at] == ' ');
  size_t end = begin;
  if constexpr (kCase) {  // at most one capital, and that first; then small letters, and no contraction
    if (end < text.size && static_cast<uint8_t>(text.p[end] - 'A') < 26) ++end;
    const size_t small = end;
    while (end < text.size && static_cast<uint8_t>(text.p[end] - 'a') < 26) ++end;
    if (end == small || (end < text.size && text.p[end] == '\'')) return at;
  } else {
    while (end < text.size && is_ascii_letter(text.p[end])) ++end;
    if (end == begin) return at;
  }
  return end < text.size && text.p[end] >= 0x80 ? at : end;
}

size_t digits(const Text& text, size_t at, int most) {
  size_t after;
  for (int n = 0; n < most && at < text.size && (text.look(at, after) & kNumber); ++n) at = after;
  return at;
}

// ` ?[^\s\p{L}\p{N}]+[\r\n]*` at `at`, or `at` itself if it does not match there.
size_t punctuation(const Text& text, size_t at, bool slash) {
  const size_t begin = text.p[at] == ' ' ? at + 1 : at;
  size_t end = text.skip(begin, kRest);
  if (end == begin) return at;
  while (end < text.size && (text.p[end] == '\r' || text.p[end] == '\n' || (slash && text.p[end] == '/'))) ++end;
  return end;
}

template <int kDigits>
size_t cl100k_end(const Text& text, size_t at) {
  if (const size_t end = plain_word<false>(text, at); end > at) return end;
  if (const size_t end = contraction<true>(text, at); end > at) return end;
  size_t after;
  const Set kind = text.look(at, after);
  if (kind & kLetter) return text.skip(after, kLetter);
  if (kind & kNumber) return digits(text, at, kDigits);
  if (after < text.size && text.p[at] != '\r' && text.p[at] != '\n') {
    size_t beyond;
    if (text.look(after, beyond) & kLetter) return text.skip(beyond, kLetter);
  }
  if (const size_t end = punctuation(text, at, false); end > at) return end;
  return white_space<true>(text, at);
}

// UPPER*LOWER+ at `at`, or `at` itself. Letters of no case and marks are in both sets, which is where UPPER* has to
// give back what it took.
size_t lower_word(const Text& text, size_t at) {
  size_t end = at, both_end = at, after = at;
  while (end < text.size) {
    const Set kind = text.look(end, after);
    if (!(kind & kUpper)) break;
    if (kind & kLower) both_end = after;
    end = after;
  }
  const size_t lower_end = text.skip(end, kLower);
  return lower_end > end ? lower_end : both_end;
}

template <bool kContractions, int kDigits>
size_t o200k_end(const Text& text, size_t at) {
  if (const size_t end = plain_word<true>(text, at); end > at) return end;
  size_t after;
  const Set kind = text.look(at, after);
  const bool prefix = !(kind & (kLetter | kNumber)) && text.p[at] != '\r' && text.p[at] != '\n' && after < text.size;
  const bool letter = kind & (kLetter | set_of(Class::M));
  // [^\r\n\p{L}\p{N}]? is tried with and without its character; for a mark, which also begins words, it matters that
  // the first alternative is tried in both ways before the second.
  size_t end = at;
  if (prefix && (end = lower_word(text, after)) == after) end = at;
  if (end == at && letter) end = lower_word(text, at);
  if (end == at && prefix && (end = text.skip(after, kUpper)) == after) end = at;
  if (end == at && letter) end = text.skip(at, kUpper);
  if (end > at) return kContractions ? contraction<true>(text, end) : end;
  if (kind & kNumber) return digits(text, at, kDigits);
  if (end = punctuation(text, at, true); end > at) return end;
  return white_space<true>(text, at);
}

// What DeepSeek-V3's expressions ask of a character, as sets of bits.
constexpr uint8_t kWord = 1, kMarks = 2, kWhite = 4, kDigit = 8, kOther = 16, kEastAsian = 32;

const uint8_t* deepseek_table() {
  static const std::unique_ptr<const uint8_t[]> table = [] {
    auto made = std::make_unique<uint8_t[]>(0x110000);
    const Class* classes = unicode::class_table();
    const uint8_t* symbols = unicode::symbol_table();
    for (size_t c = 0; c < 0x110000; ++c) {
      const Set kind = set_of(classes[c]);
      made[c] = kind & (kLetter | set_of(Class::M)) ? kWord
                : kind & kSpace                     ? kWhite
                : kind & kNumber                    ? kDigit
                : symbols[c]                        ? kMarks
                                                    : kOther;
      if ((c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF)) made[c] |= kEastAsian;
    }
    return std::unique_ptr<const uint8_t[]>(std::move(made));
  }();
  return table.get();
}

// The piece that begins at `at`. Digits are taken out first, then runs of Chinese and Japanese; what is left between
// such is a text of its own to the third expression, which ends where one of them begins.
size_t deepseek_end(const Text& text, size_t at) {
  if (const size_t end = plain_word<false>(text, at); end > at) return end;
  static const uint8_t* const table = deepseek_table();
  // What the character at `i` is, and where the next one begins; 0 where the text to which `at` belongs ends.
  uint8_t east_asian = 0;
  const auto kind_at = [&](size_t i, size_t& after) -> uint8_t {
    if (i >= text.size) return 0;
    char32_t c = text.p[i];
    after = i + 1;
    if (c >= 0x80) c = unicode::next(std::string_view(reinterpret_cast<const char*>(text.p), text.size), after = i);
    return table[c];
  };
  const auto look = [&](size_t i, size_t& after) -> uint8_t {
    const uint8_t kind = kind_at(i, after);
    return (kind & kEastAsian) != east_asian || (kind & kDigit) ? 0 : kind;
  };
  const auto skip = [&](size_t i, uint8_t wanted) {
    for (size_t after; look(i, after) & wanted;) i = after;
    return i;
  };
  size_t after = at, beyond;
  const uint8_t first = kind_at(at, after);
  if (first & kDigit) {
    size_t end = after;
    for (int n = 1; n < 3 && (kind_at(end, beyond) & kDigit); ++n) end = beyond;
    return end;
  }
  east_asian = first & kEastAsian;
  const uint8_t c = text.p[at];
  if (c < 0x80 && (first & kMarks) && after < text.size && is_ascii_letter(text.p[after])) {
    while (after < text.size && is_ascii_letter(text.p[after])) ++after;
    return after;
  }
  if (first & kWord) return skip(after, kWord);
  const uint8_t second = look(after, beyond);
  const bool line = c == '\r' || c == '\n';
  if (!(first & kMarks) && !line && (second & kWord)) return skip(beyond, kWord);
  if ((first & kMarks) || (c == ' ' && (second & kMarks))) {
    size_t end = skip(after, kMarks);
    while (!east_asian && end < text.size && (text.p[end] == '\r' || text.p[end] == '\n')) ++end;
    return end;
  }
  if (first & kOther) {  // no match begins here: all up to where one does
    size_t end = after;
    while ((look(end, after) & kOther) && !(look(after, beyond) & kWord)) end = after;
    return end;
  }
  size_t end = at, last = at, line_end = at;
  while (look(end, after) & kWhite) {
    last = end;
    if (text.p[end] == '\n' || text.p[end] == '\r') line_end = after;
    end = after;
  }
  if (line_end > at) return line_end;
  return look(end, after) == 0 || last == at ? end : last;
}

}  // namespace

std::optional<KnownPattern> known_pattern(std::string_view expression) {
  for (KnownPattern pattern :
       {KnownPattern::gpt2, KnownPattern::cl100k, KnownPattern::cl100k_1, KnownPattern::tekken, KnownPattern::o200k})
    if (expression == expression_of(pattern)) return pattern;
  return std::nullopt;
}

std::string_view expression_of(KnownPattern pattern) {
  switch (pattern) {
    case KnownPattern::gpt2:
      return kGpt2;
    case KnownPattern::cl100k:
      return kCl100k;
    case KnownPattern::cl100k_1:
      return kCl100k1;
    case KnownPattern::tekken:
      return kTekken;
    case KnownPattern::deepseek_v3:
      return kDeepSeekV3[2];
    case KnownPattern::o200k:
      return kO200k;
  }
  return {};
}

template <KnownPattern kPattern>
size_t match_end(std::string_view view, size_t at) {
  const Text text{reinterpret_cast<const uint8_t*>(view.data()), view.size(), unicode::class_table()};
  if constexpr (kPattern == KnownPattern::gpt2) return gpt2_end(text, at);
  if constexpr (kPattern == KnownPattern::cl100k) return cl100k_end<3>(text, at);
  if constexpr (kPattern == KnownPattern::cl100k_1) return cl100k_end<1>(text, at);
  if constexpr (kPattern == KnownPattern::o200k) return o200k_end<true, 3>(text, at);
  if constexpr (kPattern == KnownPattern::deepseek_v3) return deepseek_end(text, at);
  if constexpr (kPattern == KnownPattern::tekken) return o200k_end<false, 1>(text, at);
}

template size_t match_end<KnownPattern::gpt2>(std::string_view, size_t);
template size_t match_end<KnownPattern::cl100k>(std::string_view, size_t);
template size_t match_end<KnownPattern::cl100k_1>(std::string_view, size_t);
template size_t match_end<KnownPattern::tekken>(std::string_view, size_t);
template size_t match_end<KnownPattern::deepseek_v3>(std::string_view, size_t);
template size_t match_end<KnownPattern::o200k>(std::string_view, size_t);

size_t match_end(KnownPattern pattern, std::string_view text, size_t at) {
  switch (pattern) {
    case KnownPattern::gpt2:
      return match_end<KnownPattern::gpt2>(text, at);
    case KnownPattern::cl100k:
      return match_end<KnownPattern::cl100k>(text, at);
    case KnownPattern::cl100k_1:
      return match_end<KnownPattern::cl100k_1>(text, at);
    case KnownPattern::tekken:
      return match_end<KnownPattern::tekken>(text, at);
    case KnownPattern::deepseek_v3:
      return match_end<KnownPattern::deepseek_v3>(text, at);
    case KnownPattern::o200k:
      return match_end<KnownPattern::o200k>(text, at);
  }
  return text.size();
}

}  // namespace glassbox
