#include "hub/git/history.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <queue>
#include <ranges>

#include "base/quote.h"
#include "hub/refusal.h"

namespace glassbox::hub::git {
namespace {

constexpr size_t kMostHaves = 65'536, kMostShallow = 65'536;

// Commits, the newest first; of several of one second any.
class NewestFirst {
 public:
  explicit NewestFirst(History& history) : history_(history) {}
  void push(const ObjectId& id) { queue_.emplace(history_.at(id).time, id); }
  bool empty() const { return queue_.empty(); }
  ObjectId pop() {
    const ObjectId id = queue_.top().second;
    queue_.pop();
    return id;
  }

 private:
  History& history_;
  std::priority_queue<std::pair<int64_t, ObjectId>> queue_;
};

// Every commit that `from` come from, themselves included, the newest first, as long as `visit` says to go on.
template <class Visit>
void walk_history(History& history, const std::vector<ObjectId>& from, const Visit& visit) {
  NewestFirst queue(history);
  IdSet seen;
  const auto push = [&](const ObjectId& id) {
    if (seen.insert(id).second) queue.push(id);
  };
  for (const ObjectId& id : from) push(id);
  while (!queue.empty()) {
    const ObjectId id = queue.pop();
    if (!visit(id)) return;
    for (const ObjectId& parent : history.at(id).parents) push(parent);
  }
}

// Takes out of `sought` what is in a tree or below it, and says what it was.
template <class Found>
void find_in_tree(Store& store, const ObjectId& root, IdSet& sought, IdSet& seen, const Found& found) {
  std::vector<ObjectId> open;
  const auto meet = [&](const ObjectId& id, ObjectKind kind) {
    if (!seen.insert(id).second) return;
    if (sought.erase(id)) found(id, kind);
    if (kind == ObjectKind::tree) open.push_back(id);
  };
  meet(root, ObjectKind::tree);
  while (!open.empty() && !sought.empty()) {
    const ObjectId id = open.back();
    open.pop_back();
    for (const TreeEntry& entry : decode_tree(store.bytes(ObjectKind::tree, id)))
      meet(entry.id, entry.is_folder() ? ObjectKind::tree : ObjectKind::blob);
  }
}

// Those of `shallow` that are here, and so mean something.
IdSet known_ends(History& history, const std::vector<ObjectId>& shallow) {
  if (shallow.size() > kMostShallow)
    refuse(Refused::bad_value, "git request: {} shallow commits, expected at most {}", shallow.size(), kMostShallow);
  IdSet known;
  for (const ObjectId& id : shallow)
    if (history.store().has_commit(id)) known.insert(id);
  return known;
}

struct Reached {
  std::vector<ObjectId> inside, ends;
};

// As many commits as `depth` on every way from `from`.
Reached reach_by_depth(History& history, const std::vector<ObjectId>& from, uint64_t depth) {
  Reached reached;
  IdSet seen;
  std::deque<std::pair<ObjectId, uint64_t>> next;
  const auto push = [&](const ObjectId& id, uint64_t at) {
    if (seen.insert(id).second) next.emplace_back(id, at);
  };
  for (const ObjectId& id : from) push(id, 1);
  for (; !next.empty(); next.pop_front()) {
    const auto [id, at] = next.front();
    const auto& parents = history.at(id).parents;
    if (at >= depth && !parents.empty()) {
      reached.ends.push_back(id);
      continue;
    }
    reached.inside.push_back(id);
    for (const ObjectId& parent : parents) push(parent, at + 1);
  }
  return reached;
}

// Commits since a time that none of the excluded references has.
Reached reach_by_rule(History& history, const FetchRequest& request, const std::vector<ObjectId>& wants) {
  std::vector<ObjectId> excluded;
  const std::vector<Reference> references = history.store().references();
  for (const std::string& name : request.excluded) {
    const std::string branch = "refs/heads/" + name, tag = "refs/tags/" + name;
    const auto found = std::ranges::find_if(references, [&](const Reference& reference) {
      return reference.name == name || reference.name == branch || reference.name == tag;
    });
    if (found == references.end()) refuse(Refused::no_revision, "deepen-not: no reference {}", quote(name));
    excluded.push_back(found->target);
  }
  IdSet out, in;
  walk_history(history, excluded, [&](const ObjectId& id) { return out.insert(id).second; });
  const auto is_in = [&](const ObjectId& id) {
    return !out.contains(id) && (!request.since || history.at(id).time >= *request.since);
  };
  std::vector<ObjectId> open;
  const auto push = [&](const ObjectId& id) {
    if (is_in(id) && in.insert(id).second) open.push_back(id);
  };
  for (const ObjectId& id : wants) push(id);
  Reached reached;
  while (!open.empty()) {
    const ObjectId id = open.back();
    open.pop_back();
    const auto& parents = history.at(id).parents;
    const bool is_inside = std::ranges::all_of(parents, is_in);
    (is_inside ? reached.inside : reached.ends).push_back(id);
    if (is_inside)
      for (const ObjectId& parent : parents) push(parent);
  }
  if (in.empty()) refuse(Refused::bad_value, "no commit is left of what was asked for: none is new enough");
  return reached;
}

}  // namespace

const History::Node& History::at(const ObjectId& commit) {
  const auto found = nodes_.find(commit);
  if (found != nodes_.end()) return found->second;
  Commit read = decode_commit(store_.bytes(ObjectKind::commit, commit));
  return nodes_.emplace(commit, Node{read.tree, std::move(read.parents), read.committer.time}).first->second;
}

std::unordered_map<ObjectId, ObjectKind, HashOfId> kinds_of_wants(History& history,
                                                                  const std::vector<ObjectId>& wants) {
  std::unordered_map<ObjectId, ObjectKind, HashOfId> kinds;
  std::vector<ObjectId> tips;
  IdSet sought(wants.begin(), wants.end()), commits, seen;
  const auto found = [&](const ObjectId& id, ObjectKind kind) { kinds.emplace(id, kind); };
  for (const Reference& reference : history.store().references()) {
    tips.push_back(reference.target);
    if (sought.erase(reference.target)) found(reference.target, ObjectKind::commit);
  }
  if (sought.empty()) return kinds;
  // Among commits first, which cost little. An object that is not known at all costs as much as one that is: the time
  // tells nothing of other repositories.
  const bool are_commits =
      std::ranges::all_of(sought, [&](const ObjectId& id) { return history.store().has_commit(id); });
  walk_history(history, tips, [&](const ObjectId& id) {
    if (sought.erase(id)) found(id, ObjectKind::commit);
    if (!are_commits) find_in_tree(history.store(), history.at(id).tree, sought, seen, found);
    return !sought.empty();
  });
  if (!sought.empty()) refuse(Refused::no_revision, "upload-pack: not our ref {}", sought.begin()->hex());
  return kinds;
}

std::vector<ObjectId> common_commits(Store& store, const std::vector<ObjectId>& haves) {
  std::vector<ObjectId> common;
  IdSet seen;
  for (const ObjectId& id : haves) {
    if (seen.size() >= kMostHaves) break;
    if (seen.insert(id).second && store.has_commit(id)) common.push_back(id);
  }
  return common;
}

bool is_ready(History& history, const std::vector<ObjectId>& wants, const std::vector<ObjectId>& common) {
  if (common.empty()) return false;
  const IdSet had(common.begin(), common.end());
  int64_t oldest = std::numeric_limits<int64_t>::max();
  for (const ObjectId& id : common) oldest = std::min(oldest, history.at(id).time);
  // From the wants down to what is had, or older; then up again.
  std::unordered_map<ObjectId, std::vector<ObjectId>, HashOfId> children;
  IdSet seen;
  std::vector<ObjectId> open, reached;
  const auto push = [&](const ObjectId& id) {
    if (seen.insert(id).second) open.push_back(id);
  };
  for (const ObjectId& id : wants) push(id);
  while (!open.empty()) {
    const ObjectId id = open.back();
    open.pop_back();
    if (had.contains(id)) {
      reached.push_back(id);
      continue;
    }
    const History::Node& node = history.at(id);
    if (node.time < oldest) continue;
    for (const ObjectId& parent : node.parents) {
      children[parent].push_back(id);
      push(parent);
    }
  }
  IdSet comes_from_had(reached.begin(), reached.end());
  while (!reached.empty()) {
    const ObjectId id = reached.back();
    reached.pop_back();
    const auto above = children.find(id);
    if (above == children.end()) continue;
    for (const ObjectId& child : above->second)
      if (comes_from_had.insert(child).second) reached.push_back(child);
  }
  return std::ranges::all_of(wants, [&](const ObjectId& id) { return comes_from_had.contains(id); });
}

Shallow shallow_of(History& history, const FetchRequest& request, const std::vector<ObjectId>& wants) {
  Shallow shallow;
  const IdSet ends = known_ends(history, request.shallow);
  shallow.cut = ends;
  if (!request.limits_history()) return shallow;
  Reached reached;
  if (!request.depth) {
    reached = reach_by_rule(history, request, wants);
  } else if (request.depth_is_more) {
    std::vector<ObjectId> from;
    if (!ends.empty())
      walk_history(history, wants, [&](const ObjectId& id) {
        if (ends.contains(id)) from.push_back(id);
        return from.size() < ends.size();
      });
    reached = reach_by_depth(history, from, uint64_t{*request.depth} + 1);
  } else {
    reached = reach_by_depth(history, wants, *request.depth);
  }
  for (const ObjectId& id : reached.ends)
    if (shallow.cut.insert(id).second) shallow.ends.push_back(id);
  for (const ObjectId& id : reached.inside)
    if (shallow.cut.erase(id)) shallow.opened.push_back(id);
  return shallow;
}

std::vector<SentCommit> commits_to_send(History& history, const FetchRequest& request,
                                        const std::vector<ObjectId>& wants, const std::vector<ObjectId>& common,
                                        const Shallow& shallow) {
  struct Mark {
    bool wanted = false, had = false;
    bool listed = false, followed = false;  // as one that is wanted, as one that is had
  };
  std::unordered_map<ObjectId, Mark, HashOfId> marks;
  NewestFirst queue(history);
  size_t open = 0;  // wanted, not had, not listed yet
  const auto want = [&](const ObjectId& id) {
    Mark& mark = marks[id];
    if (mark.wanted || mark.had) return;
    mark.wanted = true;
    ++open;
    queue.push(id);
  };
  const auto have = [&](const ObjectId& id) {
    Mark& mark = marks[id];
    if (mark.had) return;
    if (mark.wanted && !mark.listed) --open;
    mark.had = true;
    queue.push(id);
  };
  for (const ObjectId& id : common) have(id);
  for (const ObjectId& id : wants) want(id);
  // What the client has of an end's parents it has not by that end.
  const IdSet ends = known_ends(history, request.shallow);
  for (const ObjectId& id : shallow.opened)
    for (const ObjectId& parent : history.at(id).parents) want(parent);

  std::vector<ObjectId> listed;
  while (open > 0) {
    const ObjectId id = queue.pop();
    Mark& mark = marks[id];
    const auto& parents = history.at(id).parents;
    if (mark.had) {
      if (mark.followed) continue;
      mark.followed = true;
      if (!ends.contains(id))
        for (const ObjectId& parent : parents) have(parent);
    } else if (!mark.listed) {
      mark.listed = true;
      --open;
      listed.push_back(id);
      if (!shallow.cut.contains(id))
        for (const ObjectId& parent : parents) want(parent);
    }
  }
  // Where clocks went wrong, what was listed may have turned out to be had.
  std::erase_if(listed, [&](const ObjectId& id) { return marks[id].had; });
  // Older ones come first, and a tree is compared with those of parents that came before it alone: else a file that a
  // commit has of its parent, and the parent elsewhere of the commit, would be left out by both.
  std::vector<SentCommit> sent;
  IdSet done;
  for (const ObjectId& id : listed | std::views::reverse) {
    SentCommit commit{id, history.at(id).tree, {}};
    for (const ObjectId& parent : history.at(id).parents)
      if (const auto mark = marks.find(parent); done.contains(parent) || (mark != marks.end() && mark->second.had))
        commit.before.push_back(history.at(parent).tree);
    done.insert(id);
    sent.push_back(std::move(commit));
  }
  return sent;
}

}  // namespace glassbox::hub::git
