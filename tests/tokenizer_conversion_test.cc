// Every tokenizer of the data folder that GGUF and tokenizer.json can hold, written as both and read again: the same
// ids on published cases, prose and random Unicode.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/gguf.h"
#include "tests/tokenizer_texts.h"
#include "tokenizer/tokenizer_data_testing.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> texts() {
  std::vector<std::string> out{"", " ", "a", "\n"};
  for (const char* model : {"llama-bpe", "gpt-2"}) {  // llama.cpp's cases, the same for all
    const std::string all = read_file(testing::tokenizers() / fmt::format("gguf_vocab/ggml-vocab-{}.gguf.inp", model));
    const std::string mark = "\n__ggml_vocab_test__\n";
    for (size_t at = 0; at < all.size();) {
      const size_t end = std::min(all.find(mark, at), all.size());
      out.push_back(all.substr(at, end - at));
      at = end + mark.size();
    }
  }
  for (const Json& model : read_json(testing::tokenizers() / "expected/tokenizer_tests.json"))
    for (const Json& one : model) out.push_back(one["input"]);
  for (const Json& one : read_json(testing::tokenizers() / "expected/deepseek_v3_cases.json")) out.push_back(one[0]);
  for (const char* name : {"gpt2_encoded_tokens", "llama_3.2_encoded", "t5_base_encoded"})
    out.push_back(read_json(testing::tokenizers() / fmt::format("expected/{}.json", name))["text"]);
  for (size_t n = 1; n < 80; ++n) out.push_back("a" + std::string(n, ' ') + "b");
  for (const char* name : {"tinyshakespeare/input.txt", "grimm"}) {
    std::string bytes = testing::file_bytes(testing::data_folder() / "text" / name, 100'000);
    for (std::string& text : testing::cut(bytes, 10'000)) out.push_back(std::move(text));
  }
  for (uint64_t seed = 100; seed < 104; ++seed)
    out.push_back(testing::generated(seed, 8000, {"<s>", "</s>", "<unk>", "<|endoftext|>", "<|eot_id|>", "[INST]"}));
  return out;
}

Gguf written(const Tokenizer& tokenizer, const fs::path& file, bool with_json) {
  std::vector<GgufEntry> entries = tokenizer.to_gguf(static_cast<int64_t>(tokenizer.size()) + 5);
  if (with_json) entries.push_back({"tokenizer.huggingface.json", GgufValue::of(tokenizer.to_json())});
  write_gguf(file, entries, {}, [](size_t, const AppendBytes&) {});
  return Gguf::open(file);
}

// A tokenizer.json says nothing of which token is which: its configuration does.
Tokenizer from_json(const std::string& text, const Tokenizer& meant) {
  Json config = Json::object();
  for (const auto& [name, id] : {std::pair{"bos_token", meant.bos()}, std::pair{"eos_token", meant.eos()},
                                 std::pair{"unk_token", meant.unk()}, std::pair{"pad_token", meant.pad()}})
    config[name] = id ? Json(meant.token(*id)) : Json();
  return Tokenizer::from_json(text, "json", dump_json(config));
}

void expect_same(const Tokenizer& meant, const Tokenizer& got, const std::vector<std::string>& texts) {
  size_t wrong = 0;
  for (const std::string& text : texts) {
    if (meant.encode(text) != got.encode(text) || meant.encode_plain(text) != got.encode_plain(text)) {
      if (wrong++ == 0) { EXPECT_EQ(meant.encode(text), got.encode(text)) << text.substr(0, 200); }
      continue;
    }
    const auto ids = meant.encode(text, false);
    if (text.size() < 1000) { EXPECT_EQ(meant.decode(ids), got.decode(ids)); }
  }
  EXPECT_EQ(wrong, 0u) << "of " << texts.size() << " texts";
  EXPECT_EQ(meant.bos(), got.bos());
  EXPECT_EQ(meant.eos(), got.eos());
  EXPECT_EQ(meant.pad(), got.pad());
  EXPECT_EQ(meant.adds_bos(), got.adds_bos());
  for (size_t id = 0; id < meant.size(); ++id) {
    const auto i = static_cast<int32_t>(id);
    ASSERT_EQ(meant.piece(i), got.piece(i)) << id;
    ASSERT_EQ(meant.is_special(i), got.is_special(i)) << id << ' ' << meant.token(i);
  }
}

struct Case {
  const char* path;
  const char* model;
  const char* pre;
};
std::ostream& operator<<(std::ostream& out, const Case& one) { return out << one.path; }

class TokenizerConversion : public ::testing::TestWithParam<Case> {};

TEST_P(TokenizerConversion, GoesToGgufAndJsonAndBack) {
  GLASSBOX_NEEDS_DATA();
  const std::string path = GetParam().path;
  const Tokenizer published = path.ends_with(".gguf") ? Tokenizer::from_gguf(Gguf::open(testing::tokenizers() / path))
                                                      : testing::open_named(path);
  const std::vector<std::string> all = texts();
  testing::TemporaryFolder folder;
  const bool unigram = std::string_view(GetParam().model) == "t5";
  for (const bool with_json : {false, true}) {
    if (unigram && with_json) continue;
    const Gguf file = written(published, folder / "t.gguf", with_json);
    EXPECT_EQ(file.string("tokenizer.ggml.model"), GetParam().model);
    EXPECT_EQ(file.string("tokenizer.ggml.pre"), GetParam().pre);
    SCOPED_TRACE(with_json ? "GGUF with tokenizer.json" : "GGUF alone");
    expect_same(published, Tokenizer::from_gguf(file), all);
    if (with_json || unigram) continue;
    SCOPED_TRACE("from GGUF to tokenizer.json");
    expect_same(published, from_json(Tokenizer::from_gguf(file).to_json(), published), all);
  }
  if (unigram) {
    EXPECT_THROW(published.to_json(), Error);
    return;
  }
  SCOPED_TRACE("tokenizer.json");
  expect_same(published, from_json(published.to_json(), published), all);
}

INSTANTIATE_TEST_SUITE_P(
    Data, TokenizerConversion,
    ::testing::Values(
        Case{"deepseek_v3/deepseek_v3.tiktoken", "gpt2", "deepseek-v3"},
        Case{"gguf_vocab/ggml-vocab-deepseek-llm.gguf", "gpt2", "deepseek-llm"},
        Case{"gguf_vocab/ggml-vocab-deepseek-coder.gguf", "gpt2", "deepseek-coder"},
        Case{"llama2/hf/tokenizer.json", "llama", "default"}, Case{"llama2/tokenizer.model", "llama", "default"},
        Case{"gguf_vocab/ggml-vocab-llama-spm.gguf", "llama", "default"},
        Case{"llama3/tokenizer.model", "gpt2", "llama-bpe"}, Case{"llama3 tokenizer.json", "gpt2", "llama-bpe"},
        Case{"llama4/tokenizer.model", "gpt2", "gpt-4o"}, Case{"mistral/tokenizer.model.v1", "llama", "default"},
        Case{"mistral/mistral_instruct_tokenizer_240216.model.v2", "llama", "default"},
        Case{"mistral/mistral_instruct_tokenizer_240323.model.v3", "llama", "default"},
        Case{"mistral/mistral_instruct_tokenizer_241114.model.v7", "llama", "default"},
        Case{"mistral/mistral_instruct_tokenizer_241114.model.v7m1", "llama", "default"},
        Case{"mistral/mistral_v3_tekken.tiktoken", "gpt2", "tekken"}, Case{"olmo/allenai_dolma2.json", "gpt2", "dbrx"},
        Case{"olmo/dolma2-hf", "gpt2", "gpt-2"}, Case{"olmo/olmo-7b-hf", "gpt2", "olmo"},
        Case{"olmo/allenai_gpt-neox-olmo-dolma-v1_5.json", "gpt2", "olmo"},
        Case{"olmo/allenai_eleuther-ai-gpt-neox-20b-pii-special.json", "gpt2", "olmo"},
        Case{"gpt2 vocab.json + merges.txt", "gpt2", "gpt-2"}, Case{"openai/r50k_base.tiktoken", "gpt2", "gpt-2"},
        Case{"openai/p50k_base.tiktoken", "gpt2", "gpt-2"}, Case{"openai/cl100k_base.tiktoken", "gpt2", "llama-bpe"},
        Case{"openai/o200k_base.tiktoken", "gpt2", "gpt-4o"}, Case{"qwen2", "gpt2", "qwen2"},
        Case{"tiny/tiny_bpe_tokenizer.json", "gpt2", "qwen2"}, Case{"tiny/tiktoken_small.model", "gpt2", "llama-bpe"},
        Case{"tiny/m.model", "t5", "default"}, Case{"gguf_vocab/ggml-vocab-falcon.gguf", "gpt2", "falcon"},
        Case{"gguf_vocab/ggml-vocab-starcoder.gguf", "gpt2", "smollm"}),
    [](const auto& each) {
      std::string name = each.param.path;
      for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
      return name;
    });

}  // namespace
}  // namespace glassbox
