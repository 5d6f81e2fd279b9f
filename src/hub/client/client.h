// A client of hubs that speak the Hugging Face Hub's wire protocol: this program's own and others. What it fetches lies
// in the cache that all clients share (cache.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/client/cache.h"
#include "hub/client/http.h"

namespace glassbox::hub {

inline constexpr std::string_view kDefaultHub = "http://127.0.0.1:8080";

struct ClientOptions {
  std::string endpoint;  // of the hub: http or https, without a slash at its end
  std::string token;     // or empty
  std::filesystem::path cache;
  bool offline = false;  // the cache alone
  int tries = 5;         // of a request, where connections break or the hub is busy

  // HF_ENDPOINT, or `hub` where it is not empty, or this program's own on this machine; HF_TOKEN, or, for the hub that
  // HF_ENDPOINT names and no other, what hub_token_file() has, unless HF_HUB_DISABLE_IMPLICIT_TOKEN is set;
  // hub_cache(); HF_HUB_OFFLINE. Throws Error(bad_request) for what is no address or no token, Error(io) without a
  // cache.
  static ClientOptions of_environment(const std::string& hub = "");
};

// How far it is.
struct Transfer {
  std::string_view doing;        // "fetching", "hashing", "sending"
  uint64_t done = 0, total = 0;  // bytes
  uint64_t moved = 0;            // of `done`, what was not there before
  size_t files_done = 0, files = 0;
};
// Called on threads of the client's, one call at a time, at most some ten times a second and at the end.
using Progress = std::function<void(const Transfer&)>;

struct PullRequest {
  RepositoryKind kind = RepositoryKind::model;
  std::string repository;  // "owner/name"
  std::string revision = "main";
  // Patterns as the shell's, except that * goes over slashes and "folder/" stands for all in it. A file is wanted that
  // fits one of `include`, where there are any, and none of `exclude`.
  std::vector<std::string> include = {}, exclude = {};
  // Where set: which of the repository's paths are wanted at all.
  std::function<std::vector<std::string>(const std::vector<std::string>& paths)> choose = {};
  bool dry_run = false;
};

struct Pulled {
  std::string commit;
  std::filesystem::path snapshot;       // the folder
  std::vector<ListedFile> files;        // wanted
  std::vector<ListedFile> fetched;      // those that were not there: with dry_run, that would be fetched
  uint64_t size = 0, fetched_size = 0;  // bytes
};

struct PushRequest {
  std::filesystem::path folder;
  RepositoryKind kind = RepositoryKind::model;
  std::string repository;         // made if it is missing
  std::string revision = "main";  // a branch, made from main if it is missing
  std::string message;            // of the commit; empty: a usual one
  bool is_private = false;        // of one that is made
};

struct Pushed {
  std::string commit;  // of the branch, afterwards
  std::string url;     // of the repository
  size_t files = 0, changed = 0;
  uint64_t sent = 0;                  // bytes of large files that the hub did not have
  std::vector<std::string> warnings;  // of the hub, about the card
};

struct Found {
  std::string repository;
  int64_t downloads = 0, likes = 0;
  std::string task, modified;  // or empty
  bool is_private = false;
};

// For one thread at a time; transfers use four of their own. All throw Error(not_found) for what the hub does not have,
// Error(io) where it does not answer or says no, Error(bad_file) for answers that are not as the protocol has them.
class Client {
 public:
  explicit Client(ClientOptions options) : options_(std::move(options)) {}
  const ClientOptions& options() const { return options_; }

  // Fetches what is missing in the cache, each file checked against its hash. What an interrupted call left is gone on
  // with.
  Pulled pull(const PullRequest& request, const Progress& progress = {});
  // All files below the folder, but .git and caches, in one commit; what the hub has is not sent. Throws
  // Error(bad_request) for a folder with nothing in it or with a name that hubs refuse.
  Pushed push(const PushRequest& request, const Progress& progress = {});
  // Repositories whose names have all of the words in them.
  std::vector<Found> search(RepositoryKind kind, const std::vector<std::string>& words, size_t most = 100);
  // From the hub, not from the cache.
  void remove(RepositoryKind kind, const std::string& repository);

  // The commit that a revision is now, and what it lists.
  std::string commit_of(RepositoryKind kind, const std::string& repository, const std::string& revision);
  std::vector<ListedFile> listing(RepositoryKind kind, const std::string& repository, const std::string& commit);

 private:
  friend class Push;
  HttpRequest request(std::string method, const std::string& path) const;
  HttpRequest json_request(std::string method, const std::string& path, const Json& body) const;
  std::string api_path(RepositoryKind kind, const std::string& repository) const;
  std::string file_path(RepositoryKind kind, const std::string& repository) const;
  HttpAnswer answer(const HttpRequest& request, const std::string& subject);
  void fetch(Http& http, const PullRequest& wanted, const CachedRepository& cached, const std::string& commit,
             const ListedFile& file, const std::function<void(int64_t bytes, bool moved)>& count);

  ClientOptions options_;
  Http http_;
};

// Whether a path fits a pattern as PullRequest has them.
bool fits(std::string_view path, std::string_view pattern);

}  // namespace glassbox::hub
