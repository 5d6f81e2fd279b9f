// Folders of a commit: finding what is in them, and making the tree of the next commit out of changes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/database/objects.h"

namespace glassbox::hub {

// Nothing where there is no such file or folder. An empty path is the root.
std::optional<TreeEntry> find_entry(Objects& objects, const ObjectId& root, std::string_view path);

// Every file and folder below `folder` (which is at `prefix`: "" or "a/b"), in the order of their paths, folders before
// what is in them; only its own where not `recursive`.
void walk_tree(Objects& objects, const ObjectId& folder, const std::string& prefix, bool recursive,
               const std::function<void(const std::string& path, const TreeEntry& entry)>& visit);

// The tree of a commit while it is changed. Reads only the folders that changes lie in.
class TreeEdit {
 public:
  explicit TreeEdit(Objects& objects, std::optional<ObjectId> root);
  ~TreeEdit();

  // Puts a file at a path, where there was one or none. Refuses (bad_path) a path below a file, or that is a folder's.
  void put(std::string_view path, TreeEntry::Mode mode, const ObjectId& id);
  std::optional<TreeEntry> find(std::string_view path);
  // Refuses (no_entry) where there is none.
  void remove(std::string_view path);
  // Writes what changed and names the root. Folders that became empty are not there any more.
  ObjectId write();

 private:
  struct Folder;
  Folder& folder_of(Folder& within, const std::string& name);
  ObjectId write(Folder& folder);

  Objects& objects_;
  std::unique_ptr<Folder> root_;
};

// The tree that has the changes of both sides since `base`, path by path: a path that only one side changed is as that
// side has it. Paths that both changed, each otherwise, are put into `conflicts`; with any of these the tree is of no
// use.
ObjectId merge_trees(Objects& objects, const ObjectId& base, const ObjectId& ours, const ObjectId& theirs,
                     std::vector<std::string>& conflicts);
// The conflicts alone: nothing is written.
std::vector<std::string> merge_conflicts(Objects& objects, const ObjectId& base, const ObjectId& ours,
                                         const ObjectId& theirs);

// Every file that two trees have otherwise, in the order of paths; nothing stands for what one has not.
void compare_trees(Objects& objects, const ObjectId& before, const ObjectId& after,
                   const std::function<void(const std::string& path, const std::optional<TreeEntry>& before,
                                            const std::optional<TreeEntry>& after)>& visit);

}  // namespace glassbox::hub
