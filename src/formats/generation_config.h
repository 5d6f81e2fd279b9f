// How a model's publisher wants it sampled, and where its text ends.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/file_set.h"

namespace glassbox {

// What generation_config.json says; absent where it says nothing.
struct GenerationConfig {
  std::vector<int32_t> eos;  // any of these ends the text: sorted, each once
  std::optional<int32_t> bos;
  std::optional<int32_t> pad;
  std::optional<bool> do_sample;  // false: greedy is what the publisher measured
  std::optional<double> temperature;
  std::optional<int32_t> top_k;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  std::optional<int32_t> max_new_tokens;
  std::vector<std::string> stop_strings;
  std::vector<std::string> warnings;  // keys that nothing reads, a line
};

// generation_config.json of the folder (may be missing), the ids of its config.json (may be missing too), and
// the ids the tokenizer calls end of sequence: the ends are the union of all three. Negative ids (some files
// write -1 for none) are none. Keys of generation_config.json that are known to change the text and are not in
// GenerationConfig are Error(unsupported) by name unless neutral (num_beams 1) or in `ignore_keys`; others are
// warnings.
GenerationConfig read_generation_config(const std::filesystem::path& folder,
                                        std::span<const int32_t> tokenizer_eos = {},
                                        std::span<const std::string> ignore_keys = {});

GenerationConfig read_generation_config(const FileSet& files, std::span<const int32_t> tokenizer_eos = {},
                                        std::span<const std::string> ignore_keys = {});

// The same of objects; null for a file that is not there.
GenerationConfig read_generation_config(const Json& generation, const Json& config,
                                        std::span<const int32_t> tokenizer_eos = {},
                                        std::span<const std::string> ignore_keys = {});

}  // namespace glassbox
