#include "hub/variants.h"

#include <algorithm>
#include <map>
#include <set>

namespace glassbox::hub {
namespace {

// A model whose next ones are to be found.
struct Open {
  Variant* variant;
  std::vector<int64_t> way;  // from the root to it, itself included
};

Variant variant_of(Claim claim, bool is_child) {
  Variant variant;
  variant.relation = std::move(claim.relation);
  variant.verdict = claim.verdict;
  variant.why = std::move(claim.why);
  variant.name = claim.relative ? claim.relative->full_name() : is_child ? "" : std::move(claim.name);
  variant.model = std::move(claim.relative);
  return variant;
}

// Fills what is next to `root`, level by level. `find` gives the claims of a level's models, grouped by these, and
// `count` how many each has in all.
template <class Find, class Count>
void grow(Variant& root, const TreeBounds& bounds, bool down, const Find& find, const Count& count) {
  std::set<int64_t> seen{root.model->id};
  std::vector<Open> level{{&root, {root.model->id}}};
  size_t room = bounds.most;
  for (size_t depth = 0; !level.empty(); ++depth) {
    std::vector<int64_t> ids;
    for (const Open& open : level) ids.push_back(open.way.back());
    const std::map<int64_t, int64_t> totals = count(ids);
    std::map<int64_t, std::vector<Claim>> found;
    if (depth < bounds.depth)
      for (Claim& claim : find(ids)) found[claim.of].push_back(std::move(claim));
    std::vector<Open> below;
    for (Open& open : level) {
      const auto total = totals.find(open.way.back());
      std::vector<Claim>& claims = found[open.way.back()];
      if (claims.size() > room) claims.resize(room);
      room -= claims.size();
      open.variant->left_out = (total == totals.end() ? 0 : total->second) - static_cast<int64_t>(claims.size());
      for (Claim& claim : claims) open.variant->next.push_back(variant_of(std::move(claim), down));
      // Behind this line `next` does not grow, so that what points into it stays.
      for (Variant& variant : open.variant->next) {
        if (!variant.model) continue;
        const int64_t id = variant.model->id;
        if (std::ranges::count(open.way, id) > 0)
          variant.told = Variant::Told::circle;
        else if (!seen.insert(id).second)
          variant.told = Variant::Told::elsewhere;
        else
          below.push_back({&variant, open.way}), below.back().way.push_back(id);
      }
    }
    level = std::move(below);
  }
}

void gather(std::vector<Variant>& variants, std::vector<Variant*>& all) {
  for (Variant& variant : variants) {
    if (variant.model) all.push_back(&variant);
    gather(variant.next, all);
  }
}

}  // namespace

VariantTree variants_of(View& view, const Repository& model, const TreeBounds& bounds) {
  const Caller& caller = view.caller();
  Variant up, down;
  up.model = down.model = model;
  grow(
      up, bounds, false, [&](const std::vector<int64_t>& ids) { return view.claims.bases(caller, ids); },
      [&](const std::vector<int64_t>& ids) { return view.claims.count_bases(ids); });
  grow(
      down, bounds, true,
      [&](const std::vector<int64_t>& ids) {
        return view.claims.children(caller, ids, static_cast<int64_t>(bounds.width));
      },
      [&](const std::vector<int64_t>& ids) {
        std::map<int64_t, int64_t> totals;
        for (const auto& [id, counts] : view.claims.count_children(caller, ids))
          for (const auto& [relation, count] : counts) totals[id] += count;
        return totals;
      });
  VariantTree tree;
  tree.root.model = model;
  tree.root.name = model.full_name();
  tree.bases = std::move(up.next);
  tree.bases_left_out = up.left_out;
  tree.children = std::move(down.next);
  tree.children_left_out = down.left_out;

  std::vector<Variant*> all{&tree.root};
  gather(tree.bases, all);
  gather(tree.children, all);
  std::vector<int64_t> ids;
  for (const Variant* one : all) ids.push_back(one->model->id);
  std::ranges::sort(ids);
  const auto repeated = std::ranges::unique(ids);
  ids.erase(repeated.begin(), repeated.end());
  const auto counts = view.claims.count_children(caller, ids);
  for (Variant* one : all)
    if (const auto found = counts.find(one->model->id); found != counts.end()) one->children = found->second;
  return tree;
}

}  // namespace glassbox::hub
