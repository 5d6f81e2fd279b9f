#include "base/output.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/open_file.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_exists(const fs::path& output) {
  fail(ErrorKind::bad_request, "{}: exists already: --force replaces it", output.string());
}

// Names that a signal has to remove, where a handler can read them: no memory is taken or given back.
struct Unfinished {
  enum State { free, claimed, file, folder };
  std::atomic<int> state = free;
  std::array<char, PATH_MAX> name;
};
constexpr int kMostUnfinished = 256;
std::array<Unfinished, kMostUnfinished> unfinished;
std::atomic<bool> ending{false};  // a handler is at work: nothing new is begun

void wait_for_the_end() {
  while (ending.load()) ::pause();
}

// -1 where the table is full or the name too long: then only a signal leaves the file behind.
int remember(const fs::path& path, Unfinished::State state) {
  wait_for_the_end();
  const std::string name = fs::absolute(path).string();
  if (name.size() >= PATH_MAX) return -1;
  for (int i = 0; i < kMostUnfinished; ++i) {
    int expected = Unfinished::free;
    Unfinished& slot = unfinished[static_cast<size_t>(i)];
    if (!slot.state.compare_exchange_strong(expected, Unfinished::claimed)) continue;
    std::memcpy(slot.name.data(), name.c_str(), name.size() + 1);
    slot.state.store(state);
    return i;
  }
  return -1;
}

void forget(int slot) {
  if (slot >= 0) unfinished[static_cast<size_t>(slot)].state.store(Unfinished::free);
}

extern "C" void remove_unfinished(int signal) {
  ending.store(true);
  for (const Unfinished& slot : unfinished)
    if (slot.state.load() == Unfinished::file) ::unlink(slot.name.data());
  for (int depth = 0; depth < 2; ++depth)  // those within others first
    for (const Unfinished& slot : unfinished)
      if (slot.state.load() == Unfinished::folder) ::rmdir(slot.name.data());
  std::signal(signal, SIG_DFL);
  ::raise(signal);  // at once where it is not blocked, else when this handler returns
}

constexpr std::string_view kPartial = ".partial-";

// A name that nobody else takes.
fs::path beside(const fs::path& output) {
  static std::atomic<int> count{0};
  fs::path path = output;
  if (!path.has_filename()) path = path.parent_path();  // "folder/"
  return fmt::format("{}{}{}-{}", path.string(), kPartial, ::getpid(), ++count);
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail_errno(folder, "cannot sync folder");
  const bool synced = ::fsync(fd) == 0;
  ::close(fd);
  if (!synced) fail_errno(folder, "cannot sync folder");
}

// Gives a file its name, unless that is taken.
void rename_to_free(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
  if (errno == EINVAL || errno == ENOSYS) {  // file systems that know no such rename
    if (::link(from.c_str(), to.c_str()) == 0) {
      ::unlink(from.c_str());
      return;
    }
  }
  if (errno == EEXIST) fail_exists(to);
  fail_errno(to, "cannot rename onto");
}

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code failed;
  return fs::equivalent(a, b, failed) && !failed;
}

bool is_empty_folder(const fs::path& path) {
  std::error_code failed;
  return fs::is_directory(path, failed) && fs::is_empty(path, failed) && !failed;
}

}  // namespace

void check_output(const fs::path& output, std::span<const fs::path> inputs, bool force) {
  std::error_code failed;
  for (const fs::path& input : inputs) {
    bool same = same_file(output, input);
    if (!same && fs::is_directory(input, failed))
      for (const auto& entry : fs::directory_iterator(input, failed)) same |= same_file(output, entry.path());
    if (same)
      fail(ErrorKind::bad_request, "{}: is what is read ({}): expected another name for what is written",
           output.string(), input.string());
  }
  // A device or a pipe would be replaced by a file of its name.
  if (const fs::file_type type = fs::status(output, failed).type();
      type != fs::file_type::not_found && type != fs::file_type::regular && type != fs::file_type::directory)
    fail(ErrorKind::bad_request, "{}: expected the name of a file or a folder, found something else", output.string());
  if (force || is_empty_folder(output)) return;
  if (fs::symlink_status(output, failed).type() != fs::file_type::not_found) fail_exists(output);
}

void remove_unfinished_on_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now;
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) continue;  // nohup
    struct sigaction action = {};
    action.sa_handler = remove_unfinished;
    ::sigaction(signal, &action, nullptr);
  }
}

void remove_unfinished_in(const fs::path& folder) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed))
    if (entry.is_regular_file(failed) && entry.path().filename().string().find(kPartial) != std::string::npos)
      fs::remove(entry.path(), failed);
}

FolderLock::FolderLock(const fs::path& folder) : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (fd_ < 0) fail_errno(folder, "cannot open");
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
  const bool taken = errno == EWOULDBLOCK;
  if (taken) ::close(std::exchange(fd_, -1));
  if (taken) fail(ErrorKind::bad_request, "{}: another process writes here", folder.string());
  // File systems without locks: only a second writer would miss it.
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

FileWriter::FileWriter(fs::path file, Existing existing) : file_(std::move(file)), existing_(existing) {
  do {
    beside_ = beside(file_);
    unfinished_ = remember(beside_, Unfinished::file);
    fd_ = ::open(beside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd_ >= 0) return;
    forget(std::exchange(unfinished_, -1));
  } while (errno == EEXIST);  // left by a process that had the same number
  fail_errno(beside_, "cannot create");
}

FileWriter::~FileWriter() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(beside_.c_str());
  forget(unfinished_);
}

void FileWriter::append(std::span<const std::byte> bytes) {
  bool looked = false;
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(fd_, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    // Bytes of a mapped file that became shorter: reading them here notes it, which commit() finds.
    if (n < 0 && errno == EFAULT && !std::exchange(looked, true)) {
      touch(bytes.subspan(done));
      continue;
    }
    if (n < 0) fail_errno(beside_, "cannot write");
    done += static_cast<size_t>(n);
  }
}

void FileWriter::commit() {
  MappedFile::check_all();
  if (::fsync(fd_) != 0) fail_errno(beside_, "cannot sync");
  if (existing_ == Existing::refused)
    rename_to_free(beside_, file_);
  else if (::rename(beside_.c_str(), file_.c_str()) != 0)
    fail_errno(file_, "cannot rename onto");
  forget(std::exchange(unfinished_, -1));
  ::close(std::exchange(fd_, -1));
  sync_folder(file_.parent_path());
}

FolderWriter::FolderWriter(fs::path folder, Existing existing) : folder_(std::move(folder)), existing_(existing) {
  if (!folder_.has_filename()) folder_ = folder_.parent_path();  // "folder/"
  std::error_code failed;
  if (folder_.has_parent_path()) fs::create_directories(folder_.parent_path(), failed);
  if (failed) fail(ErrorKind::io, "{}: cannot make the folder: {}", folder_.parent_path().string(), failed.message());
  if (fs::exists(folder_, failed) && !fs::is_directory(folder_, failed))
    fail(ErrorKind::bad_request, "{}: expected a folder, found a file", folder_.string());
  do {
    beside_ = beside(folder_);
    unfinished_ = {remember(beside_, Unfinished::folder)};
    if (::mkdir(beside_.c_str(), 0777) == 0) return;
    forget(unfinished_[0]);
    unfinished_.clear();
  } while (errno == EEXIST);
  fail_errno(beside_, "cannot make the folder");
}

FolderWriter::~FolderWriter() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(beside_, ignored);
  for (const int slot : unfinished_) forget(slot);
}

fs::path FolderWriter::file(const std::string& name) {
  const fs::path path = beside_ / name;
  if (!names_.insert(name).second) return path;
  if (path.parent_path() != beside_ && ::mkdir(path.parent_path().c_str(), 0777) == 0)
    unfinished_.push_back(remember(path.parent_path(), Unfinished::folder));
  unfinished_.push_back(remember(path, Unfinished::file));
  return path;
}

void FolderWriter::commit(const std::string& last, bool (*stale)(const std::string& name)) {
  sync_folder(beside_);
  if (::rename(beside_.c_str(), folder_.c_str()) == 0) {  // onto nothing, or an empty folder
    committed_ = true;
    return sync_folder(folder_.parent_path());
  }
  if (errno != ENOTEMPTY && errno != EEXIST) fail_errno(folder_, "cannot rename onto");
  if (existing_ == Existing::refused) fail_exists(folder_);
  // One writer at a time: the folder is the last one's, whole.
  const int lock = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock < 0) fail_errno(folder_, "cannot open");
  struct Unlock {
    int fd;
    ~Unlock() { ::close(fd); }
  } const unlock{lock};
  if (::flock(lock, LOCK_EX) != 0) fail_errno(folder_, "cannot lock");
  std::error_code failed;
  fs::remove(folder_ / last, failed);
  for (const auto& entry : fs::directory_iterator(folder_, failed)) {
    const std::string name = entry.path().filename().string();
    if (!names_.contains(name) && !entry.is_directory() && stale(name)) fs::remove(entry.path(), failed);
  }
  const auto move = [&](const std::string& name) {
    fs::create_directories((folder_ / name).parent_path(), failed);
    if (::rename((beside_ / name).c_str(), (folder_ / name).c_str()) != 0)
      fail_errno(folder_ / name, "cannot rename onto");
  };
  for (const std::string& name : names_)
    if (name != last) move(name);
  if (names_.contains(last)) move(last);
  sync_folder(folder_);
}

}  // namespace glassbox
