// Every tokenizer of the data folder on 6 MB of its texts and on random Unicode: the reference's ids, by hash
// (tests/reference/tokenizer_hashes.py made them).
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <sstream>

#include "formats/gguf.h"
#include "tests/tokenizer_texts.h"
#include "text/hostile_text.h"
#include "text/tokenizer_data_testing.h"

namespace glassbox {
namespace {

using Ids = std::vector<int32_t>;

std::string hash(const Ids& ids) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_Digest(ids.data(), ids.size() * sizeof(int32_t), digest, nullptr, EVP_sha256(), nullptr);
  std::string out;
  for (int i = 0; i < 8; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

std::vector<std::string> chunks(const Json& recipe) {
  std::vector<std::string> out;
  const auto size = recipe["chunk"].get<size_t>();
  for (const Json& name : recipe["files"]) {
    const std::string bytes =
        testing::file_bytes(testing::data_folder() / name.get<std::string>(), recipe["from_each"].get<size_t>());
    for (std::string& text : testing::cut(bytes, size))
      if (unicode::valid_prefix(text) == text.size()) out.push_back(std::move(text));
  }
  const auto special = recipe["special"].get<std::vector<std::string>>();
  for (uint64_t seed = 0; seed < recipe["generated"]["seeds"].get<uint64_t>(); ++seed)
    out.push_back(testing::generated(seed, recipe["generated"]["count"].get<int>(), special));
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
      for (const std::string& part : parts > 0 ? testing::cut(texts[i], parts) : std::vector<std::string>{texts[i]}) {
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
