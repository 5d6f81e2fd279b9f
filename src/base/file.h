// Files: read whole, written so that a crash leaves the old file or the new one. base/mapped_file.h maps them in place.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace glassbox {

// The whole file. Throws Error(not_found | io), and Error(bad_file) if it is larger than `limit` bytes.
std::string read_file(const std::filesystem::path& file, size_t limit = size_t{1} << 30);

// Writes beside `file`, syncs, renames over it. Throws Error(io).
void write_file(const std::filesystem::path& file, std::string_view bytes);

// The same for pieces that follow one another, none of which need be copied together first.
void write_file(const std::filesystem::path& file, std::span<const std::span<const std::byte>> pieces);

// Writes a file piece by piece, beside `file` until commit() renames it over: a crash, or an exception on the way,
// leaves the old file. For one thread.
class FileWriter {
 public:
  explicit FileWriter(std::filesystem::path file);  // throws Error(io)
  ~FileWriter();                                    // removes what was not committed
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void append(std::span<const std::byte> bytes);  // throws Error(io)
  // Syncs and renames; throws Error(io), also for a mapped file that became shorter: what was written may come from it.
  void commit();

 private:
  std::filesystem::path file_, beside_;
  int fd_ = -1;
};

}  // namespace glassbox
