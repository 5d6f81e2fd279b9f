#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/open_file.h"

namespace glassbox {

std::string read_file(const std::filesystem::path& file, size_t limit) {
  const RegularFile opened = open_regular(file);
  const auto size = static_cast<size_t>(opened.info.st_size);
  if (size > limit) fail(ErrorKind::bad_file, "{}: expected at most {} bytes, got {}", file.string(), limit, size);
  std::string bytes(size, '\0');
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
  if (::rename(beside_.c_str(), file_.c_str()) != 0) fail_errno(file_, "cannot rename onto");
  ::close(std::exchange(fd_, -1));
  const std::filesystem::path folder = file_.has_parent_path() ? file_.parent_path() : ".";
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.fd < 0 || ::fsync(directory.fd) != 0) fail_errno(folder, "cannot sync folder");
}

}  // namespace glassbox
