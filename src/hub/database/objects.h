// Git's objects in the database: trees and commits whole, and for each blob whose bytes it stands for.
#pragma once

#include <optional>
#include <vector>

#include "hub/database/database.h"
#include "hub/git.h"

namespace glassbox::hub {

// What a git blob stands for: the file itself, or, where `pointer`, the pointer to it.
struct FileRecord {
  bool pointer = false;
  uint64_t size = 0;  // of the file
  Sha256 sha256;      // of the file
};

// Over a connection in a transaction, and as long-lived as it. Objects name each other by hash, so they are shared by
// all repositories: whoever lets a caller at one has found it through a repository that the caller may read.
class Objects {
 public:
  explicit Objects(Connection& connection) : connection_(connection) {}

  // Throw Error(bad_file) for an object that is not there or is damaged: the hub made them all.
  std::vector<TreeEntry> tree(const ObjectId& id);
  Commit commit(const ObjectId& id);
  FileRecord file(const ObjectId& id);
  std::string bytes(ObjectKind kind, const ObjectId& id);  // of a tree or a commit, checked against its name

  ObjectId put_tree(std::vector<TreeEntry> entries);
  ObjectId put_commit(const Commit& commit);
  ObjectId put_file(const ObjectId& id, const FileRecord& file);  // `id`, which the caller computed

 private:
  ObjectId put(ObjectKind kind, const std::string& bytes);
  Connection& connection_;
};

}  // namespace glassbox::hub
