// A repository's card, README.md: what its front matter says, and what is wrong with it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "hub/repository.h"

namespace glassbox::hub {

struct Card {
  Json data = Json::object();         // the front matter; empty where it is missing or wrong
  std::vector<std::string> errors;    // why it cannot be used, a sentence each
  std::vector<std::string> warnings;  // what is missing
};

// Never throws for what a card says.
Card read_card(std::string_view readme, RepositoryKind kind);

// The models that this one was made of, and how: "finetune", "adapter", "merge", "quantized". What the card says of the
// relation counts where it is one of these, else several bases are a merge, an adapter's files an adapter, quantized
// weights quantized.
struct Lineage {
  static constexpr size_t kMostBases = 64, kLongestName = 256;  // what goes beyond is passed over
  std::vector<std::string> bases;                               // each once, whatever its case
  std::string relation;
};
Lineage lineage_of(const Json& card, bool has_adapter, bool is_quantized);

// By what a repository with this card is found: its tags, licence, languages, base models, datasets.
std::vector<std::string> tags_of(const Json& card, const Lineage& lineage, RepositoryKind kind);

}  // namespace glassbox::hub
