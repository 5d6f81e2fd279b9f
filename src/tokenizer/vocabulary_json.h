// tokenizer.json, whose hundreds of thousands of tokens and merges are read past the JSON library's trees: as trees
// they took three quarters of the time to open a model's folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace glassbox {

struct VocabularyJson {
  Json rest;  // the file, with "vocab" and "merges" of its "model" left out where they had the usual form
  std::vector<std::pair<std::string, int64_t>> vocab;       // as written; ids not checked
  std::vector<std::pair<std::string, std::string>> merges;  // as written, never empty
  bool has_vocab = false, has_merges = false;
};

// Throws Error(bad_file) like parse_json(), and for a token whose id is no integer or a merge that is no pair.
VocabularyJson parse_vocabulary_json(std::string_view text, std::string_view source);
// vocab.json, {"token": id, ...}.
std::vector<std::pair<std::string, int64_t>> parse_vocab_json(std::string_view text, std::string_view source);

// "left right" cut at its one space. Throws Error(bad_file) naming merge `number`.
std::pair<std::string, std::string> split_merge(std::string_view line, size_t number, std::string_view source);

}  // namespace glassbox
