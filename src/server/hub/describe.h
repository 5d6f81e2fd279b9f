// Repositories, files and commits as the API's JSON (what clients read of each is in docs/hub.md).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "hub/hub.h"

namespace glassbox::hubapi {

// Which fields of a repository are told.
struct Wanted {
  std::set<std::string> only;                       // exactly these, and the id; empty: the usual ones
  bool full = false, card = false, config = false;  // in lists: more than the usual
  bool blobs = false;                               // of siblings, sizes and hashes
  bool is_list = false;
};

// Refuses (bad_value) an unknown name in `expand`.
Wanted wanted(const std::vector<std::string>& expand);

// What is told of repositories that others have a part in, by their numbers: as much of it as is wanted.
struct Kin {
  std::map<int64_t, std::vector<hub::Claim>> bases;
  std::map<int64_t, hub::RelationCounts> children;
  std::map<int64_t, double> trending;
};
Kin kin_of(hub::View& view, const std::vector<int64_t>& repositories, const Wanted& wanted);

// `commit`: of which "sha" and "siblings" are told.
Json repository_json(hub::View& view, const hub::Repository& repository, const hub::ObjectId& commit,
                     const Wanted& wanted, const Kin& kin);
// How many models are made of one, by relation: each of the four that there are.
Json relations_json(const hub::RelationCounts& counts);
// An entry of a tree.
Json entry_json(const hub::Entry& entry, const std::optional<hub::View::HistoryItem>& last_change = std::nullopt);
Json commit_json(const hub::View::HistoryItem& item);

}  // namespace glassbox::hubapi
