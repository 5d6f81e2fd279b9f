// What a hub is made of. For hub.cc and the files beside it that define its functions.
#pragma once

#include "base/output.h"
#include "hub/hub.h"
#include "hub/studies.h"

namespace glassbox::hub {

struct Hub::State {
  explicit State(const std::filesystem::path& folder)
      : lock(folder),
        database(database_of(folder)),
        people(database),
        blobs(folder_blobs(folder / "blobs")),
        contents(database, *blobs) {}

  // Runs `work` in a transaction on a repository that the caller knows of.
  template <class Work>
  auto write(const Caller& caller, RepositoryKind kind, std::string_view full_name, const Work& work) {
    return database.write([&](Connection& connection) {
      View view(connection, caller);
      const Repository repository = view.repository(kind, full_name);
      return work(view, repository);
    });
  }
  // The same on one that they may write to.
  template <class Work>
  auto change(const Caller& caller, RepositoryKind kind, std::string_view full_name, const Work& work) {
    return write(caller, kind, full_name, [&](View& view, const Repository& repository) {
      view.need(repository, Right::write);
      return work(view, repository);
    });
  }

  FolderLock lock;
  Database database;
  People people;
  std::unique_ptr<Blobs> blobs;
  Contents contents;
  std::string store_id, secret;
  Caller owner;
  std::unique_ptr<Studies> studies;  // ends before what it reads
};

Signature signature_of(const Caller& caller);
std::string message_of(const std::string& summary, const std::string& description);
// Applies a commit's changes to the branch `reference`, which is at `at`, and moves it. `at` where nothing changes.
// `stored`: of those changes whose bytes are large, what they became.
ObjectId apply(View& view, const Repository& repository, const std::string& reference, const ObjectId& at,
               const CommitRequest& request, const std::vector<Content>& stored);
void check_paths(const CommitRequest& request);  // refuses bad_path
// Stores the bytes of changes that are too large to be kept as part of a transaction.
std::vector<Content> store_large(Contents& contents, const CommitRequest& request);

}  // namespace glassbox::hub
