// The hub: repositories of models and datasets with their history, over one folder. It knows nothing of HTTP.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hub/contents.h"
#include "hub/database/objects.h"
#include "hub/database/repositories.h"
#include "hub/repository.h"

namespace glassbox::hub {

// One moment of the hub as a caller may see it. Valid while the function that it was given to runs.
class View {
 public:
  View(Connection& connection, const Caller& caller)
      : repositories(connection), objects(connection), connection_(connection), caller_(caller) {}

  // Refuses (no_repository).
  Repository repository(RepositoryKind kind, std::string_view full_name);
  // The commit that a branch, a tag, a full reference ("refs/pr/1"), "HEAD" or the beginning of a commit's name (four
  // digits or more) names. Refuses (no_revision).
  ObjectId resolve(const Repository& repository, std::string_view revision);
  // Nothing where nothing is there.
  std::optional<Entry> entry(const ObjectId& commit, std::string_view path);
  // What is in a folder, or also below it, in git's order, from the `from`th on, at most `most` of them. Refuses
  // (no_entry) where there is no such folder.
  std::vector<Entry> list(const ObjectId& commit, std::string_view folder, bool recursive, size_t from = 0,
                          size_t most = static_cast<size_t>(-1));
  struct HistoryItem {
    ObjectId id;
    Commit commit;
  };
  // Newest first, along first parents.
  std::vector<HistoryItem> history(const ObjectId& commit, size_t from = 0, size_t most = static_cast<size_t>(-1));
  // For each path the newest commit that changed it.
  std::vector<HistoryItem> last_changes(const ObjectId& commit, const std::vector<std::string>& paths);

  std::optional<Content> content(const Sha256& sha256);
  Content put_whole(std::string_view bytes);  // REQUIRES: a view that writes

  const Caller& caller() const { return caller_; }
  Repositories repositories;
  Objects objects;

 private:
  Entry described(std::string path, const TreeEntry& entry);
  Connection& connection_;
  const Caller& caller_;
};

// One change of a commit. They apply in their order.
struct PutFile {  // bytes that come with the commit
  std::string path, bytes;
};
struct PutStored {  // bytes that were stored before, which git has a pointer to
  std::string path;
  Sha256 sha256;
  std::optional<uint64_t> size;  // checked where it is given
};
struct RemoveFile {
  std::string path;
};
struct RemoveFolder {  // or a file; a slash at its end is passed over
  std::string path;
};
using Change = std::variant<PutFile, PutStored, RemoveFile, RemoveFolder>;

struct CommitRequest {
  std::string branch;  // in full: "refs/heads/main"
  std::string summary, description;
  std::optional<std::string> parent;  // the head the caller saw, or the beginning of its name
  std::vector<Change> changes;
};

// Any thread.
class Hub {
 public:
  // Owns the folder, which is made where there is none. Throws Error(bad_request) where another process has it,
  // Error(io | bad_file | unsupported).
  explicit Hub(const std::filesystem::path& folder);
  ~Hub();

  Caller owner() const;  // of this machine

  // Runs `look` over one moment.
  template <class Look>
  auto view(const Caller& caller, const Look& look) {
    return database().read([&](Connection& connection) {
      View view(connection, caller);
      return look(view);
    });
  }

  // All of these refuse what the caller may not do (no_repository, forbidden).
  Repository create(const Caller& caller, RepositoryKind kind, const std::string& owner, const std::string& name,
                    bool is_private);  // with a first commit; refuses (exists, bad_name)
  void remove(const Caller& caller, RepositoryKind kind, std::string_view full_name);
  Repository rename(const Caller& caller, RepositoryKind kind, std::string_view from, std::string_view to);
  void set_access(const Caller& caller, RepositoryKind kind, std::string_view full_name, std::optional<bool> is_private,
                  std::optional<Gate> gate);
  void like(const Caller& caller, RepositoryKind kind, std::string_view full_name, bool liked);
  void count_download(const Repository& repository, std::string_view who);

  // Returns when the commit is durable, with its name; that of the head where nothing changes. Refuses no_revision
  // where there is no such branch, moved_on, no_entry for what cannot be removed, bad_path, and not_stored.
  ObjectId commit(const Caller& caller, RepositoryKind kind, std::string_view full_name, const CommitRequest& request);
  // `name` in short ("dev"). Refuse exists, bad_name, no_revision, and what may not be removed (forbidden).
  void create_branch(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& name,
                     const std::string& revision);
  void create_tag(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& name,
                  const std::string& revision);
  void remove_branch(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& name);
  void remove_tag(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& name);
  // Makes one commit of a branch's history; the earlier ones can still be asked for.
  ObjectId squash(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& branch,
                  const std::string& message);
  // A new repository with the other's branches and tags.
  Repository duplicate(const Caller& caller, RepositoryKind kind, std::string_view from, const std::string& owner,
                       const std::string& name, bool is_private);

  // What was read in the files at the head (facts.h).
  void set_facts(const Repository& repository, const Json& facts, const std::vector<std::string>& tags);

  Contents& contents();
  const std::string& store_id() const;  // of this store, made with it
  const std::string& secret() const;    // 32 bytes that nobody else knows: to sign with

 private:
  Database& database();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glassbox::hub
