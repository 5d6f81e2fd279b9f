// Models that were fetched from hubs, in the cache that all of their clients share: huggingface_hub's
// (docs: "Understand caching"), models--OWNER--NAME/{refs,snapshots,blobs}. Read here, written by hub/client/.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

// A model as hubs name it: "owner/name", or "owner/name:Q4_K_M" for a GGUF file among several.
struct HubName {
  std::string owner, name;
  std::string quant;  // or empty
  std::string repository() const { return owner + "/" + name; }
};

// Nothing for any text that no hub would have: two names of ASCII letters, digits, '-', '_' and '.', which neither
// begin nor end with '-' or '.'.
std::optional<HubName> parse_hub_name(std::string_view reference);

// HF_HUB_CACHE, or HUGGINGFACE_HUB_CACHE, or hub/ in HF_HOME, or huggingface/hub/ in XDG_CACHE_HOME or ~/.cache.
// Empty where none is known.
std::filesystem::path hub_cache();

// Where `hf auth login` keeps the token: HF_TOKEN_PATH, or token in HF_HOME, or in huggingface/ as above. Empty where
// none is known.
std::filesystem::path hub_token_file();

// 40 lower-case hexadecimal digits.
bool is_commit_name(std::string_view text);

// The model that was fetched, at the head of its main branch: its snapshot's folder, or of a repository of GGUF files
// one of them. Nothing where it was not fetched, or not all of it.
std::optional<std::filesystem::path> cached_model(const HubName& model);
// Whether anything of it was.
bool is_in_hub_cache(const HubName& model);

// Which of a repository's files make up the model: those that its config.json stands for, or one GGUF file (with its
// parts, the first in front): the one whose stem ends in `quant`; without a quant, Q4_K_M or the only one. Empty where
// none does.
std::vector<std::string> files_of_model(std::span<const std::string> paths, std::string_view quant);

}  // namespace glassbox
