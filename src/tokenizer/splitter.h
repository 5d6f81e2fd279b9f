// The regular expressions most byte-level tokenizers split text into words with, matched by hand: some ten times faster
// than compiled, and equal to them on every text (splitter_test.cc).
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace glassbox {

enum class KnownPattern {
  gpt2,         // 's|'t|... | ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  cl100k,       // (?i:'s|...)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  cl100k_1,     // the same with every digit alone (Qwen2)
  tekken,       // o200k with every digit alone and no contractions (Mistral)
  deepseek_v3,  // three expressions, one after another: digits by threes, Chinese and Japanese, and the rest
  o200k,  // words end where capitals begin, take their contraction along; digits by threes (GPT-4o, gpt-oss, Llama 4)
};

// The pattern this expression spells, if it is one of them.
std::optional<KnownPattern> known_pattern(std::string_view expression);

// DeepSeek-V3's, each of which cuts what the one before it left.
inline constexpr std::string_view kDeepSeekV3[] = {
    R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+",
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

// The expression in full, as Regex::compile() reads it; of deepseek_v3 the last.
std::string_view expression_of(KnownPattern pattern);

// Where the match that begins at `at` (< text.size()) ends: these patterns match at every character, so that matches
// cover the text. `text` must be well-formed UTF-8.
template <KnownPattern kPattern>
size_t match_end(std::string_view text, size_t at);
size_t match_end(KnownPattern pattern, std::string_view text, size_t at);

extern template size_t match_end<KnownPattern::gpt2>(std::string_view, size_t);
extern template size_t match_end<KnownPattern::cl100k>(std::string_view, size_t);
extern template size_t match_end<KnownPattern::cl100k_1>(std::string_view, size_t);
extern template size_t match_end<KnownPattern::tekken>(std::string_view, size_t);
extern template size_t match_end<KnownPattern::deepseek_v3>(std::string_view, size_t);
extern template size_t match_end<KnownPattern::o200k>(std::string_view, size_t);

}  // namespace glassbox
