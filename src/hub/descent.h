// Whose models people build upon: who descends from whom, counted over many models at once. A variant of a variant
// descends from both.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hub/database/claims.h"

namespace glassbox::hub {

// Of one moment; for one thread.
class Descent {
 public:
  // A model counts for as many ancestors as this, the nearest first: what cannot be made honestly costs no more.
  static constexpr size_t kMostAncestors = 256;

  explicit Descent(ClaimGraph graph);

  // How many models descend from it, each counted once and itself never; 0 of one that is not of the graph.
  int64_t descendants(int64_t model) const;

  struct Runner {
    int64_t model = 0;
    std::vector<int64_t> counts;  // at each of the moments
  };
  // The `most` with the most descendants at the last of these moments (rising), with how many had appeared by each. One
  // that appeared before the model itself counts from when that did.
  std::vector<Runner> race(std::span<const int64_t> moments, size_t most);

 private:
  size_t index_of(int64_t model) const;  // graph_.models.size() where there is none
  // Calls `visit` with the index of each ancestor of a model, the nearest first.
  template <class Visit>
  void each_ancestor(size_t model, const Visit& visit);

  ClaimGraph graph_;
  std::vector<std::vector<size_t>> bases_;
  std::vector<int64_t> counts_;
  // Of walks: how many there were, which one saw a model last, and which models this one goes on from.
  size_t walk_ = 0;
  std::vector<size_t> seen_, queue_;
};

}  // namespace glassbox::hub
