// The cache of all clients of hubs, as huggingface_hub 2.4 keeps it (docs: "Understand caching"): what others fetched
// is used where it lies, and what is fetched here others find. Within it, for each repository:
//   models--OWNER--NAME/blobs/ETAG               a file's bytes, by its SHA-256 or git's name for it
//   models--OWNER--NAME/snapshots/COMMIT/PATH    a relative link to them
//   models--OWNER--NAME/refs/REVISION            the commit that a branch or tag was when it was last asked for
//   models--OWNER--NAME/trees/COMMIT.json        what a commit lists
//   .locks/models--OWNER--NAME/ETAG.lock         held while a file is fetched
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/digest.h"
#include "hub/repository.h"

namespace glassbox::hub {

// A file as a hub lists it.
struct ListedFile {
  std::string path;  // check_path() let it pass
  uint64_t size = 0;
  Sha1 blob;                     // git's name for what it stores: of a large file the pointer
  std::optional<Sha256> sha256;  // of a large one's bytes
  std::string xet_hash;          // 64 hexadecimal digits, or empty
  // What its bytes hash to, and what the cache calls them.
  std::string etag() const { return sha256 ? sha256->hex() : blob.hex(); }
};

// One repository within the cache, which need not be there yet. Any thread.
class CachedRepository {
 public:
  // Refuses names that no repository has (check_name()).
  CachedRepository(std::filesystem::path cache, RepositoryKind kind, const std::string& full_name);

  const std::filesystem::path& cache() const { return cache_; }
  const std::string& folder_name() const { return folder_name_; }  // "models--owner--name"
  std::filesystem::path folder() const { return cache_ / folder_name_; }
  std::filesystem::path snapshot(const std::string& commit) const { return folder() / "snapshots" / commit; }
  std::filesystem::path blob(const std::string& etag) const { return folder() / "blobs" / etag; }

  // The commit that a revision was when it was last asked for; a commit's own name is that commit.
  std::optional<std::string> commit_of(const std::string& revision) const;
  void set_reference(const std::string& revision, const std::string& commit) const;  // throws Error(io)

  // What a commit lists, if a client kept it. Never throws for what the file says.
  std::optional<std::vector<ListedFile>> listing(const std::string& commit) const;
  void keep_listing(const std::string& commit, const std::vector<ListedFile>& files) const;  // throws Error(io)

  // Whether the file stands in a commit's snapshot, or its bytes lie among the blobs, by their number.
  bool has_file(const std::string& commit, const std::string& path) const;
  bool has_blob(const ListedFile& file) const;
  // Puts a file whose blob is there into a commit's snapshot. Throws Error(io).
  void link(const std::string& commit, const ListedFile& file) const;

 private:
  std::filesystem::path cache_;
  std::string folder_name_;
};

// A file on its way into the cache: under "ETAG.incomplete" until all of it is there and hashes to its name. What an
// earlier process left is gone on with. While it lives no other process fetches the same. For one thread.
class BlobDownload {
 public:
  // Waits for whoever fetches the same file. Both outlive it. Throws Error(io).
  BlobDownload(const CachedRepository& repository, const ListedFile& file);
  ~BlobDownload();
  BlobDownload(const BlobDownload&) = delete;
  BlobDownload& operator=(const BlobDownload&) = delete;

  bool is_there() const { return is_there_; }  // nothing to do: somebody else fetched it meanwhile
  uint64_t size() const { return size_; }      // bytes so far
  bool is_resumed() const { return resumed_; }
  void restart();                       // with none; throws Error(io)
  void append(std::string_view bytes);  // throws Error(io), and Error(bad_file) beyond the file's size
  // Durable under its name when it returns. Throws Error(bad_file) where size or hash are not the file's; then nothing
  // is left of it.
  void commit();

 private:
  void open();
  struct State;
  const CachedRepository& repository_;
  const ListedFile& file_;
  std::filesystem::path unfinished_;
  std::unique_ptr<State> state_;
  bool is_there_ = false, resumed_ = false;
  uint64_t size_ = 0;
};

// What lies in the cache.
struct CachedCommit {
  std::string commit;
  std::vector<std::string> revisions;  // names that refer to it
  uint64_t size = 0;                   // bytes of its files
  size_t files = 0;
};
struct CachedEntry {
  RepositoryKind kind = RepositoryKind::model;
  std::string full_name;
  std::filesystem::path folder;
  uint64_t size = 0;  // bytes on disk, shared ones counted once
  std::vector<CachedCommit> commits;
};
// By their names. Never throws for what others left there.
std::vector<CachedEntry> cached_repositories(const std::filesystem::path& cache);

// Removes a repository with all of its revisions; bytes that other repositories share stay for them. Gives the bytes
// that this set free. Throws Error(not_found | io).
uint64_t remove_from_cache(const CachedRepository& repository);

}  // namespace glassbox::hub
