#include "hub/git/object_walk.h"

#include <algorithm>

namespace glassbox::hub::git {

ObjectWalk::ObjectWalk(std::vector<SentCommit> commits, const std::vector<PackedObject>& named, Filter filter)
    : commits_(std::move(commits)), filter_(filter) {
  for (const SentCommit& commit : commits_) found_.push_back({commit.id, ObjectKind::commit});
  for (const PackedObject& object : named) {
    if (!seen_.insert(object.id).second) continue;
    found_.push_back(object);
    if (object.kind == ObjectKind::tree) open_.push_back({object.id, {}});
  }
  if (!filter_.trees) next_commit_ = commits_.size();
}

// `before`: what stands there in the trees that the other side has: a tree that changed is compared with them.
void ObjectWalk::meet(Store& store, const TreeEntry& entry, std::vector<ObjectId> before) {
  if (entry.is_folder() ? !filter_.trees : filter_.blobs_below == uint64_t{0}) return;
  if (!seen_.insert(entry.id).second) return;
  if (entry.is_folder()) {
    found_.push_back({entry.id, ObjectKind::tree});
    open_.push_back({entry.id, std::move(before)});
  } else if (!filter_.blobs_below || store.blob_size(entry.id) < *filter_.blobs_below) {
    found_.push_back({entry.id, ObjectKind::blob});
  }
}

size_t ObjectWalk::open_tree(Store& store, const Open& open) {
  const auto read = [&](const ObjectId& id) { return decode_tree(store.bytes(ObjectKind::tree, id)); };
  const std::vector<TreeEntry> entries = read(open.tree);
  size_t looked_at = 1 + entries.size();
  struct Other {
    std::vector<TreeEntry> entries;
    size_t at = 0;
  };
  std::vector<Other> others;
  for (const ObjectId& id : open.before) {
    others.push_back({read(id)});
    looked_at += others.back().entries.size();
  }
  // Both are in git's order, in which a folder's name ends in a slash: they are read side by side. A folder where the
  // other has a file is passed by, and taken for new, which it is.
  const auto name_of = [](const TreeEntry& entry) { return entry.is_folder() ? entry.name + "/" : entry.name; };
  for (const TreeEntry& entry : entries) {
    const std::string name = name_of(entry);
    std::vector<ObjectId> before;
    bool is_there = false;
    for (Other& other : others) {
      while (other.at < other.entries.size() && name_of(other.entries[other.at]) < name) ++other.at;
      if (other.at == other.entries.size() || name_of(other.entries[other.at]) != name) continue;
      is_there = is_there || other.entries[other.at].id == entry.id;
      if (entry.is_folder()) before.push_back(other.entries[other.at].id);
    }
    if (!is_there) meet(store, entry, std::move(before));
  }
  return looked_at;
}

bool ObjectWalk::step(Store& store, size_t most) {
  for (size_t looked_at = 0; looked_at < most;) {
    if (open_.empty()) {
      if (next_commit_ == commits_.size()) return false;
      const SentCommit& commit = commits_[next_commit_++];
      ++looked_at;
      if (std::ranges::find(commit.before, commit.tree) == commit.before.end())
        meet(store, {TreeEntry::Mode::folder, "", commit.tree}, commit.before);
    } else {
      const Open open = std::move(open_.back());
      open_.pop_back();
      looked_at += open_tree(store, open);
    }
  }
  return true;
}

}  // namespace glassbox::hub::git
