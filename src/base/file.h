// Files: read whole, mapped in place, written so that a crash leaves the old file or the new one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
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
  void commit();                                  // syncs and renames; throws Error(io)

 private:
  std::filesystem::path file_, beside_;
  int fd_ = -1;
};

// A file's bytes, read only, in the page cache until something reads them. Safe to share between threads.
class MappedFile {
 public:
  // Throws Error(not_found | io).
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }
  // Gives the pages wholly within `bytes` back to the system, which reads them again should anyone look.
  void release(std::span<const std::byte> bytes) const;

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace glassbox
