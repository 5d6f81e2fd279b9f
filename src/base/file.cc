#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/memory.h"

namespace glassbox {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

[[noreturn]] void fail_errno(const std::filesystem::path& file, const char* doing) {
  const int error = errno;
  fail(error == ENOENT || error == ENOTDIR ? ErrorKind::not_found : ErrorKind::io, "{}: {}: {}", file.string(), doing,
       std::strerror(error));
}

struct Opened {
  Descriptor descriptor;
  size_t size;
};

Opened open_regular(const std::filesystem::path& file) {
  Opened opened{{::open(file.c_str(), O_RDONLY | O_CLOEXEC)}, 0};
  if (opened.descriptor.fd < 0) fail_errno(file, "cannot open");
  struct stat info;
  if (::fstat(opened.descriptor.fd, &info) != 0) fail_errno(file, "cannot stat");
  if (!S_ISREG(info.st_mode)) fail(ErrorKind::bad_file, "{}: expected a regular file", file.string());
  opened.size = static_cast<size_t>(info.st_size);
  return opened;
}

}  // namespace

std::string read_file(const std::filesystem::path& file, size_t limit) {
  const Opened opened = open_regular(file);
  if (opened.size > limit)
    fail(ErrorKind::bad_file, "{}: expected at most {} bytes, got {}", file.string(), limit, opened.size);
  std::string bytes(opened.size, '\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::read(opened.descriptor.fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(file, "cannot read");
    if (n == 0) fail(ErrorKind::io, "{}: became shorter while it was read", file.string());
    done += static_cast<size_t>(n);
  }
  return bytes;
}

void write_file(const std::filesystem::path& file, std::string_view bytes) {
  const std::span<const std::byte> piece = std::as_bytes(std::span(bytes));
  write_file(file, std::span(&piece, 1));
}

void write_file(const std::filesystem::path& file, std::span<const std::span<const std::byte>> pieces) {
  FileWriter out(file);
  for (const std::span<const std::byte> bytes : pieces) out.append(bytes);
  out.commit();
}

FileWriter::FileWriter(std::filesystem::path file) : file_(std::move(file)), beside_(file_.string() + ".partial") {
  fd_ = ::open(beside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) fail_errno(beside_, "cannot create");
}

FileWriter::~FileWriter() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(beside_.c_str());
}

void FileWriter::append(std::span<const std::byte> bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(fd_, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(beside_, "cannot write");
    done += static_cast<size_t>(n);
  }
}

void FileWriter::commit() {
  if (::fsync(fd_) != 0) fail_errno(beside_, "cannot sync");
  if (::rename(beside_.c_str(), file_.c_str()) != 0) fail_errno(file_, "cannot rename onto");
  ::close(std::exchange(fd_, -1));
  const std::filesystem::path folder = file_.has_parent_path() ? file_.parent_path() : ".";
  const Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.fd < 0 || ::fsync(directory.fd) != 0) fail_errno(folder, "cannot sync folder");
}

namespace {

// How much of each mapping was given up again and is counted no longer.
std::mutex released_mutex;
std::unordered_map<const MappedFile*, int64_t> released_bytes;

// How much of `bytes` was still counted, of a mapping of `size`: what is given up twice was counted once.
int64_t released_of(const MappedFile* mapped, int64_t bytes, int64_t size) {
  const std::lock_guard lock(released_mutex);
  int64_t& already = released_bytes[mapped];
  const int64_t now = std::min(bytes, size - already);
  already += now;
  return now;
}

void forget_released(const MappedFile* mapped) {
  const std::lock_guard lock(released_mutex);
  released_bytes.erase(mapped);
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& file) {
  const Opened opened = open_regular(file);
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  mapped->path_ = file;
  if (opened.size > 0) {
    void* at = ::mmap(nullptr, opened.size, PROT_READ, MAP_SHARED, opened.descriptor.fd, 0);
    if (at == MAP_FAILED) fail_errno(file, "cannot map");
    mapped->bytes_ = {static_cast<const std::byte*>(at), opened.size};
    count_mapped(static_cast<int64_t>(opened.size));
  }
  return mapped;
}

void MappedFile::release(std::span<const std::byte> bytes) const {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto start = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t first = (start + page - 1) / page * page, last = (start + bytes.size()) / page * page;
  if (bytes.data() < bytes_.data() || bytes.data() + bytes.size() > bytes_.data() + bytes_.size()) return;
  if (first >= last) return;
  ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  count_mapped(-released_of(this, static_cast<int64_t>(last - first), static_cast<int64_t>(bytes_.size())));
}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  const auto size = static_cast<int64_t>(bytes_.size());
  count_mapped(-released_of(this, size, size));
  forget_released(this);
}

}  // namespace glassbox
