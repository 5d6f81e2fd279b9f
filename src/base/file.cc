#include "base/file.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/open_file.h"
#include "base/output.h"

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

}  // namespace glassbox
