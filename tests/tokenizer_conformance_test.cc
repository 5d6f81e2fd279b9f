// Every tokenizer of the data folder on 6 MB of its texts and on random Unicode: the reference's ids, by hash
// (tests/reference/tokenizer_hashes.py made them).
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <sstream>

#include "formats/gguf.h"
#include "text/hostile_text.h"
#include "text/tokenizer_data_testing.h"
#include "text/unicode.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int32_t>;

std::string hash(const Ids& ids) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_Digest(ids.data(), ids.size() * sizeof(int32_t), digest, nullptr, EVP_sha256(), nullptr);
  std::string out;
  for (int i = 0; i < 8; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

// Characters of all planes, spaces, words and special tokens, as tokenizer_hashes.py draws them.
std::string generated(uint64_t seed, int count, const std::vector<std::string>& special) {
  uint64_t state = seed;
  auto draw = [&](uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>((state >> 33) % n);
  };
  static const char32_t kSpaces[] = {' ', '\n', '\r', '\t', '\'', 0xA0, 0x3000, 0x2581, 0x85, 0x180E, ' ', ' '};
  std::string out;
  for (int i = 0; i < count; ++i) {
    const uint32_t k = draw(100);
    if (k < 40) {
      unicode::append(out, 0x20 + draw(0x5F));
    } else if (k < 55) {
      unicode::append(out, kSpaces[draw(12)]);
    } else if (k < 70) {
      unicode::append(out, 0x80 + draw(0x780));
    } else if (k < 80) {
      unicode::append(out, 0x4E00 + draw(0x5200));
    } else if (k < 88) {
      const char32_t c = 0x800 + draw(0xF800);
      unicode::append(out, c >= 0xD800 && c < 0xE000 ? U'\'' : c);
    } else if (k < 95) {
      unicode::append(out, 0x10000 + draw(0x100000));
    } else if (k < 97) {
      out += special[draw(special.size())];
    } else {
      const char c = "a -1=\n"[draw(6)];
      out.append(1 + draw(70), c);
    }
  }
  return out;
}

// At most `size` bytes each, cut before a character.
std::vector<std::string> cut(const std::string& bytes, size_t size) {
  std::vector<std::string> out;
  for (size_t at = 0; at < bytes.size();) {
    size_t end = std::min(at + size, bytes.size());
    while (end < bytes.size() && (static_cast<uint8_t>(bytes[end]) & 0xC0) == 0x80) --end;
    out.push_back(bytes.substr(at, end - at));
    at = end;
  }
  return out;
}

std::vector<std::string> chunks(const Json& recipe) {
  std::vector<std::string> out;
  const auto size = recipe["chunk"].get<size_t>();
  for (const Json& name : recipe["files"]) {
    const fs::path path = testing::data_folder() / name.get<std::string>();
    std::string bytes;
    if (fs::is_directory(path)) {
      std::vector<std::string> files;
      for (const auto& entry : fs::recursive_directory_iterator(path))
        if (entry.is_regular_file()) files.push_back(entry.path().string());
      std::sort(files.begin(), files.end());
      for (const std::string& file : files) bytes += read_file(file);
    } else {
      bytes = read_file(path);
    }
    bytes.resize(std::min(bytes.size(), recipe["from_each"].get<size_t>()));
    for (std::string& text : cut(bytes, size))
      if (unicode::valid_prefix(text) == text.size()) out.push_back(std::move(text));
  }
  const auto special = recipe["special"].get<std::vector<std::string>>();
  for (uint64_t seed = 0; seed < recipe["generated"]["seeds"].get<uint64_t>(); ++seed)
    out.push_back(generated(seed, recipe["generated"]["count"].get<int>(), special));
  return out;
}

TEST(TokenizerConformance, MegabytesEqualTheReferences) {
  GLASSBOX_NEEDS_DATA();
  const Json recipe = read_json(testing::fixture("tokenizer_hashes.json"));
  const std::vector<std::string> texts = chunks(recipe);
  ASSERT_EQ(texts.size(), recipe["chunks"].get<size_t>());
  for (const Json& one : recipe["tokenizers"]) {
    const auto name = one["path"].get<std::string>();
    const Tokenizer tokenizer = testing::open_named(name);
    const bool plain = one["encode"] == "plain";
    const auto parts = one["cut"].get<size_t>();  // 0: not cut
    std::istringstream hashes(one["hashes"].get<std::string>());
    size_t tokens = 0, wrong = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      std::string expected;
      ASSERT_TRUE(hashes >> expected);
      Ids ids;
      for (const std::string& part : parts > 0 ? cut(texts[i], parts) : std::vector<std::string>{texts[i]}) {
        const Ids more = plain ? tokenizer.encode_plain(part) : tokenizer.encode(part, false);
        ids.insert(ids.end(), more.begin(), more.end());
      }
      tokens += ids.size();
      if (hash(ids) != expected && wrong++ == 0)
        ADD_FAILURE() << name << ": chunk " << i << " differs first, of " << texts[i].size() << " bytes";
    }
    EXPECT_EQ(wrong, 0u) << name;
    EXPECT_EQ(tokens, one["tokens"].get<size_t>()) << name;
  }
}

TEST(TokenizerConformance, PublishedTokenizersTakeLinearTime) {
  GLASSBOX_NEEDS_DATA();
  for (const char* name : {"t5/tokenizer.json", "t5/spiece.model", "hf_configs/bert-vocab.txt", "clip",
                           "deepseek_v3/deepseek_v3.tiktoken", "mistral/mistral_v3_tekken.tiktoken",
                           "openai/o200k_base.tiktoken", "llama3/tokenizer.model", "llama2/tokenizer.model"})
    testing::expect_linear(Tokenizer::open(testing::tokenizers() / name), name, 1'000'000);
  for (const char* name : {"falcon", "deepseek-llm", "deepseek-coder", "starcoder"})
    testing::expect_linear(
        Tokenizer::from_gguf(Gguf::open(testing::tokenizers() / fmt::format("gguf_vocab/ggml-vocab-{}.gguf", name))),
        name, 1'000'000);
}

}  // namespace
}  // namespace glassbox
