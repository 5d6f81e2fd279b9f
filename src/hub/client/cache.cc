#include "hub/client/cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/open_file.h"
#include "base/quote.h"
#include "formats/model_cache.h"
#include "hub/client/parts.h"
#include "hub/names.h"

namespace glassbox::hub {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostListing = size_t{256} << 20;  // bytes
constexpr size_t kMostReference = 1024;
constexpr std::string_view kTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file says that this folder is a cache (https://bford.info/cachedir/).\n";

void make_folders(const fs::path& folder) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (problem) fail(ErrorKind::io, "{}: cannot make the folder: {}", folder.string(), problem.message());
}

bool is_sha256(std::string_view text) { return Sha256::parse(text).has_value(); }

// A lock as other clients take it (flock), held while it lives.
class FileLock {
 public:
  explicit FileLock(const fs::path& file) {
    make_folders(file.parent_path());
    for (;;) {
      Descriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0664));
      if (lock.fd < 0) fail_errno(file, "cannot open");
      while (::flock(lock.fd, LOCK_EX) != 0)
        if (errno != EINTR) fail_errno(file, "cannot lock");
      // Whoever had it may have removed it, and a third has made it anew.
      struct stat held{}, named{};
      if (::fstat(lock.fd, &held) == 0 && ::stat(file.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
          held.st_dev == named.st_dev) {
        std::swap(lock_.fd, lock.fd);
        return;
      }
    }
  }

 private:
  Descriptor lock_{-1};
};

// Bytes of what a path leads to; 0 where it leads nowhere.
uint64_t size_of(const fs::path& file) {
  std::error_code problem;
  const uint64_t size = fs::file_size(file, problem);
  return problem ? 0 : size;
}

std::string trimmed(std::string text) {
  text.resize(std::min(text.size(), text.find_last_not_of(" \r\n") + 1));
  return text;
}

// Bytes that several repositories share lie in CACHE/blobs/ab/abcd..., with a list of the links to them beside it
// (abcd....refs) and a lock (abcd....lock). Nothing for a link that does not lead there.
std::optional<fs::path> shared_blob(const fs::path& cache, const fs::path& link) {
  std::error_code problem;
  const fs::path leads = fs::read_symlink(link, problem);
  if (problem) return std::nullopt;
  const fs::path target = (link.parent_path() / leads).lexically_normal();
  const std::string name = target.filename().string();
  if (!is_sha256(name) || target != (cache / "blobs" / name.substr(0, 2) / name).lexically_normal())
    return std::nullopt;
  return target;
}

// Removes shared bytes that no link leads to any more. What cannot be read about them is no reason to.
uint64_t release_shared(const fs::path& cache, const fs::path& shared) {
  try {
    const fs::path list = shared.string() + ".refs";
    const FileLock lock(shared.string() + ".lock");
    if (fs::is_symlink(shared) || !fs::is_regular_file(shared) || fs::is_symlink(list)) return 0;
    std::string_view lines;
    const std::string text = read_file(list, kMostListing);
    for (lines = text; !lines.empty();) {
      const std::string_view line = lines.substr(0, lines.find('\n'));
      lines.remove_prefix(std::min(lines.size(), line.size() + 1));
      if (shared_blob(cache, cache / line) == shared) return 0;
    }
    const uint64_t size = size_of(shared);
    fs::remove(shared);
    fs::remove(list);
    return size;
  } catch (const std::exception&) { return 0; }
}

}  // namespace

CachedRepository::CachedRepository(fs::path cache, RepositoryKind kind, const std::string& full_name)
    : cache_(fs::absolute(cache).lexically_normal()) {
  const size_t slash = full_name.find('/');
  if (slash == std::string::npos) fail(ErrorKind::bad_request, "{}: expected OWNER/NAME", quote(full_name));
  check_name("owner", full_name.substr(0, slash));
  check_name("repository", full_name.substr(slash + 1));
  folder_name_ = fmt::format("{}--{}--{}", plural_of(kind), full_name.substr(0, slash), full_name.substr(slash + 1));
}

std::optional<std::string> CachedRepository::commit_of(const std::string& revision) const {
  if (is_commit_name(revision)) return revision;
  check_path(revision);
  const fs::path file = folder() / "refs" / revision;
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return std::nullopt;
  std::string commit = trimmed(read_file(file, kMostReference));
  return is_commit_name(commit) ? std::optional(std::move(commit)) : std::nullopt;
}

void CachedRepository::set_reference(const std::string& revision, const std::string& commit) const {
  if (revision == commit) return;
  check_path(revision);
  const fs::path file = folder() / "refs" / revision;
  std::error_code ignored;
  if (fs::is_regular_file(file, ignored) && read_file(file, kMostReference) == commit) return;
  make_folders(file.parent_path());
  write_file(file, commit);
}

std::optional<std::vector<ListedFile>> CachedRepository::listing(const std::string& commit) const {
  const fs::path file = folder() / "trees" / (commit + ".json");
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return std::nullopt;
  try {
    const Json kept = read_json(file, kMostListing);
    if (kept.at("format_version") != 1) return std::nullopt;
    std::vector<ListedFile> files;
    uint64_t total = 0;
    for (const auto& [path, facts] : kept.at("files").items()) {
      check_path(path);
      if (!facts.at("size").is_number_unsigned() ||
          __builtin_add_overflow(total, facts.at("size").get<uint64_t>(), &total))
        return std::nullopt;
      ListedFile one{path, facts.at("size").get<uint64_t>(), {}, {}, facts.value("xet_hash", "")};
      const auto blob = Sha1::parse(facts.at("blob_id").get_ref<const std::string&>());
      if (!blob) return std::nullopt;
      one.blob = *blob;
      if (const auto large = facts.find("lfs_sha256"); large != facts.end()) {
        one.sha256 = Sha256::parse(large->get_ref<const std::string&>());
        if (!one.sha256) return std::nullopt;
      }
      files.push_back(std::move(one));
    }
    return files;
  } catch (const std::exception&) { return std::nullopt; }  // it is asked for again
}

void CachedRepository::keep_listing(const std::string& commit, const std::vector<ListedFile>& files) const {
  Json listed = Json::object();
  for (const ListedFile& file : files) {
    Json facts{{"size", file.size}, {"blob_id", file.blob.hex()}};
    if (file.sha256) {
      facts["lfs_sha256"] = file.sha256->hex();
      facts["lfs_size"] = file.size;
    }
    if (!file.xet_hash.empty()) facts["xet_hash"] = file.xet_hash;
    listed[file.path] = std::move(facts);
  }
  const fs::path file = folder() / "trees" / (commit + ".json");
  make_folders(file.parent_path());
  write_file(file, dump_json({{"format_version", 1}, {"files", std::move(listed)}}, 1));
}

bool CachedRepository::has_file(const std::string& commit, const std::string& path) const {
  std::error_code ignored;
  return fs::is_regular_file(snapshot(commit) / path, ignored);
}

bool CachedRepository::has_blob(const ListedFile& file) const {
  std::error_code ignored;
  const fs::path there = blob(file.etag());
  return fs::is_regular_file(there, ignored) && size_of(there) == file.size;
}

void CachedRepository::link(const std::string& commit, const ListedFile& file) const {
  const fs::path at = snapshot(commit) / file.path;
  make_folders(at.parent_path());
  const fs::path beside = at.parent_path() / fmt::format(".{}.{}.link", file.etag().substr(0, 16), ::getpid());
  std::error_code problem;
  fs::remove(beside, problem);
  fs::create_symlink(blob(file.etag()).lexically_relative(at.parent_path()), beside, problem);
  if (!problem) fs::rename(beside, at, problem);
  if (problem) {
    std::error_code ignored;
    fs::remove(beside, ignored);
    fail(ErrorKind::io, "{}: cannot link to its bytes: {}", at.string(), problem.message());
  }
}

struct BlobDownload::State {
  FileLock lock;
  std::optional<Descriptor> out;
  std::optional<Hasher<Sha1>> sha1;
  std::optional<Hasher<Sha256>> sha256;

  explicit State(const fs::path& lock_file) : lock(lock_file) {}
  void begin(const ListedFile& file) {
    sha1.reset();
    sha256.reset();
    if (file.sha256) {
      sha256.emplace();
    } else {
      sha1.emplace();
      sha1->append(fmt::format("blob {}", file.size));
      sha1->append(std::string_view("\0", 1));
    }
  }
  void hash(std::string_view bytes) {
    if (sha1) sha1->append(bytes);
    if (sha256) sha256->append(bytes);
  }
};

BlobDownload::BlobDownload(const CachedRepository& repository, const ListedFile& file)
    : repository_(repository),
      file_(file),
      unfinished_(repository.blob(file.etag() + ".incomplete")),
      state_(
          std::make_unique<State>(repository.cache() / ".locks" / repository.folder_name() / (file.etag() + ".lock"))) {
  is_there_ = repository.has_blob(file);
  if (is_there_) return;
  make_folders(unfinished_.parent_path());
  if (std::error_code ignored; !fs::exists(repository.cache() / "CACHEDIR.TAG", ignored))
    write_file(repository.cache() / "CACHEDIR.TAG", kTag);
  open();
}

BlobDownload::~BlobDownload() = default;

// What is there already is hashed; more than there should be is none of it.
void BlobDownload::open() {
  state_->out.emplace(::open(unfinished_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (state_->out->fd < 0) fail_errno(unfinished_, "cannot open");
  state_->begin(file_);
  std::vector<char> piece(size_t{1} << 20);
  for (;;) {
    const ssize_t n = ::pread(state_->out->fd, piece.data(), piece.size(), static_cast<off_t>(size_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(unfinished_, "cannot read");
    if (n == 0) break;
    if (static_cast<uint64_t>(n) > file_.size - size_) {
      if (::ftruncate(state_->out->fd, 0) != 0) fail_errno(unfinished_, "cannot shorten");
      state_->begin(file_);
      size_ = 0;
      break;
    }
    state_->hash({piece.data(), static_cast<size_t>(n)});
    size_ += static_cast<uint64_t>(n);
  }
  resumed_ = size_ > 0;
}

void BlobDownload::restart() {
  std::error_code ignored;
  fs::remove(unfinished_, ignored);
  size_ = 0;
  open();
}

void BlobDownload::append(std::string_view bytes) {
  if (bytes.size() > file_.size - size_)
    fail(ErrorKind::bad_file, "{}: expected {} bytes, got more", quote(file_.path), file_.size);
  state_->hash(bytes);
  for (size_t done = 0; done < bytes.size();) {
    // At its own place: where locks mean nothing (some network disks), two who write the same do not mix.
    const ssize_t n =
        ::pwrite(state_->out->fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(size_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(unfinished_, "cannot write");
    done += static_cast<size_t>(n);
  }
  size_ += bytes.size();
}

void BlobDownload::commit() {
  const std::string expected = file_.etag();
  const auto discard = [&] {
    std::error_code ignored;
    fs::remove(unfinished_, ignored);
  };
  if (size_ != file_.size)
    fail(ErrorKind::bad_file, "{}: expected {} bytes, got {}", quote(file_.path), file_.size, size_);
  const std::string got = state_->sha256 ? state_->sha256->finish().hex() : state_->sha1->finish().hex();
  if (got != expected) {
    discard();
    fail(ErrorKind::bad_file, "{}: not the bytes that the hub lists: expected {} {}, got {}", quote(file_.path),
         file_.sha256 ? "SHA-256" : "git's SHA-1", expected, got);
  }
  if (::fsync(state_->out->fd) != 0) fail_errno(unfinished_, "cannot sync");
  if (::rename(unfinished_.c_str(), repository_.blob(expected).c_str()) != 0) fail_errno(unfinished_, "cannot rename");
  is_there_ = true;
}

std::vector<CachedEntry> cached_repositories(const fs::path& cache) {
  std::vector<CachedEntry> found;
  std::error_code problem;
  for (fs::directory_iterator at(cache, problem), end; !problem && at != end; at.increment(problem)) {
    std::string name = at->path().filename().string();
    CachedEntry entry;
    bool known = false;
    for (const RepositoryKind kind : {RepositoryKind::model, RepositoryKind::dataset, RepositoryKind::space})
      if (const std::string begin = std::string(plural_of(kind)) + "--"; name.starts_with(begin)) {
        entry.kind = kind;
        entry.full_name = name.substr(begin.size());
        known = true;
      }
    std::error_code ignored;
    if (!known || !at->is_directory(ignored)) continue;
    if (const size_t dashes = entry.full_name.find("--"); dashes != std::string::npos)
      entry.full_name.replace(dashes, 2, "/");
    entry.folder = at->path();

    std::map<std::string, std::vector<std::string>> names;  // of commits
    const fs::path references = entry.folder / "refs";
    for (fs::recursive_directory_iterator ref(references, ignored), last; !ignored && ref != last;
         ref.increment(ignored))
      if (std::error_code none; ref->is_regular_file(none)) try {
          names[trimmed(read_file(ref->path(), kMostReference))].push_back(
              ref->path().lexically_relative(references).generic_string());
        } catch (const Error&) {}  // no reference of this kind
    std::set<fs::path> counted;
    for (fs::directory_iterator blob(entry.folder / "blobs", ignored), last; !ignored && blob != last;
         blob.increment(ignored))
      if (std::error_code none; blob->is_regular_file(none) && counted.insert(fs::canonical(blob->path(), none)).second)
        entry.size += size_of(blob->path());
    for (fs::directory_iterator snapshot(entry.folder / "snapshots", ignored), last; !ignored && snapshot != last;
         snapshot.increment(ignored)) {
      CachedCommit commit{snapshot->path().filename().string(), {}, 0, 0};
      commit.revisions = names[commit.commit];
      std::ranges::sort(commit.revisions);
      for (fs::recursive_directory_iterator file(snapshot->path(), problem), none; !problem && file != none;
           file.increment(problem))
        if (std::error_code no; file->is_regular_file(no)) {
          commit.size += size_of(file->path());
          ++commit.files;
        }
      problem.clear();
      entry.commits.push_back(std::move(commit));
    }
    std::ranges::sort(entry.commits, {}, &CachedCommit::commit);
    found.push_back(std::move(entry));
  }
  std::ranges::sort(found, [](const CachedEntry& a, const CachedEntry& b) {
    return std::pair(a.full_name, a.kind) < std::pair(b.full_name, b.kind);
  });
  return found;
}

uint64_t remove_from_cache(const CachedRepository& repository) {
  const fs::path folder = repository.folder();
  std::error_code problem;
  if (!fs::is_directory(folder, problem))
    fail(ErrorKind::not_found, "{}: not in the cache ({})", repository.folder_name(), repository.cache().string());
  uint64_t freed = 0;
  std::set<fs::path> shared;
  for (fs::directory_iterator blob(folder / "blobs", problem), end; !problem && blob != end; blob.increment(problem)) {
    std::error_code ignored;
    if (!blob->is_symlink(ignored))
      freed += size_of(blob->path());
    else if (auto target = shared_blob(repository.cache(), blob->path()))
      shared.insert(*std::move(target));
  }
  // What refers to bytes goes before them.
  for (const char* part : {"refs", "snapshots", ""}) {
    fs::remove_all(*part ? folder / part : folder, problem);
    if (problem) fail(ErrorKind::io, "{}: cannot remove: {}", folder.string(), problem.message());
  }
  fs::remove_all(repository.cache() / ".locks" / repository.folder_name(), problem);
  for (const fs::path& bytes : shared) freed += release_shared(repository.cache(), bytes);
  return freed;
}

}  // namespace glassbox::hub
