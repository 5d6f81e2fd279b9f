// Opening files to read: what base/file.cc and base/mapped_file.cc share.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

namespace glassbox {

struct Descriptor {
  int fd = -1;
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

// Throws Error(not_found | io) naming the file, what was tried and why errno says it failed.
[[noreturn]] void fail_errno(const std::filesystem::path& file, const char* doing);

struct RegularFile {
  Descriptor descriptor;
  struct stat info;
};

// Never waits. Throws Error(not_found | io), and Error(bad_file) for a folder, a pipe, a socket or a device.
RegularFile open_regular(const std::filesystem::path& file);

}  // namespace glassbox
