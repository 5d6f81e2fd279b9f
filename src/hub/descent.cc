#include "hub/descent.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace glassbox::hub {

Descent::Descent(ClaimGraph graph)
    : graph_(std::move(graph)), bases_(graph_.models.size()), counts_(graph_.models.size()), seen_(bases_.size()) {
  for (const auto& [child, base] : graph_.edges) {
    const size_t from = index_of(child), to = index_of(base);
    if (from < bases_.size() && to < bases_.size()) bases_[from].push_back(to);
  }
  for (size_t i = 0; i < bases_.size(); ++i) each_ancestor(i, [&](size_t ancestor) { ++counts_[ancestor]; });
}

size_t Descent::index_of(int64_t model) const {
  const auto found = std::ranges::lower_bound(graph_.models, model, {}, &ClaimGraph::Model::id);
  return found != graph_.models.end() && found->id == model ? static_cast<size_t>(found - graph_.models.begin())
                                                            : graph_.models.size();
}

template <class Visit>
void Descent::each_ancestor(size_t model, const Visit& visit) {
  ++walk_;
  queue_.assign(1, model);
  seen_[model] = walk_;
  for (size_t at = 0; at < queue_.size(); ++at)
    for (const size_t base : bases_[queue_[at]]) {
      if (seen_[base] == walk_) continue;
      if (queue_.size() > kMostAncestors) return;
      seen_[base] = walk_;
      queue_.push_back(base);
      visit(base);
    }
}

int64_t Descent::descendants(int64_t model) const {
  const size_t index = index_of(model);
  return index < counts_.size() ? counts_[index] : 0;
}

std::vector<Descent::Runner> Descent::race(std::span<const int64_t> moments, size_t most) {
  if (moments.empty()) return {};
  const auto appeared = [&](size_t descendant, size_t ancestor) {
    return std::max(graph_.models[descendant].created, graph_.models[ancestor].created);
  };
  std::vector<int64_t> last(bases_.size());
  for (size_t i = 0; i < bases_.size(); ++i)
    each_ancestor(i, [&](size_t ancestor) { last[ancestor] += appeared(i, ancestor) <= moments.back(); });
  std::vector<size_t> first(bases_.size());
  std::iota(first.begin(), first.end(), size_t{0});
  std::erase_if(first, [&](size_t i) { return last[i] == 0; });
  std::ranges::sort(first, [&](size_t a, size_t b) { return last[a] != last[b] ? last[a] > last[b] : a < b; });
  first.resize(std::min(first.size(), most));

  std::map<size_t, Runner> runners;
  for (const size_t i : first) runners[i] = {graph_.models[i].id, std::vector<int64_t>(moments.size())};
  for (size_t i = 0; i < bases_.size(); ++i)
    each_ancestor(i, [&](size_t ancestor) {
      const auto runner = runners.find(ancestor);
      if (runner == runners.end()) return;
      const auto moment = std::ranges::lower_bound(moments, appeared(i, ancestor));
      if (moment != moments.end()) ++runner->second.counts[static_cast<size_t>(moment - moments.begin())];
    });
  std::vector<Runner> told;
  for (const size_t i : first) {
    std::vector<int64_t>& counts = runners[i].counts;
    std::partial_sum(counts.begin(), counts.end(), counts.begin());
    told.push_back(std::move(runners[i]));
  }
  return told;
}

}  // namespace glassbox::hub
