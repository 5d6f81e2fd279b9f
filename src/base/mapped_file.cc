#include "base/mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <mutex>

#include "base/error.h"
#include "base/memory.h"
#include "base/open_file.h"

namespace glassbox {
namespace {

size_t page_bytes() {
  static const auto bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

thread_local FilesBeingMapped* collecting = nullptr;

}  // namespace

// One of a list that only grows, so that a signal's handler can walk it at any time; a place that was given up is taken
// again.
struct MappedFile::Mapping {
  std::atomic<uintptr_t> begin{0};  // 0: free
  std::atomic<size_t> size{0};
  std::atomic<bool> damaged{false};
  const MappedFile* file = nullptr;  // guarded by the mutex, as taking and giving up are
  Mapping* next = nullptr;

  static inline std::atomic<Mapping*> first{nullptr};
  static inline std::mutex mutex;
  static inline struct sigaction before{};

  static Mapping* take(const MappedFile& file);
  void give_up();
  static void watch();
  static bool replace_by_zeros(uintptr_t address);
  static void on_bus_error(int signal, siginfo_t* info, void* context);
};

MappedFile::Mapping* MappedFile::Mapping::take(const MappedFile& file) {
  watch();
  const std::lock_guard lock(mutex);
  Mapping* free = first.load();
  while (free && free->begin.load() != 0) free = free->next;
  if (!free) {
    free = new Mapping;
    free->next = first.load();
    first.store(free);
  }
  free->file = &file;
  free->damaged.store(false);
  free->size.store(file.bytes_.size());
  free->begin.store(reinterpret_cast<uintptr_t>(file.bytes_.data()));
  return free;
}

void MappedFile::Mapping::give_up() {
  const std::lock_guard lock(mutex);
  begin.store(0);
  file = nullptr;
}

void MappedFile::Mapping::watch() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_bytes();
    struct sigaction action{};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigaction(SIGBUS, &action, &before);
  });
}

// In a signal's handler: nothing here may lock, allocate or throw.
bool MappedFile::Mapping::replace_by_zeros(uintptr_t address) {
  for (Mapping* at = first.load(); at; at = at->next) {
    const uintptr_t begin = at->begin.load();
    const size_t size = at->size.load();
    // A mapping that is being read does not change; one that changes between the two loads is another.
    if (begin == 0 || at->begin.load() != begin) continue;
    const size_t page = page_bytes();
    const uintptr_t end = (begin + size + page - 1) / page * page;
    if (address < begin || address >= end) continue;
    at->damaged.store(true);  // before anybody can read the zeros
    // What comes after a page that the file no longer has, it does not have either. Not by ::mmap, which sanitizers
    // replace by what a handler must not call.
    const uintptr_t from = address / page * page;
    return ::syscall(SYS_mmap, from, end - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
           static_cast<long>(from);
  }
  return false;
}

void MappedFile::Mapping::on_bus_error(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  if (info->si_code == BUS_ADRERR && replace_by_zeros(reinterpret_cast<uintptr_t>(info->si_addr))) {
    errno = saved;
    return;
  }
  if (before.sa_flags & SA_SIGINFO) return before.sa_sigaction(signal, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(signal);
  // Ends the program where it is: by the read that is tried again, or by the signal that someone sent.
  struct sigaction ending{};
  ending.sa_handler = SIG_DFL;
  ::sigaction(signal, &ending, nullptr);
  if (info->si_code <= 0) ::raise(signal);
  errno = saved;
}

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& file) {
  const RegularFile opened = open_regular(file);
  const auto size = static_cast<size_t>(opened.info.st_size);
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  mapped->path_ = file;
  mapped->device_ = opened.info.st_dev;
  mapped->inode_ = opened.info.st_ino;
  mapped->written_ = opened.info.st_mtim;
  if (size > 0) {
    void* at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, opened.descriptor.fd, 0);
    if (at == MAP_FAILED) fail_errno(file, "cannot map");
    mapped->bytes_ = {static_cast<const std::byte*>(at), size};
    mapped->mapping_ = Mapping::take(*mapped);
    mapped->counted_ = static_cast<int64_t>(size);
    count_mapped(static_cast<int64_t>(size));
  }
  if (collecting) collecting->files_.push_back(mapped);
  return mapped;
}

void MappedFile::release(std::span<const std::byte> bytes) const {
  const auto page = static_cast<uintptr_t>(page_bytes());
  const auto start = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t first = (start + page - 1) / page * page, last = (start + bytes.size()) / page * page;
  if (bytes.data() < bytes_.data() || bytes.data() + bytes.size() > bytes_.data() + bytes_.size()) return;
  if (first >= last) return;
  ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  count_less(last - first);
}

// What is given up twice was counted once.
void MappedFile::count_less(size_t bytes) const {
  int64_t counted = counted_, less = 0;
  do less = std::min(static_cast<int64_t>(bytes), counted);
  while (!counted_.compare_exchange_weak(counted, counted - less));
  count_mapped(-less);
}

std::string MappedFile::damage() const {
  if (!mapping_) return {};
  struct stat now;
  const bool there = ::stat(path_.c_str(), &now) == 0;
  // Less than a page is cut without a signal: what was there reads as zeros.
  if (there && now.st_dev == device_ && now.st_ino == inode_ && static_cast<size_t>(now.st_size) < bytes_.size())
    mapping_->damaged.store(true);
  if (!mapping_->damaged.load()) return {};
  return change().empty() ? "could not be read while it was used: its disk failed" : "became shorter while it was used";
}

void MappedFile::check_whole() const {
  if (const std::string what = damage(); !what.empty()) fail(ErrorKind::io, "{}: {}", path_.string(), what);
}

void MappedFile::check_all() {
  const std::lock_guard lock(Mapping::mutex);
  for (const Mapping* at = Mapping::first.load(); at; at = at->next)
    if (at->file) at->file->check_whole();
}

std::string MappedFile::change() const {
  struct stat now;
  if (::stat(path_.c_str(), &now) != 0) return errno == ENOENT || errno == ENOTDIR ? "is gone" : "";
  if (now.st_dev != device_ || now.st_ino != inode_) return "was replaced";
  const bool same = static_cast<size_t>(now.st_size) == bytes_.size() && now.st_mtim.tv_sec == written_.tv_sec &&
                    now.st_mtim.tv_nsec == written_.tv_nsec;
  return same ? "" : "was written to";
}

MappedFile::~MappedFile() {
  if (!mapping_) return;
  mapping_->give_up();
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  count_less(bytes_.size());
}

void MappedFiles::check_whole(std::string_view owner) const {
  for (const auto& file : files_)
    if (const std::string what = file->damage(); !what.empty())
      fail(ErrorKind::io, "{}: {} {}", owner, file->path().filename().string(), what);
}

std::string MappedFiles::change() const {
  for (const auto& file : files_)
    if (const std::string change = file->change(); !change.empty()) return file->path().string() + " " + change;
  return {};
}

FilesBeingMapped::FilesBeingMapped() : outer_(collecting) { collecting = this; }
FilesBeingMapped::~FilesBeingMapped() { collecting = outer_; }

void touch(std::span<const std::byte> bytes) {
  const volatile std::byte* at = bytes.data();
  for (size_t i = 0; i < bytes.size(); i += page_bytes()) static_cast<void>(at[i]);
  if (!bytes.empty()) static_cast<void>(at[bytes.size() - 1]);
}

}  // namespace glassbox
