// The character classes that tokenizers split by, and what their normalization asks of a character.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace glassbox::unicode {

// General categories as far as tokenizers tell them apart (Unicode 16, as the reference implementations), with
// White_Space taken out of Other: no letter, mark or number is white space.
enum class Class : uint8_t { Other, Lu, Ll, Lt, Lm, Lo, M, N, Space };

// The classes of all code points as runs (unicode_table.cc): first code point << 4 | class. kNewerRuns holds only
// what was assigned after Unicode 14, which is what PCRE2 10.42 knows.
extern const uint32_t kClassRuns[];
extern const size_t kClassRunsSize;
extern const uint32_t kNewerRuns[];
extern const size_t kNewerRunsSize;
// 1 for what the reference's normalization does not know, its tables being of Unicode 9; else 0.
extern const uint32_t kUnnormalizedRuns[];
extern const size_t kUnnormalizedRunsSize;

// What BERT's normalization and others ask of a character (unicode_bert_table.cc, from the reference).
enum Trait : uint8_t {
  kControl = 1,         // dropped by "clean_text": controls, formats, private use
  kPunctuation = 2,     // a word of its own to BertPreTokenizer and Punctuation
  kNonspacingMark = 4,  // dropped by "strip_accents" after decomposition
  kCombiningMark = 8    // dropped by StripAccents
};
extern const uint32_t kTraitRuns[];
extern const size_t kTraitRunsSize;
extern const uint32_t kNewerSymbolRuns[];  // 1 punctuation, 2 symbols that came after Unicode 14; else 0
extern const size_t kNewerSymbolRunsSize;
struct LowerRun {
  uint32_t first, last, step;
  int32_t difference;
};
extern const LowerRun kLowerRuns[];
extern const size_t kLowerRunsSize;

// 0x110000 sets of Trait, one a byte; made on first use, lives for ever.
const uint8_t* trait_table();

// Appends the lower case of a character: itself where it has none; two characters for U+0130.
void append_lower(std::string& out, char32_t c);

// 0x110000 classes, one a byte; made on first use, lives for ever.
const Class* class_table();

// 0x110000 bytes, 1 for punctuation and symbols (\p{P} and \p{S}), else 0; made on first use, lives for ever.
const uint8_t* symbol_table();

// True for characters that came after Unicode 9: normalization leaves them, and nothing combines across them.
bool is_unnormalized(char32_t c);

inline bool is_letter(Class c) { return c >= Class::Lu && c <= Class::Lo; }

// \w as Rust's regex crate has it, which tokenizers uses for single_word tokens.
bool is_word(char32_t c);

}  // namespace glassbox::unicode
