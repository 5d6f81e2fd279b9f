// What models say they were made of, in the database: of each its bases, and whose base it is itself. Of models that
// the caller may not know of nothing is told: they are names at most, those that a card says itself.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hub/database/database.h"
#include "hub/repository.h"
#include "hub/verdict.h"

namespace glassbox::hub {

// "Made from this", of a model's card.
struct Claim {
  int64_t of = 0;                      // the model that was asked about
  std::string name;                    // of the base, as the card has it
  std::string relation;                // "finetune", "adapter", "merge" or "quantized"
  bool compared = false;               // whether its weights were held against this base's
  Verdict verdict = Verdict::unknown;  // what that showed
  std::string why;                     // a sentence
  // The other model, without its facts: the base, where one of that name or former name is here, or the child.
  std::optional<Repository> relative;
};

// Who says to be made of whom, of all that a caller may know of.
struct ClaimGraph {
  struct Model {
    int64_t id = 0, created = 0;
  };
  std::vector<Model> models;                       // by rising id
  std::vector<std::pair<int64_t, int64_t>> edges;  // a child and its base; none that the weights contradict
};

using RelationCounts = std::map<std::string, int64_t>;

// Over a connection in a transaction, and as long-lived as it. Each is one statement, however many models are asked
// about.
class Claims {
 public:
  explicit Claims(Connection& connection) : connection_(connection) {}

  // What a model's facts say ("base_models", "relation", "lineage"), instead of what they said before.
  void set(const Repository& model, const Json& facts);
  // What these say they were made of, one after another, each in its card's order.
  std::vector<Claim> bases(const Caller& caller, const std::vector<int64_t>& models);
  // Who says to be made of these: of each at most `most`, the most liked first, then the most downloaded.
  std::vector<Claim> children(const Caller& caller, const std::vector<int64_t>& models, int64_t most);
  // How many these name.
  std::map<int64_t, int64_t> count_bases(const std::vector<int64_t>& models);
  // How many say to be made of these, by relation.
  std::map<int64_t, RelationCounts> count_children(const Caller& caller, const std::vector<int64_t>& models);
  ClaimGraph graph(const Caller& caller);
  // Those of these models that the caller may know of, without their facts.
  std::vector<Repository> models(const Caller& caller, const std::vector<int64_t>& ids);

 private:
  Connection& connection_;
};

}  // namespace glassbox::hub
