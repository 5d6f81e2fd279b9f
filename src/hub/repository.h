// A repository: a model's or a dataset's files with their history, under a name of its owner.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "hub/git.h"

namespace glassbox::hub {

enum class RepositoryKind { model = 0, dataset = 1, space = 2 };
enum class Gate { open = 0, automatic = 1, manual = 2 };

// "model", "dataset", "space"; nothing for any other text.
std::string_view name_of(RepositoryKind kind);
std::optional<RepositoryKind> repository_kind(std::string_view name);

struct Repository {
  int64_t id = 0;
  RepositoryKind kind = RepositoryKind::model;
  std::string owner, name;  // as they were given
  bool is_private = false, is_disabled = false;
  Gate gate = Gate::open;
  int64_t created = 0, modified = 0;  // milliseconds since 1970
  int64_t likes = 0, downloads = 0;
  Json facts = Json::object();  // what the hub read in its files, at the head of its main branch
  std::string full_name() const { return owner + "/" + name; }
};

// Who asks. Of a machine's owner, and of who administers the hub, nothing is asked and everything is allowed.
struct Caller {
  std::optional<int64_t> account;  // none: a stranger
  std::string name;
  bool owns_machine = false;
  bool may_write = true;                   // false: whoever shows a token to read with
  std::optional<int64_t> sole_repository;  // beyond what everybody may, only in this one
  std::optional<int64_t> token;            // that was shown
};

// What a caller may do with a repository; each includes those before it.
enum class Right {
  nothing,  // it is as if it were not there
  know,     // what it is, and what its files are called
  read,     // its files, too: they may be gated
  write     // commits, settings, and its end
};

inline constexpr std::string_view kMainBranch = "refs/heads/main";

struct Reference {
  std::string name;  // "refs/heads/main", "refs/tags/v1", "refs/pr/1"
  ObjectId target;   // a commit
};

// What stands at a path of a commit.
struct Entry {
  std::string path;
  TreeEntry::Mode mode = TreeEntry::Mode::file;
  ObjectId id;
  // Of a file:
  uint64_t size = 0;
  bool is_large = false;               // in git there is a pointer to it (LFS)
  Sha256 sha256;                       // of its bytes
  std::optional<std::string> file_id;  // its published Xet file id, as 64 hexadecimal digits; only of large ones
  bool is_folder() const { return mode == TreeEntry::Mode::folder; }
};

}  // namespace glassbox::hub
