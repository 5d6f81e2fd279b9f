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
#include "hub/database/accounts.h"
#include "hub/database/claims.h"
#include "hub/database/discussions.h"
#include "hub/database/holdings.h"
#include "hub/database/objects.h"
#include "hub/database/popularity.h"
#include "hub/database/repositories.h"
#include "hub/people.h"
#include "hub/repository.h"

namespace glassbox::hub {

class Studies;

// One moment of the hub as a caller may see it. Valid while the function that it was given to runs.
class View {
 public:
  View(Connection& connection, const Caller& caller)
      : repositories(connection),
        objects(connection),
        accounts(connection),
        discussions(connection),
        holdings(connection),
        claims(connection),
        popularity(connection),
        connection_(connection),
        caller_(caller) {}

  // One that the caller may know of. Refuses (no_repository).
  Repository repository(RepositoryKind kind, std::string_view full_name);
  // Refuses (gated, forbidden) where the caller has not this right.
  void need(const Repository& repository, Right right);
  // The account in whose name something is said about it, or put into it. Refuses (forbidden) strangers, and tokens
  // that may only read, or only belong elsewhere.
  int64_t speaker(const Repository& repository);
  // Whether there is one.
  bool may_speak(const Repository& repository) const;
  // The proposal of this reference, which the caller may add to. Refuses (no_revision, forbidden).
  Discussion proposal(const Repository& repository, std::string_view reference);
  // Whether a caller who can name this content may have it: the caller had it in hand, or may read it somewhere.
  bool may_have(const Sha256& sha256);
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
  // The newest commit that both come from; nothing where they have none in common.
  std::optional<ObjectId> common_ancestor(const ObjectId& one, const ObjectId& other);
  // For each path the newest commit that changed it.
  std::vector<HistoryItem> last_changes(const ObjectId& commit, const std::vector<std::string>& paths);

  std::optional<Content> content(const Sha256& sha256);
  Content put_whole(std::string_view bytes);  // REQUIRES: a view that writes

  const Caller& caller() const { return caller_; }
  Repositories repositories;
  Objects objects;
  Accounts accounts;
  Discussions discussions;
  Holdings holdings;
  Claims claims;
  Popularity popularity;

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
  People& people();

  // Runs `look` over one moment.
  template <class Look>
  auto view(const Caller& caller, const Look& look) {
    return database().read([&](Connection& connection) {
      View view(connection, caller);
      return look(view);
    });
  }

  // All of these refuse what the caller may not do (no_repository, forbidden, gated).
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

  // The same for whoever may read: a proposal to the branch `request.branch`, which is open and has the commit on it.
  struct Proposed {
    ObjectId commit;
    Discussion discussion;
  };
  Proposed propose(const Caller& caller, RepositoryKind kind, std::string_view full_name, const CommitRequest& request);
  // Talk, or a draft of a proposal that is where the main branch is.
  Discussion discuss(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& title,
                     const std::string& text, bool is_proposal);
  Event comment(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                const std::string& text);
  // Of the caller's own; hiding also of others', for who may write.
  Event edit_comment(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                     int64_t event, const std::string& text);
  Event hide_comment(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                     int64_t event);
  // For its author and who may write.
  Event retitle(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                const std::string& title);
  // Opens or closes it.
  Event set_status(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                   Discussion::Status status, const std::string& text);
  // The branch goes on to where the proposal is, or to a commit that has the changes of both. Refuses conflict, which
  // names the paths, and what is no open proposal (bad_value).
  ObjectId merge(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                 const std::string& text);

  // Gated files. The caller asks for them; of who asked, those who may write let some in. Refuse bad_value for who did
  // not ask or is in already.
  AccessRequest ask_access(const Caller& caller, RepositoryKind kind, std::string_view full_name);
  void answer_access(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& user,
                     AccessRequest::Status status);
  void grant_access(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& user);

  // Remembers for as long as a lease that the caller had these bytes in hand.
  void note_content(const Caller& caller, const Sha256& content);
  void note_file(const Caller& caller, const xet::Hash& file_id);
  void note_xorb(const Caller& caller, const xet::Hash& xorb);

  // What was read in the files at the head (facts.h).
  void set_facts(const Repository& repository, const Json& facts, const std::vector<std::string>& tags);

  Contents& contents();
  Studies& studies();
  const std::string& store_id() const;  // of this store, made with it
  const std::string& secret() const;    // 32 bytes that nobody else knows: to sign with

  struct State;  // not for callers

 private:
  Database& database();
  std::unique_ptr<State> state_;
};

}  // namespace glassbox::hub
