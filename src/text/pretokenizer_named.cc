// How families split text, by the names that GGUF files use for them.
#include <algorithm>
#include <array>

#include "text/tokenizer_impl.h"

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
constexpr std::string_view kDeepSeekLetters =
    R"(A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF})"
    R"(\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1})"
    R"(\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5})"
    R"(\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77})"
    R"(\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D})"
    R"(\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE})"
    R"(\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC})"
    R"(\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124})"
    R"(\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E})"
    R"(\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D})"
    R"(\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF})"
    R"(\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F})"
    R"(\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF})"
    R"(\x{1E900}-\x{1E943})";

// And for characters of East Asia.
constexpr std::string_view kDeepSeekCharacters = R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";

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
             isolated(R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)"),
             PreTokenizer::ByKind{PreTokenizer::Kind::trailing_space},
             isolated(kDeepSeekCharacters),
             PreTokenizer::Digits{false}};
  } else if (name == "deepseek-coder") {
    steps = {isolated(R"([\r\n])"), isolated(R"(\s?\p{L}+)"), isolated(R"(\s?\p{P}+)"), isolated(kDeepSeekCharacters),
             PreTokenizer::Digits{true}};
  } else if (name == "deepseek-v3") {
    steps = {
        isolated(R"(\p{N}{1,3})"), isolated("[一-龥぀-ゟ゠-ヿ]+"),
        isolated(
            R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)")};
  } else {
    return std::nullopt;
  }
  return PreTokenizer(std::move(steps), true);
}

}  // namespace glassbox
