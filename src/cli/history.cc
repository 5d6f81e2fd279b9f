#include "cli/history.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <system_error>

#include "base/file.h"

namespace glassbox {
namespace {

constexpr size_t kMost = 1000;
constexpr std::string_view kHeader = "_HiStOrY_V2_";  // as line editors write it, so that older files stay readable

std::string encoded(std::string_view entry) {
  std::string line;
  for (const char c : entry) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7F || c == '\\')
      line += fmt::format("\\{:03o}", byte);
    else
      line += c;
  }
  return line + "\n";
}

std::string decoded(std::string_view line) {
  std::string entry;
  const auto digit = [&](size_t at) { return at < line.size() && line[at] >= '0' && line[at] <= '7'; };
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      entry += static_cast<char>((line[i + 1] - '0') * 64 + (line[i + 2] - '0') * 8 + (line[i + 3] - '0'));
      i += 3;
    } else if (line.substr(i).starts_with("\\\\")) {
      entry += line[i++];
    } else {
      entry += line[i];
    }
  }
  return entry;
}

}  // namespace

History::History(std::filesystem::path file) : file_(std::move(file)) {
  std::error_code ignored;
  std::filesystem::create_directories(file_.parent_path(), ignored);
  std::ifstream lines(file_, std::ios::binary);
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && line != kHeader) entries_.push_back(decoded(line));
  if (entries_.size() <= kMost) return;
  entries_.erase(entries_.begin(), entries_.end() - kMost);
  std::string kept(kHeader);
  kept += '\n';
  for (const std::string& entry : entries_) kept += encoded(entry);
  try {
    write_file(file_, kept);
    std::filesystem::permissions(file_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write,
                                 ignored);
  } catch (const std::exception&) {}  // it stays long
}

void History::add(std::string_view entry) {
  if (entry.empty() || (!entries_.empty() && entries_.back() == entry)) return;
  entries_.emplace_back(entry);
  const int fd = ::open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  std::string line = encoded(entry);
  if (::lseek(fd, 0, SEEK_END) == 0) line = std::string(kHeader) + "\n" + line;
  [[maybe_unused]] const ssize_t written = ::write(fd, line.data(), line.size());
  ::close(fd);
}

}  // namespace glassbox
