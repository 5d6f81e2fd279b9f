// What tests of models in other formats share: golden models as published folders, and their logits.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "formats/gguf_checkpoint.h"
#include "models/registry.h"
#include "nn/gguf_weights.h"
#include "tensor/numbers.h"
#include "tests/testing.h"

namespace glassbox::testing {

inline std::filesystem::path golden(const std::string& name) { return fixture("models/" + name); }
inline std::filesystem::path peers_file(const std::string& name) { return fixture("gguf/" + name + ".gguf"); }

inline std::vector<float> floats(const RawTensor& raw) {
  std::vector<float> values(static_cast<size_t>(raw.elements()));
  to_float(raw.dtype, raw.bytes.data(), values.data(), raw.elements());
  return values;
}

inline bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) { return std::ranges::equal(a, b); }

inline std::vector<float> logits(const LanguageModel& model) {
  Workspace workspace(1);
  Pass pass(workspace);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 40; ++i) tokens.push_back((i * 7 + 3) % 60);
  pass.add(tokens);
  const Tensor y = model(pass);
  return {y.values().begin(), y.values().end()};
}

inline std::unique_ptr<LanguageModel> from_folder(const std::filesystem::path& folder) {
  Config config = Config::open(folder);
  CheckpointWeights weights(Checkpoint::open(folder), read_quantization(config));
  return make_model(config, weights);
}

inline std::unique_ptr<LanguageModel> from_gguf(const std::filesystem::path& file) {
  const GgufCheckpoint checkpoint = gguf_checkpoint(Gguf::open(file));
  Config config(checkpoint.config(), file.string());
  GgufWeights weights(checkpoint);
  return make_model(config, weights);
}

// A folder as published: a golden model, and a tokenizer of its 64 ids.
inline void publish(const std::string& name, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  std::filesystem::copy(golden(name) / "model.safetensors", folder);
  std::filesystem::copy(golden(name) / "config.json", folder);
  Json vocabulary = Json::object();
  for (int id = 2; id < 60; ++id) vocabulary[std::string(1, static_cast<char>('!' + id))] = id;
  const Json tokenizer = {
      {"version", "1.0"},
      {"added_tokens",
       {{{"id", 0}, {"content", "<s>"}, {"special", true}}, {{"id", 1}, {"content", "<tool>"}, {"special", false}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}}}};
  write_file(folder / "tokenizer.json", dump_json(tokenizer));
  write_file(
      folder / "tokenizer_config.json",
      dump_json({{"bos_token", "<s>"}, {"chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}"}}));
}

}  // namespace glassbox::testing
