#include "base/open_file.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace glassbox {
namespace {

const char* kind_of(mode_t mode) {
  return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

}  // namespace

void fail_errno(const std::filesystem::path& file, const char* doing) {
  const int error = errno;
  fail(error == ENOENT || error == ENOTDIR ? ErrorKind::not_found : ErrorKind::io, "{}: {}: {}", file.string(), doing,
       std::strerror(error));
}

RegularFile open_regular(const std::filesystem::path& file) {
  // Opening a pipe would wait for whoever writes into it; a regular file knows no waiting.
  RegularFile opened{Descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)), {}};
  if (opened.descriptor.fd < 0) fail_errno(file, "cannot open");
  if (::fstat(opened.descriptor.fd, &opened.info) != 0) fail_errno(file, "cannot stat");
  if (!S_ISREG(opened.info.st_mode))
    fail(ErrorKind::bad_file, "{}: expected a regular file, got {}", file.string(), kind_of(opened.info.st_mode));
  return opened;
}

}  // namespace glassbox
