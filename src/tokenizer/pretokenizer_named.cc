// How families split text, by the names that GGUF files use for them.
#include <algorithm>
#include <array>

#include "tokenizer/tokenizer_impl.h"

namespace glassbox {

namespace {

using Step = PreTokenizer::Step;

Step isolated(std::string_view expression) {
  if (const auto known = known_pattern(expression)) return PreTokenizer::Known{*known};
  PreTokenizer::Split split;
  split.regex = Regex::compile(expression, "pre-tokenizer");
  return split;
}

template <class... Names>
bool one_of(std::string_view name, Names... names) {
  return ((name == names) || ...);
}

// What DeepSeek's first models take for a letter of an alphabet.
constexpr std::string_view kDeepSeekLetters = R"(A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯ)"
                                              R"(Ͱ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-Ρ)"
                                              R"(Σ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽ)"
                                              R"(ᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷ)"
                                              R"(ᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅ)"
                                              R"(ὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼι)"
                                              R"(ῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥ)"
                                              R"(ῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ)"
                                              R"(ΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎ)"
                                              R"(ↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭ)"
                                              R"(Ꚁ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿ)"
                                              R"(ﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏)"
                                              R"(𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟)"
                                              R"(𞤀-𞥃)";

// And for characters of East Asia.
constexpr std::string_view kDeepSeekCharacters = R"([一-龥ࠀ-一가-퟿]+)";

}  // namespace

std::optional<PreTokenizer> pretokenizer_named(std::string_view name) {
  const Step gpt2 = PreTokenizer::Known{KnownPattern::gpt2};
  std::vector<Step> steps;
  if (one_of(name, "gpt-2", "phi-2", "mpt", "olmo", "roberta-bpe", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
             "jina-v2-code", "gigachat")) {
    steps = {gpt2};
  } else if (one_of(name, "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "lfm2", "dbrx", "smaug-bpe")) {
    steps = {PreTokenizer::Known{KnownPattern::cl100k}};
  } else if (one_of(name, "qwen2", "deepseek-r1-qwen", "stablelm2")) {
    steps = {PreTokenizer::Known{KnownPattern::cl100k_1}};
  } else if (one_of(name, "gpt-4o", "llama4")) {
    steps = {PreTokenizer::Known{KnownPattern::o200k}};
  } else if (name == "tekken") {
    steps = {PreTokenizer::Known{KnownPattern::tekken}};
  } else if (one_of(name, "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone")) {
    steps = {PreTokenizer::Digits{true}, gpt2};
  } else if (name == "falcon") {
    steps = {isolated(R"([\p{P}\$\+<=>\^~\|`]+)"), gpt2, isolated("[0-9][0-9][0-9]")};
  } else if (name == "default") {
    steps = {isolated(R"([\p{P}\$\+<=>\^~\|]+)"), gpt2, isolated(R"(\p{N}+)"), isolated("[0-9][0-9][0-9]")};
  } else if (name == "deepseek-llm") {
    steps = {isolated(R"([\r\n])"),
             isolated(R"(\s?[)" + std::string(kDeepSeekLetters) + "]+"),
             isolated(R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)"),
             PreTokenizer::ByKind{PreTokenizer::Kind::trailing_space},
             isolated(kDeepSeekCharacters),
             PreTokenizer::Digits{false}};
  } else if (name == "deepseek-coder") {
    steps = {isolated(R"([\r\n])"), isolated(R"(\s?\p{L}+)"), isolated(R"(\s?\p{P}+)"), isolated(kDeepSeekCharacters),
             PreTokenizer::Digits{true}};
  } else if (name == "deepseek-v3") {
    steps = {PreTokenizer::Known{KnownPattern::deepseek_v3}};
  } else {
    return std::nullopt;
  }
  return PreTokenizer(std::move(steps), true);
}

bool composes_by_name(std::string_view name) { return one_of(name, "qwen2", "olmo"); }

bool whole_words_by_name(std::string_view name) {
  return one_of(name, "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "lfm2", "tekken");
}

}  // namespace glassbox
