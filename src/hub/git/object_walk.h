// Which objects a pack is to have: commits, and of their trees what the other side has not.
#pragma once

#include <vector>

#include "hub/git/history.h"

namespace glassbox::hub::git {

struct PackedObject {
  ObjectId id;
  ObjectKind kind = ObjectKind::blob;
};

// A walk in steps, so that a large repository keeps nobody waiting. Remembers some 60 bytes an object.
class ObjectWalk {
 public:
  // `named`: trees and blobs that were asked for by their names, which no filter leaves out.
  ObjectWalk(std::vector<SentCommit> commits, const std::vector<PackedObject>& named, Filter filter);

  // Looks at some `most` entries of trees more. False once there is nothing left to look at.
  bool step(Store& store, size_t most);
  size_t found() const { return found_.size(); }
  // Commits first. Once, after the last step.
  std::vector<PackedObject> take() { return std::move(found_); }

 private:
  struct Open {
    ObjectId tree;
    std::vector<ObjectId> before;  // trees at the same place that the other side has or gets
  };
  void meet(Store& store, const TreeEntry& entry, std::vector<ObjectId> before);
  size_t open_tree(Store& store, const Open& open);

  const std::vector<SentCommit> commits_;
  const Filter filter_;
  size_t next_commit_ = 0;
  std::vector<Open> open_;
  IdSet seen_;
  std::vector<PackedObject> found_;
};

}  // namespace glassbox::hub::git
