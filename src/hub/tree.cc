#include "hub/tree.h"

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

}  // namespace glassbox::hub
