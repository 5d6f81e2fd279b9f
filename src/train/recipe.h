// RECIPE.toml: everything a training run depends on, checked before anything is computed. docs/training.md explains the
// keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "train/adamw.h"
#include "train/documents.h"
#include "train/next_token.h"
#include "train/trainer.h"

namespace glassbox {

struct Recipe {
  std::string name;

  struct Model {
    Json config;  // config.json without what the tokenizer decides (vocab_size and ids of special tokens)
    std::filesystem::path weights;  // a published folder to start from; empty: fresh
    double deviation = 0.02;        // of fresh matrices
  } model;

  struct Vocabulary {
    std::filesystem::path path;  // a published folder or tokenizer.json; empty: trained from the documents
    int64_t vocab_size = 4096;
    std::vector<std::string> special_tokens;
    bool split_digits = true;
    int64_t documents = 20000;  // to train it from
    std::string bos, eos, pad;  // special tokens with a meaning; empty: none
    std::string chat_template;  // its text; empty: what `path` has, or none
  } tokenizer;

  struct Data {
    std::string source;  // a program's name, or empty
    uint64_t seed = 1;
    int64_t documents = 0;                     // of `source`
    std::vector<std::filesystem::path> files;  // JSONL
    LongDocuments long_documents = LongDocuments::refuse;
  } data;

  struct Train {
    uint64_t seed = 1;             // of fresh weights and of the order of documents
    int64_t batch_tokens = 16384;  // of one update
    int64_t tokens = 0;            // to train on; 0: the schedule says how long
    int64_t log_every = 10;
    NextTokenOptions loss;
    AdamWOptions adamw;
    TrainerOptions trainer;  // schedule.steps is 0 where `tokens` is given
  } train;

  struct Checkpoints {
    int64_t every = 500;
    int64_t keep = 2;
  } checkpoint;

  struct Evaluate {
    int64_t every = 500;      // 0: at the end only
    int64_t documents = 200;  // held out: made so by `source`, or taken from files before training sees them
    std::vector<std::filesystem::path> files;  // held-out documents of their own
  } evaluate;

  struct Publish {
    Json generation = Json::object();  // more of generation_config.json: temperature, ...
    std::string license;               // an SPDX name for the model card
    std::string readme;                // the model card's text; empty: one is written
  } publish;

  Json json;  // the recipe with all defaults filled in: what checkpoints and loss.json record
};

// Paths in a recipe are relative to its folder. Throws Error(bad_file) naming file, line and key: an unknown key, a
// value of the wrong type or out of range, two keys that contradict each other.
Recipe read_recipe(const std::filesystem::path& file);
Recipe parse_recipe(std::string_view toml, const std::string& source, const std::filesystem::path& folder);

}  // namespace glassbox
