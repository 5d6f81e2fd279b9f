// least_tokens() never says more than there are: a prompt that fits must not be refused.
#include <gmock/gmock.h>
#include <utf8proc.h>

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "formats/gguf.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_data_testing.h"
#include "unicode/utf8.h"

namespace glassbox {
namespace {

using testing::tokenizers;

// Texts that many bytes and few tokens might be made of.
std::vector<std::string> tight_texts(const Tokenizer& tokenizer) {
  std::vector<std::string> texts = {"",
                                    "a",
                                    std::string(5000, ' '),
                                    std::string(5000, '\n'),
                                    std::string(5000, '='),
                                    std::string(5000, 'a'),
                                    std::string(5000, '0')};
  // The longest tokens of all, alone, in a row, and with white space around.
  std::vector<int32_t> ids(tokenizer.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  std::ranges::stable_sort(ids, {}, [&](int32_t id) { return -static_cast<int64_t>(tokenizer.piece(id).size()); });
  for (size_t i = 0; i < std::min<size_t>(ids.size(), 60); ++i) {
    const std::string piece(tokenizer.piece(ids[i]));
    texts.push_back(piece);
    std::string many, apart;
    for (int k = 0; k < 20; ++k) (many += piece, (apart += piece) += std::string(50, ' '));
    texts.push_back(many);
    texts.push_back(apart);
  }
  std::ranges::stable_sort(ids, {}, [&](int32_t id) {
    return -std::ranges::count_if(tokenizer.piece(id),
                                  [](char c) { return std::isalnum(static_cast<unsigned char>(c)); });
  });
  for (size_t i = 0; i < std::min<size_t>(ids.size(), 60); ++i) {
    std::string many;
    for (int k = 0; k < 20; ++k) many += tokenizer.piece(ids[i]);
    texts.push_back(many);
  }
  // Special tokens with much white space on both sides.
  for (size_t id = 0; id < tokenizer.size(); ++id)
    if (tokenizer.is_special(static_cast<int32_t>(id)) && texts.size() < 300)
      texts.push_back(std::string(500, ' ') + tokenizer.token(static_cast<int32_t>(id)) + std::string(500, '\n'));
  // What normalization makes shorter: decomposed letters, jamo, wide letters, letters with many marks, signs of units.
  std::string decomposed, jamo, wide, marks, signs, mathematical;
  for (int i = 0; i < 300; ++i) {
    decomposed += "e\u0301o\u0302\u0301";
    jamo += "\u1112\u1161\u11ab";
    wide += "ＡＢＣ１２３";
    marks += "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a";
    signs += "\u212a\u2126\u212b";
    mathematical += "𝐀𝟎";
  }
  for (const std::string& text : {decomposed, jamo, wide, marks, signs, mathematical}) texts.push_back(text);
  // Every character of Unicode, some at a time.
  std::string all;
  for (char32_t c = 1; c < 0x30000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    unicode::append(all, c);
    if (all.size() > 20'000) texts.push_back(std::exchange(all, {}));
  }
  for (uint64_t i = 0; i < 100; ++i) {  // bytes that are no text
    std::string random;
    for (uint64_t k = 0; k < 200; ++k) random += static_cast<char>(static_cast<unsigned char>(uniform(i, k) * 256));
    texts.push_back(random);
  }
  return texts;
}

void expect_sound(const Tokenizer& tokenizer, const std::string& name) {
  size_t number = 0;
  for (const std::string& text : tight_texts(tokenizer)) {
    if (testing::kSanitized && ++number % 5 != 0) continue;
    const size_t least = tokenizer.least_tokens(text);
    EXPECT_LE(least, tokenizer.encode(text, false).size()) << name << ": " << text.substr(0, 60);
    EXPECT_LE(least, tokenizer.encode_plain(text).size()) << name << ": " << text.substr(0, 60);
  }
}

TEST(LeastTokens, NeverMoreThanThereAre) {
  GLASSBOX_NEEDS_DATA();
  std::set<std::string> bounded;
  int opened = 0;
  const auto look = [&](const std::string& name, const std::function<Tokenizer()>& open) {
    std::optional<Tokenizer> tokenizer;
    try {
      tokenizer = open();
    } catch (const Error&) { return; }
    ++opened;
    expect_sound(*tokenizer, name);
    // Tight enough to refuse a megabyte of letters where the context is a thousand tokens.
    if (tokenizer->least_tokens(std::string(1'000'000, 'a')) > 1000) bounded.insert(name);
  };
  for (const char* name : {"gpt2 vocab.json + merges.txt", "llama3 tokenizer.json"})
    look(name, [&] { return testing::open_named(name); });
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tokenizers())) {
    const auto& path = entry.path();
    const std::string name = std::filesystem::relative(path, tokenizers()).string();
    const std::string extension = path.extension().string();
    if (extension == ".gguf")
      look(name, [&] { return Tokenizer::from_gguf(Gguf::open(path)); });
    else if (entry.is_directory() || extension == ".tiktoken" || extension == ".model")
      look(name, [&] { return Tokenizer::open(path); });
  }
  EXPECT_GE(opened, 20);
  for (const char* name :
       {"gpt2 vocab.json + merges.txt", "llama3 tokenizer.json", "qwen2", "gguf_vocab/ggml-vocab-llama-spm.gguf",
        "gguf_vocab/ggml-vocab-deepseek-llm.gguf", "gguf_vocab/ggml-vocab-phi-3.gguf"})
    EXPECT_TRUE(bounded.contains(name)) << name << " of " << ::testing::PrintToString(bounded);
}

// Canonical composition makes no text shorter than a quarter, compatibility none shorter than an eighth.
TEST(LeastTokens, CompositionShrinksWithinItsBound) {
  const auto composed = [](const std::string& text, bool compatibility) {
    utf8proc_uint8_t* made = nullptr;
    const auto size = utf8proc_map(
        reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()), &made,
        static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | (compatibility ? UTF8PROC_COMPAT : 0)));
    std::free(made);
    return static_cast<size_t>(size);
  };
  const auto decomposed = [](const std::string& text) {
    utf8proc_uint8_t* made = nullptr;
    const auto size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                     &made, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE));
    std::string out(reinterpret_cast<const char*>(made), static_cast<size_t>(size));
    std::free(made);
    return out;
  };
  for (char32_t c = 1; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    unicode::append(text, c);
    for (const std::string& form : {text, decomposed(text)}) {
      ASSERT_GE(composed(form, false) * 4, form.size()) << std::hex << static_cast<uint32_t>(c);
      ASSERT_GE(composed(form, true) * 8, form.size()) << std::hex << static_cast<uint32_t>(c);
    }
  }
}

}  // namespace
}  // namespace glassbox
