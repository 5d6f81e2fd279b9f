#include "hub/tree.h"

#include <set>

#include "base/quote.h"
#include "hub/refusal.h"

namespace glassbox::hub {
namespace {

// "a" of "a/b/c", which leaves "b/c"; nothing is left of the last part.
std::string take_part(std::string_view& path) {
  const std::string part(path.substr(0, path.find('/')));
  path.remove_prefix(std::min(path.size(), part.size() + 1));
  return part;
}

using Entries = std::map<std::string, TreeEntry>;

// Of what is no folder, nothing.
Entries entries_of(Objects& objects, const std::optional<TreeEntry>& folder) {
  Entries entries;
  if (folder && folder->is_folder())
    for (TreeEntry& entry : objects.tree(folder->id)) entries.emplace(entry.name, entry);
  return entries;
}

std::optional<TreeEntry> named(const Entries& entries, const std::string& name) {
  const auto found = entries.find(name);
  return found == entries.end() ? std::nullopt : std::optional(found->second);
}

template <class... More>
std::set<std::string> names_in(const More&... entries) {
  std::set<std::string> names;
  (..., [&] {
    for (const auto& [name, entry] : entries) names.insert(name);
  }());
  return names;
}

TreeEntry root_of(const ObjectId& id) { return {TreeEntry::Mode::folder, "", id}; }

using Side = std::optional<TreeEntry>;

// What stands at `path` after the merge; where it is not to be written, only whether anything does.
Side merge(Objects& objects, const Side& base, const Side& ours, const Side& theirs, const std::string& path,
           std::vector<std::string>& conflicts, bool writes) {
  if (ours == theirs || base == theirs) return ours;
  if (base == ours) return theirs;
  const auto may_be_folder = [](const Side& side) { return !side || side->is_folder(); };
  if (!may_be_folder(base) || !may_be_folder(ours) || !may_be_folder(theirs)) {
    conflicts.push_back(path);
    return ours;
  }
  const Entries before = entries_of(objects, base), left = entries_of(objects, ours),
                right = entries_of(objects, theirs);
  std::vector<TreeEntry> merged;
  for (const std::string& name : names_in(before, left, right))
    if (auto entry = merge(objects, named(before, name), named(left, name), named(right, name),
                           path.empty() ? name : path + "/" + name, conflicts, writes))
      merged.push_back(*std::move(entry));
  if (merged.empty() && !path.empty()) return std::nullopt;
  TreeEntry folder = ours ? *ours : theirs ? *theirs : *base;
  if (writes) folder.id = objects.put_tree(std::move(merged));
  return folder;
}

void compare(Objects& objects, const Side& before, const Side& after, const std::string& path,
             const std::function<void(const std::string&, const Side&, const Side&)>& visit) {
  if (before == after) return;
  const auto file = [](const Side& side) { return side && !side->is_folder() ? side : std::nullopt; };
  if (file(before) || file(after)) visit(path, file(before), file(after));
  const Entries left = entries_of(objects, before), right = entries_of(objects, after);
  for (const std::string& name : names_in(left, right))
    compare(objects, named(left, name), named(right, name), path.empty() ? name : path + "/" + name, visit);
}

}  // namespace

std::optional<TreeEntry> find_entry(Objects& objects, const ObjectId& root, std::string_view path) {
  TreeEntry at{TreeEntry::Mode::folder, "", root};
  while (!path.empty()) {
    if (!at.is_folder()) return std::nullopt;
    const std::string part = take_part(path);
    std::vector<TreeEntry> entries = objects.tree(at.id);
    const auto found = std::ranges::find(entries, part, &TreeEntry::name);
    if (found == entries.end()) return std::nullopt;
    at = std::move(*found);
  }
  return at;
}

void walk_tree(Objects& objects, const ObjectId& folder, const std::string& prefix, bool recursive,
               const std::function<void(const std::string& path, const TreeEntry& entry)>& visit) {
  for (const TreeEntry& entry : objects.tree(folder)) {
    const std::string path = prefix.empty() ? entry.name : prefix + "/" + entry.name;
    visit(path, entry);
    if (recursive && entry.is_folder()) walk_tree(objects, entry.id, path, true, visit);
  }
}

struct TreeEdit::Folder {
  struct Child {
    TreeEntry entry;
    std::unique_ptr<Folder> opened;  // of a folder that was looked into
  };
  std::map<std::string, Child> children;
  bool changed = false;
};

TreeEdit::TreeEdit(Objects& objects, std::optional<ObjectId> root)
    : objects_(objects), root_(std::make_unique<Folder>()) {
  if (root)
    for (TreeEntry& entry : objects_.tree(*root)) root_->children[entry.name].entry = entry;
}
TreeEdit::~TreeEdit() = default;

TreeEdit::Folder& TreeEdit::folder_of(Folder& within, const std::string& name) {
  Folder::Child& child = within.children.at(name);
  if (!child.opened) {
    child.opened = std::make_unique<Folder>();
    for (TreeEntry& entry : objects_.tree(child.entry.id)) child.opened->children[entry.name].entry = entry;
  }
  return *child.opened;
}

void TreeEdit::put(std::string_view path, TreeEntry::Mode mode, const ObjectId& id) {
  const std::string_view whole = path;
  Folder* at = root_.get();
  for (std::string part = take_part(path);; part = take_part(path)) {
    const auto found = at->children.find(part);
    if (path.empty()) {
      if (found != at->children.end() && found->second.entry.is_folder())
        refuse(Refused::bad_path, "path {}: a folder has this name", quote(whole));
      at->changed = true;
      Folder::Child& child = at->children[part];
      child.entry.mode = mode;
      child.entry.name = part;
      child.entry.id = id;
      return;
    }
    at->changed = true;
    if (found == at->children.end()) {
      Folder::Child& child = at->children[part];
      child.entry.mode = TreeEntry::Mode::folder;
      child.entry.name = part;
      child.opened = std::make_unique<Folder>();
      at = child.opened.get();
    } else {
      if (!found->second.entry.is_folder())
        refuse(Refused::bad_path, "path {}: {} is a file, not a folder", quote(whole), quote(part));
      at = &folder_of(*at, part);
    }
  }
}

std::optional<TreeEntry> TreeEdit::find(std::string_view path) {
  Folder* at = root_.get();
  for (std::string part = take_part(path);; part = take_part(path)) {
    const auto found = at->children.find(part);
    if (found == at->children.end()) return std::nullopt;
    if (path.empty()) return found->second.entry;
    if (!found->second.entry.is_folder()) return std::nullopt;
    at = &folder_of(*at, part);
  }
}

void TreeEdit::remove(std::string_view path) {
  const std::string_view whole = path;
  const auto missing = [&] { refuse(Refused::no_entry, "{}: a file with this name does not exist", quote(whole)); };
  if (!find(path)) missing();
  std::vector<std::pair<Folder*, std::string>> way;
  Folder* at = root_.get();
  for (std::string part = take_part(path);; part = take_part(path)) {
    at->changed = true;
    way.emplace_back(at, part);
    if (path.empty()) break;
    at = &folder_of(*at, part);
  }
  // Folders that hold nothing any more go with it.
  for (; !way.empty(); way.pop_back()) {
    auto& [folder, name] = way.back();
    folder->children.erase(name);
    if (!folder->children.empty()) break;
  }
}

ObjectId TreeEdit::write(Folder& folder) {
  std::vector<TreeEntry> entries;
  for (auto& [name, child] : folder.children) {
    if (child.opened && child.opened->changed) child.entry.id = write(*child.opened);
    entries.push_back(child.entry);
  }
  folder.changed = false;
  return objects_.put_tree(std::move(entries));
}

ObjectId TreeEdit::write() { return write(*root_); }

ObjectId merge_trees(Objects& objects, const ObjectId& base, const ObjectId& ours, const ObjectId& theirs,
                     std::vector<std::string>& conflicts) {
  return merge(objects, root_of(base), root_of(ours), root_of(theirs), "", conflicts, true)->id;
}

std::vector<std::string> merge_conflicts(Objects& objects, const ObjectId& base, const ObjectId& ours,
                                         const ObjectId& theirs) {
  std::vector<std::string> conflicts;
  merge(objects, root_of(base), root_of(ours), root_of(theirs), "", conflicts, false);
  return conflicts;
}

void compare_trees(Objects& objects, const ObjectId& before, const ObjectId& after,
                   const std::function<void(const std::string& path, const std::optional<TreeEntry>& before,
                                            const std::optional<TreeEntry>& after)>& visit) {
  compare(objects, root_of(before), root_of(after), "", visit);
}

}  // namespace glassbox::hub
