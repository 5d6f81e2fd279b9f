// Every tokenizer of the data folder on 20 MB of its texts and on random Unicode: the reference's ids, by hash
// (tests/reference/tokenizer_hashes.py made them).
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>

#include "formats/gguf.h"
#include "tests/tokenizer_texts.h"
#include "tokenizer/hostile_text.h"
#include "tokenizer/tokenizer_data_testing.h"

namespace glassbox {
namespace {

using Ids = std::vector<int32_t>;

std::string hash(const void* bytes, size_t size) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_Digest(bytes, size, digest, nullptr, EVP_sha256(), nullptr);
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

std::string test_name(const ::testing::TestParamInfo<const char*>& each) {
  std::string name = each.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

constexpr const char* kTokenizers[] = {"llama2/hf",
                                       "llama2/tokenizer.model",
                                       "mistral/tokenizer.model.v1",
                                       "mistral/mistral_instruct_tokenizer_240216.model.v2",
                                       "mistral/mistral_instruct_tokenizer_240323.model.v3",
                                       "mistral/mistral_instruct_tokenizer_241114.model.v7",
                                       "mistral/mistral_instruct_tokenizer_241114.model.v7m1",
                                       "t5/spiece.model",
                                       "tiny/m.model",
                                       "t5/tokenizer.json",
                                       "tiny/tiny_bpe_tokenizer.json",
                                       "olmo/allenai_eleuther-ai-gpt-neox-20b-pii-special.json",
                                       "hf_configs/bert-vocab.txt",
                                       "clip",
                                       "deepseek_v3/deepseek_v3.tiktoken",
                                       "mistral/mistral_v3_tekken.tiktoken",
                                       "llama4/tokenizer.model",
                                       "llama3/tokenizer.model",
                                       "openai/r50k_base.tiktoken",
                                       "openai/p50k_base.tiktoken",
                                       "tiny/tiktoken_small.model",
                                       "openai/cl100k_base.tiktoken",
                                       "openai/o200k_base.tiktoken",
                                       "gpt2 vocab.json + merges.txt",
                                       "llama3 tokenizer.json",
                                       "qwen2",
                                       "olmo/olmo-7b-hf",
                                       "olmo/allenai_dolma2.json",
                                       "olmo/allenai_gpt-neox-olmo-dolma-v1_5.json",
                                       "olmo/dolma2-hf"};

// Each its own test, so that they run beside each other.
class TokenizerConformance : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerConformance, MegabytesEqualTheReferences) {
  GLASSBOX_NEEDS_DATA();
  const Json recipe = read_json(testing::fixture("tokenizer_hashes.json"));
  ASSERT_EQ(recipe["tokenizers"].size(), std::size(kTokenizers));
  const auto found = std::find_if(recipe["tokenizers"].begin(), recipe["tokenizers"].end(),
                                  [](const Json& one) { return one["path"] == GetParam(); });
  ASSERT_NE(found, recipe["tokenizers"].end());
  // What is expected of a chunk, by what it is: the data folder grows.
  std::map<std::string, std::string> expected;
  std::istringstream known(recipe["texts"].get<std::string>()), hashes((*found)["hashes"].get<std::string>());
  for (std::string text, ids; known >> text && hashes >> ids;) expected[text] = ids;
  const Tokenizer tokenizer = testing::open_named(GetParam());
  const bool plain = (*found)["encode"] == "plain";
  size_t compared = 0, wrong = 0;
  for (const std::string& text : chunks(recipe)) {
    const auto one = expected.find(hash(text.data(), text.size()));
    if (one == expected.end()) continue;
    ++compared;
    const Ids ids = plain ? tokenizer.encode_plain(text) : tokenizer.encode(text, false);
    if (hash(ids.data(), ids.size() * sizeof(int32_t)) != one->second && wrong++ == 0)
      ADD_FAILURE() << "chunk " << compared << " differs first, of " << text.size() << " bytes";
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_GE(expected.size(), 300u);
  EXPECT_GE(compared * 10, expected.size() * 9);
}

INSTANTIATE_TEST_SUITE_P(Data, TokenizerConformance, ::testing::ValuesIn(kTokenizers), test_name);

// What is hard, for each tokenizer: half a megabyte of each kind, GLASSBOX_HOSTILE_MB=10 megabytes where there is time.
class TokenizerTime : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerTime, IsLinear) {
  GLASSBOX_NEEDS_DATA();
  const std::string name = GetParam();
  const Tokenizer tokenizer = name.ends_with(".gguf") ? Tokenizer::from_gguf(Gguf::open(testing::tokenizers() / name))
                                                      : testing::open_named(name);
  const char* megabytes = std::getenv("GLASSBOX_HOSTILE_MB");
  testing::expect_linear(tokenizer, name, megabytes ? std::stoul(megabytes) * 1'000'000 : 500'000);
}

INSTANTIATE_TEST_SUITE_P(Data, TokenizerTime, ::testing::ValuesIn(kTokenizers), test_name);
INSTANTIATE_TEST_SUITE_P(Gguf, TokenizerTime,
                         ::testing::Values("gguf_vocab/ggml-vocab-falcon.gguf",
                                           "gguf_vocab/ggml-vocab-deepseek-llm.gguf",
                                           "gguf_vocab/ggml-vocab-deepseek-coder.gguf",
                                           "gguf_vocab/ggml-vocab-starcoder.gguf"),
                         test_name);

}  // namespace
}  // namespace glassbox
