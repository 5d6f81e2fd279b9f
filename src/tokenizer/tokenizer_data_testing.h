// The data folder's tokenizers, those put together from parts too, for tests that compare with their references.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "tests/testing.h"
#include "tokenizer/splitter.h"
#include "tokenizer/tokenizer.h"

namespace glassbox::testing {

namespace fs = std::filesystem;

inline fs::path tokenizers() { return data_folder() / "tokenizers"; }

// OpenAI's encoder.json and vocab.bpe as the folder transformers would have published.
inline Tokenizer gpt2() {
  const TemporaryFolder folder;
  fs::copy_file(tokenizers() / "openai/encoder.json", folder / "vocab.json");
  fs::copy_file(tokenizers() / "openai/vocab.bpe", folder / "merges.txt");
  return Tokenizer::open(folder.path());
}

// Llama 3's vocabulary and merges as its tokenizer.json has them.
inline Tokenizer llama3() {
  Json file;
  file["model"] = {
      {"type", "BPE"}, {"ignore_merges", true}, {"vocab", read_json(tokenizers() / "llama3/hf-style/encoder.json")}};
  Json& merges = file["model"]["merges"] = Json::array();
  std::ifstream lines(tokenizers() / "llama3/hf-style/vocab.bpe");
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && !line.starts_with("#version")) merges.push_back(line);
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", std::string(expression_of(KnownPattern::cl100k))}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", Json::array({split, bytes})}};
  file["decoder"] = {{"type", "ByteLevel"}};
  int32_t id = 128000;
  for (const char* name : {"<|begin_of_text|>", "<|end_of_text|>", "<|2|>", "<|3|>", "<|4|>", "<|5|>", "<|6|>", "<|7|>",
                           "<|8|>", "<|eot_id|>"})
    file["added_tokens"].push_back({{"id", id++}, {"content", name}, {"special", true}, {"normalized", false}});
  file["post_processor"] = Json::parse(
      R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|begin_of_text|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [], "special_tokens": {"<|begin_of_text|>": {"id": "<|begin_of_text|>", "ids": [128000], "tokens": ["<|begin_of_text|>"]}}})");
  return Tokenizer::from_json(dump_json(file), "Llama 3");
}

inline Tokenizer open_named(const std::string& name) {
  if (name == "gpt2 vocab.json + merges.txt") return gpt2();
  if (name == "llama3 tokenizer.json") return llama3();
  return Tokenizer::open(tokenizers() / name);
}

}  // namespace glassbox::testing
