// What nobody needs any more, and all that there is: for garbage collection and for proof.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "hub/database/layouts.h"
#include "hub/database/objects.h"

namespace glassbox::hub {

// Over a connection in a transaction, and as long-lived as it.
class Sweep {
 public:
  explicit Sweep(Connection& connection) : connection_(connection), objects_(connection) {}

  // Adds what can be reached from every commit that a repository made and that is not in `reached`.
  void mark(std::set<ObjectId>& reached);
  // Removes all other trees, commits and files, contents that no file stands for, layouts that no content has, and the
  // xorbs of none, but for what is `pinned` or whose lease goes on at `now`. Returns the names of the xorbs whose blobs
  // can go when the transaction ended. `reached`: what was marked, in this transaction or before it, where marking goes
  // on from.
  std::vector<std::string> run(int64_t now, std::set<ObjectId> reached,
                               const std::function<bool(int64_t xorb)>& pinned);

  // Everything of a kind, in no order.
  void each_object(const std::function<void(const ObjectId& id, ObjectKind kind, std::string_view bytes)>& see);
  void each_file(const std::function<void(const ObjectId& id, const FileRecord& file)>& see);
  void each_content(const std::function<void(const Content& content, std::string_view whole)>& see);
  std::vector<xet::Hash> layouts();
  std::vector<int64_t> xorbs();
  std::set<std::string> xorb_names();
  // Branches and tags, and the repositories they are of, with commits that the repository never made or that are gone.
  std::vector<std::string> wrong_references();
  // What SQLite itself finds wrong; nothing if all is well.
  std::vector<std::string> damage();

 private:
  void mark(const ObjectId& commit, std::set<ObjectId>& reached);
  void mark_tree(const ObjectId& tree, std::set<ObjectId>& reached);
  Connection& connection_;
  Objects objects_;
};

}  // namespace glassbox::hub
