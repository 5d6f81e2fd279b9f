// Files as answers: RFC 9110, conditions (13) and ranges (14).
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <limits>

#include "base/open_file.h"
#include "server/http/http.h"
#include "server/http/request_reader.h"

namespace glassbox::http {
namespace {

// Of a file's bytes, from the first to the one behind the last.
struct Range {
  uint64_t begin = 0, end = 0;
};

// Digits and nothing else; what 64 bits do not hold is the most that they do.
std::optional<uint64_t> number(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  return ec == std::errc::result_out_of_range ? std::numeric_limits<uint64_t>::max() : value;
}

// The range of a Range header: empty if there is nothing of it. None where the header asks for the whole: it is not
// well formed, or names several.
std::optional<Range> range_of(std::string_view header, uint64_t size) {
  const size_t sign = header.find('='), dash = header.find('-');
  if (sign == std::string_view::npos || dash == std::string_view::npos || dash < sign) return std::nullopt;
  if (!equal_ignoring_case(header.substr(0, sign), "bytes")) return std::nullopt;
  const std::string_view first = header.substr(sign + 1, dash - sign - 1), last = header.substr(dash + 1);
  if (first.empty()) {  // the last so many
    const auto count = number(last);
    if (!count) return std::nullopt;
    return Range{size - std::min(*count, size), size};
  }
  const auto begin = number(first);
  const auto end = last.empty() ? std::optional(std::numeric_limits<uint64_t>::max()) : number(last);
  if (!begin || !end || *end < *begin) return std::nullopt;
  if (*begin >= size) return Range{};
  return Range{*begin, std::min(*end, size - 1) + 1};
}

// Whether a list of entity tags has this one. Weak ones count.
bool lists(std::string_view header, std::string_view etag) {
  if (header == "*") return true;
  while (!header.empty()) {
    std::string_view one = header.substr(0, header.find(','));
    header.remove_prefix(std::min(header.size(), one.size() + 1));
    while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
    while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == etag) return true;
  }
  return false;
}

bool same_time(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

// Gives a file's bytes in order. Throws Error(io) once the file is not what it was when it was opened.
class FileSource {
 public:
  FileSource(RegularFile file, std::string name, Range range)
      : file_(std::make_shared<RegularFile>(std::move(file))), name_(std::move(name)), rest_(range) {}

  std::string operator()(size_t most) {
    std::string piece(static_cast<size_t>(std::min<uint64_t>(most, rest_.end - rest_.begin)), '\0');
    size_t read = 0;
    while (read < piece.size()) {
      const ssize_t n = ::pread(file_->descriptor.fd, piece.data() + read, piece.size() - read,
                                static_cast<off_t>(rest_.begin + read));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail_errno(name_, "reading");
      if (n == 0) fail_at(ErrorKind::io, name_, "became shorter while it was sent");
      read += static_cast<size_t>(n);
    }
    struct stat now;
    if (::fstat(file_->descriptor.fd, &now) != 0) fail_errno(name_, "reading");
    if (now.st_size != file_->info.st_size || !same_time(now.st_mtim, file_->info.st_mtim))
      fail_at(ErrorKind::io, name_, "was changed while it was sent");
    rest_.begin += read;
    return piece;
  }

 private:
  std::shared_ptr<RegularFile> file_;  // shared: a std::function may be copied
  std::string name_;
  Range rest_;
};

}  // namespace

Response Response::ranged(
    const Request& request, uint64_t size, std::string content_type, const std::string& etag,
    const std::function<std::function<std::string(size_t most)>(uint64_t begin, uint64_t end)>& open) {
  Response response;
  response.with("ETag", etag).with("Accept-Ranges", "bytes");
  if (const auto known = request.header("If-None-Match"); known && lists(*known, etag)) {
    response.status = 304;
    return response;
  }
  response.with("Content-Type", std::move(content_type));
  Range range{0, size};
  const auto asked = request.header("Range");
  const auto only_if = request.header("If-Range");
  if (asked && request.method == "GET" && (!only_if || *only_if == etag)) {
    if (const auto part = range_of(*asked, size)) {
      if (part->begin < part->end) {
        response.status = 206;
        range = *part;
        response.with("Content-Range", fmt::format("bytes {}-{}/{}", range.begin, range.end - 1, size));
      } else {
        response.status = 416;
        response.with("Content-Range", fmt::format("bytes */{}", size));
        return response;
      }
    }
  }
  response.size = range.end - range.begin;
  response.source = open(range.begin, range.end);
  return response;
}

Response Response::file(const std::filesystem::path& path, const Request& request, std::string content_type,
                        std::string etag) {
  RegularFile file = open_regular(path);
  const auto size = static_cast<uint64_t>(file.info.st_size);
  if (etag.empty())
    etag = fmt::format("\"{:x}-{:x}-{:x}.{:x}\"", file.info.st_ino, size, file.info.st_mtim.tv_sec,
                       file.info.st_mtim.tv_nsec);
  return ranged(request, size, std::move(content_type), etag, [&](uint64_t begin, uint64_t end) {
    return FileSource(std::move(file), path.string(), Range{begin, end});
  });
}

}  // namespace glassbox::http
