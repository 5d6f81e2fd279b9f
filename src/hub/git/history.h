// Which commits a fetch is about: what both sides have, where a shallow history ends, and what is to be sent.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "hub/git/request.h"
#include "hub/git/store.h"

namespace glassbox::hub::git {

using IdSet = std::unordered_set<ObjectId, HashOfId>;

// Commits of a store, each read once.
class History {
 public:
  struct Node {
    ObjectId tree;
    std::vector<ObjectId> parents;
    int64_t time = 0;
  };
  explicit History(Store& store) : store_(store) {}
  const Node& at(const ObjectId& commit);  // valid while *this lives
  Store& store() { return store_; }

 private:
  Store& store_;
  std::unordered_map<ObjectId, Node, HashOfId> nodes_;
};

// What kind of object each want is. Refuses (no_revision) one that no reference leads to: objects are shared between
// repositories, and to know a name is no right to what it names.
std::unordered_map<ObjectId, ObjectKind, HashOfId> kinds_of_wants(History& history, const std::vector<ObjectId>& wants);

// Those of the client's commits that this repository has, in their order, each once. Of very many the last are passed
// by, for which the pack is only larger.
std::vector<ObjectId> common_commits(Store& store, const std::vector<ObjectId>& haves);

// Whether every commit that is wanted comes from one of `common`: nothing more need be known of the client then.
bool is_ready(History& history, const std::vector<ObjectId>& wants, const std::vector<ObjectId>& common);

// Where a client's history is to end.
struct Shallow {
  std::vector<ObjectId> ends;    // new ends: the client does without their parents
  std::vector<ObjectId> opened;  // ends that the client had, and whose parents it gets
  IdSet cut;                     // whose parents are as if they were not there
};
// Refuses (no_revision) a reference that is excluded and is not there, (bad_value) what leaves no commit.
Shallow shallow_of(History& history, const FetchRequest& request, const std::vector<ObjectId>& wants);

struct SentCommit {
  ObjectId id, tree;
  std::vector<ObjectId> before;  // trees of parents, which the client has, or gets by commits before this one
};
// The oldest first, as far as clocks are right.
std::vector<SentCommit> commits_to_send(History& history, const FetchRequest& request,
                                        const std::vector<ObjectId>& wants, const std::vector<ObjectId>& common,
                                        const Shallow& shallow);

}  // namespace glassbox::hub::git
