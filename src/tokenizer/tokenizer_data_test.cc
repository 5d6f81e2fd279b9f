// Real tokenizers on texts with published expected ids.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "tests/testing.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_data_testing.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int32_t>;

using testing::gpt2;
using testing::llama3;
using testing::tokenizers;

// llama.cpp's cases: texts between marks, and a line of ids each.
void expect_llama_cpp_cases(const Tokenizer& tokenizer, const std::string& name, bool decodes = true) {
  const std::string base = (tokenizers() / "gguf_vocab" / ("ggml-vocab-" + name + ".gguf")).string();
  std::string all = read_file(base + ".inp");
  const std::string mark = "\n__ggml_vocab_test__\n";
  std::ifstream lines(base + ".out");
  size_t cases = 0;
  for (size_t at = 0; at < all.size(); ++cases) {
    const size_t end = std::min(all.find(mark, at), all.size());
    const std::string text = all.substr(at, end - at);
    at = end + mark.size();
    std::string line;
    ASSERT_TRUE(std::getline(lines, line)) << name << " case " << cases;
    Ids expected;
    std::istringstream numbers(line);
    for (int32_t id; numbers >> id;) expected.push_back(id);
    EXPECT_EQ(tokenizer.encode(text, false), expected) << name << ": " << text;
    if (decodes) { EXPECT_EQ(tokenizer.decode(expected), text); }
  }
  EXPECT_GE(cases, 46u);
}

// transformers.js' cases. A BOS that ours is not asked for, or adds as well, is compared as it is.
void expect_transformers_cases(const Tokenizer& tokenizer, const char* model, bool bos, bool cleaned, int after = 0) {
  const Json all = read_json(tokenizers() / "expected/tokenizer_tests.json");
  ASSERT_GE(all[model].size(), 18u);
  for (const Json& one : all[model]) {
    const auto text = one["input"].get<std::string>();
    auto expected = one["encoded"]["input_ids"].get<Ids>();
    EXPECT_EQ(tokenizer.encode(text, false), Ids(expected.begin() + bos, expected.end() - after))
        << model << ": " << text;
    if (bos) { EXPECT_EQ(expected.front(), tokenizer.bos()); }
    if (cleaned && after > 0) continue;  // tidied together with the special tokens
    if (cleaned) {  // clean_up_tokenization_spaces changed the spelling afterwards: what tokens say is the text
      EXPECT_EQ(tokenizer.decode(expected, true), text);
      continue;
    }
    EXPECT_EQ(tokenizer.decode(expected, false), one["decoded_with_special"].get<std::string>());
    EXPECT_EQ(tokenizer.decode(expected, true), one["decoded_without_special"].get<std::string>());
  }
}

TEST(TokenizerData, Gpt2ExpectedCases) {
  GLASSBOX_NEEDS_DATA();
  const Tokenizer tokenizer = gpt2();
  EXPECT_EQ(tokenizer.size(), 50257u);
  EXPECT_EQ(tokenizer.eos(), 50256);
  EXPECT_FALSE(tokenizer.adds_bos());
  expect_llama_cpp_cases(tokenizer, "gpt-2");
  expect_transformers_cases(tokenizer, "distilgpt2", false, true);
  const Json file = read_json(tokenizers() / "expected/gpt2_encoded_tokens.json");
  const Ids ids = tokenizer.encode(file["text"].get<std::string>());
  EXPECT_EQ(ids, file["token_ids"].get<Ids>());
  std::vector<std::string> names;
  for (int32_t id : ids) names.push_back(tokenizer.token(id));
  EXPECT_EQ(Json(names), file["bpe_tokens"]);
}

TEST(TokenizerData, Llama2ExpectedCases) {
  GLASSBOX_NEEDS_DATA();
  for (const char* path : {"llama2/hf", "llama2/hf/tokenizer.json", "llama2/tokenizer.model"}) {
    const Tokenizer tokenizer = Tokenizer::open(tokenizers() / path);
    EXPECT_EQ(tokenizer.size(), 32000u);
    EXPECT_EQ(tokenizer.bos(), 1);
    EXPECT_EQ(tokenizer.eos(), 2);
    EXPECT_EQ(tokenizer.unk(), 0);
    expect_llama_cpp_cases(tokenizer, "llama-spm");
    expect_transformers_cases(tokenizer, "coreml-projects/Llama-2-7b-chat-coreml", true, false);
  }
}

TEST(TokenizerData, Llama3ExpectedCases) {
  GLASSBOX_NEEDS_DATA();
  for (const Tokenizer& tokenizer : {Tokenizer::open(tokenizers() / "llama3/tokenizer.model"), llama3()}) {
    EXPECT_EQ(tokenizer.bos(), 128000);
    EXPECT_TRUE(tokenizer.adds_bos());
    EXPECT_EQ(tokenizer.id_of("<|eot_id|>"), 128009);
    expect_llama_cpp_cases(tokenizer, "llama-bpe");
    expect_transformers_cases(tokenizer, "pcuenq/Llama-3.2-1B-Instruct-tokenizer", true, true);
    const Json file = read_json(tokenizers() / "expected/llama_3.2_encoded.json");
    EXPECT_EQ(tokenizer.encode(file["text"].get<std::string>()), file["token_ids"].get<Ids>());
  }
  const Tokenizer tokenizer = Tokenizer::open(tokenizers() / "llama3/tokenizer.model");
  EXPECT_EQ(tokenizer.size(), 128256u);
  EXPECT_EQ(tokenizer.eos(), 128001);
  EXPECT_EQ(tokenizer.token(128006), "<|start_header_id|>");
  EXPECT_EQ(tokenizer.token(128255), "<|reserved_special_token_245|>");
}

TEST(TokenizerData, OthersThatTheSamePartsMake) {
  GLASSBOX_NEEDS_DATA();
  expect_llama_cpp_cases(Tokenizer::open(tokenizers() / "llama4/tokenizer.model"), "llama4");
  expect_llama_cpp_cases(Tokenizer::open(tokenizers() / "openai/o200k_base.tiktoken"), "gpt-4o");
  expect_llama_cpp_cases(Tokenizer::open(tokenizers() / "qwen2"), "qwen2");
}

TEST(TokenizerData, T5ExpectedCases) {
  GLASSBOX_NEEDS_DATA();
  const Tokenizer tokenizer = Tokenizer::open(tokenizers() / "t5");
  EXPECT_EQ(tokenizer.size(), 32100u);
  EXPECT_EQ(tokenizer.eos(), 1);
  const Json file = read_json(tokenizers() / "expected/t5_base_encoded.json");
  EXPECT_EQ(tokenizer.encode(file["text"].get<std::string>()), file["token_ids"].get<Ids>());
  const Tokenizer pieces = Tokenizer::open(tokenizers() / "t5/spiece.model");
  EXPECT_EQ(pieces.encode(file["text"].get<std::string>()), file["token_ids"].get<Ids>());
  expect_transformers_cases(tokenizer, "t5-base", false, true, 1);
}

TEST(TokenizerData, BertExpectedCases) {
  GLASSBOX_NEEDS_DATA();
  const Tokenizer tokenizer = Tokenizer::open(tokenizers() / "hf_configs/bert-vocab.txt");
  EXPECT_EQ(tokenizer.size(), 30522u);
  EXPECT_EQ(tokenizer.bos(), 101);
  EXPECT_EQ(tokenizer.eos(), 102);
  const Json all = read_json(tokenizers() / "expected/tokenizer_tests.json");
  for (const char* model : {"bert-base-uncased", "google-bert/bert-base-uncased"}) {
    for (const Json& one : all[model]) {
      const auto ids = one["encoded"]["input_ids"].get<Ids>();
      EXPECT_EQ(tokenizer.encode(one["input"].get<std::string>()), ids) << one["input"];
      // transformers tidied apostrophes up afterwards.
      const auto text = one["decoded_without_special"].get<std::string>();
      if (text.find('\'') == std::string::npos) { EXPECT_EQ(tokenizer.decode(ids, true), text); }
    }
  }
  EXPECT_GE(all["bert-base-uncased"].size(), 18u);
}

TEST(TokenizerData, ClipEncodesAndDecodes) {
  GLASSBOX_NEEDS_DATA();
  const Tokenizer tokenizer = Tokenizer::open(tokenizers() / "clip");
  EXPECT_EQ(tokenizer.size(), 49408u);
  // What transformers' CLIPTokenizer says.
  const Ids ids = tokenizer.encode("A Photo of  a cat's whiskers!");
  EXPECT_EQ(ids, (Ids{49406, 320, 1125, 539, 320, 2368, 568, 6024, 2880, 256, 49407}));
  EXPECT_EQ(tokenizer.decode(ids, true), "a photo of a cat 's whiskers !");
}

TEST(TokenizerData, DeepSeekExpectedCases) {
  GLASSBOX_NEEDS_DATA();
  const Tokenizer tokenizer = Tokenizer::open(tokenizers() / "deepseek_v3/deepseek_v3.tiktoken");
  EXPECT_EQ(tokenizer.bos(), 0);
  EXPECT_EQ(tokenizer.id_of("<｜Assistant｜>"), 128804);
  for (const Json& one : read_json(tokenizers() / "expected/deepseek_v3_cases.json")) {
    EXPECT_EQ(tokenizer.encode(one[0].get<std::string>(), false), one[1].get<Ids>()) << one[0];
    EXPECT_EQ(tokenizer.decode(one[1].get<Ids>()), one[0].get<std::string>());
  }
}

TEST(TokenizerData, TokenizersInsideGguf) {
  GLASSBOX_NEEDS_DATA();
  for (const char* name : {"llama-spm", "phi-3", "bert-bge", "deepseek-coder", "deepseek-llm", "falcon", "gpt-2", "mpt",
                           "refact", "starcoder"}) {
    SCOPED_TRACE(name);
    const std::string file = fmt::format("ggml-vocab-{}.gguf", name);
    const Tokenizer tokenizer = Tokenizer::from_gguf(Gguf::open(tokenizers() / "gguf_vocab" / file));
    expect_llama_cpp_cases(tokenizer, name, std::string_view(name) != "bert-bge");
  }
  // No expected ids are at hand for these two.
  const Tokenizer baichuan = Tokenizer::from_gguf(Gguf::open(tokenizers() / "gguf_vocab/ggml-vocab-baichuan.gguf"));
  EXPECT_EQ(baichuan.size(), 64000u);
  EXPECT_EQ(baichuan.decode(baichuan.encode("Hello, 你好!", false)), "Hello, 你好!");
  try {
    Tokenizer::from_gguf(Gguf::open(tokenizers() / "gguf_vocab/ggml-vocab-gpt-neox.gguf"));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    EXPECT_NE(std::string(error.what()).find("tokenizer.ggml.pre"), std::string::npos);
  }
}

// The same model's tokenizer by way of its own files and of GGUF.
TEST(TokenizerData, GgufEqualsThePublishedFiles) {
  GLASSBOX_NEEDS_DATA();
  const std::pair<const char*, const char*> same[] = {{"llama-spm", "llama2/tokenizer.model"},
                                                      {"bert-bge", "hf_configs/bert-vocab.txt"}};
  const std::string text = read_file(testing::data_folder() / "text/tinyshakespeare/input.txt").substr(0, 200000);
  for (const auto& [name, path] : same) {
    const Tokenizer inside =
        Tokenizer::from_gguf(Gguf::open(tokenizers() / "gguf_vocab" / fmt::format("ggml-vocab-{}.gguf", name)));
    const Tokenizer published = Tokenizer::open(tokenizers() / path);
    EXPECT_EQ(inside.encode(text), published.encode(text)) << name;
    EXPECT_EQ(inside.bos(), published.bos());
    EXPECT_EQ(inside.eos(), published.eos());
  }
}

}  // namespace
}  // namespace glassbox
