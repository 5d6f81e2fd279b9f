// Git's objects (git-scm.com, "Git Internals" and gitformat-pack): what a tree and a commit are as bytes, and how they
// and files are named. Names are SHA-1 over "KIND SIZE\0BYTES". Also the pointer that stands in git for a large file
// (git-lfs, docs/spec.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/digest.h"

namespace glassbox::hub {

using ObjectId = Sha1;

enum class ObjectKind { commit = 1, tree = 2, blob = 3 };  // numbered as packs do

ObjectId object_id(ObjectKind kind, std::string_view bytes);

struct TreeEntry {
  enum class Mode { file = 0100644, executable = 0100755, symlink = 0120000, folder = 040000 };
  Mode mode = Mode::file;
  std::string name;  // without a slash
  ObjectId id;
  bool is_folder() const { return mode == Mode::folder; }
  bool operator==(const TreeEntry&) const = default;
};

// A tree's bytes; the entries are put into git's order (a folder's name counts as if it ended in a slash).
std::string encode_tree(std::vector<TreeEntry> entries);
// Throws Error(bad_file) for bytes that are no tree.
std::vector<TreeEntry> decode_tree(std::string_view bytes);

struct Signature {
  std::string name, email;
  int64_t time = 0;  // seconds since 1970, UTC
  bool operator==(const Signature&) const = default;
};

struct Commit {
  ObjectId tree;
  std::vector<ObjectId> parents;
  Signature author, committer;
  std::string message;  // its first line is the summary
  bool operator==(const Commit&) const = default;
};

// Names and addresses lose what git cannot hold (angle brackets, control characters).
std::string encode_commit(const Commit& commit);
Commit decode_commit(std::string_view bytes);  // throws Error(bad_file)

struct LfsPointer {
  Sha256 sha256;
  uint64_t size = 0;
};
std::string lfs_pointer(const LfsPointer& pointer);
// Nothing if the text is no pointer.
std::optional<LfsPointer> parse_lfs_pointer(std::string_view text);

}  // namespace glassbox::hub
