// Files mapped into memory, and what happens when one changes on disk meanwhile.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glassbox {

// A file's bytes, read only, in the page cache until something reads them. Safe to share between threads.
//
// Whoever may write the file can cut it while it is mapped, and the kernel then answers a read with SIGBUS, which would
// end the program. Here such a read finds zeros, and the file is marked: whoever used the bytes asks check_whole()
// before it lets a result out. (The signal's handler stays installed from the first open() on. A SIGBUS that is no
// mapped file's goes to the handler that was there before, or ends the program.)
class MappedFile {
 public:
  // Throws Error(not_found | io), and Error(bad_file) for what is no regular file.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }
  // Gives the pages wholly within `bytes` back to the system, which reads them again should anyone look.
  void release(std::span<const std::byte> bytes) const;

  // "became shorter while it was used" if it did, or that its disk failed: from then on always. Else empty.
  std::string damage() const;
  // Throws Error(io) naming the file if there is damage().
  void check_whole() const;
  // The same for every file that is mapped now.
  static void check_all();

  // What became of it on disk since open(): "was replaced", "was written to", "is gone"; empty where nothing did. A
  // file that was replaced or is gone stays readable here as it was.
  std::string change() const;

 private:
  struct Mapping;  // what the signal's handler sees of it
  MappedFile() = default;
  void count_less(size_t bytes) const;

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
  uint64_t device_ = 0, inode_ = 0;
  std::timespec written_{};
  mutable std::atomic<int64_t> counted_{0};  // bytes that base/memory.h counts, not given up yet
  Mapping* mapping_ = nullptr;               // null: an empty file
};

// The files that a model or an adapter was read from.
class MappedFiles {
 public:
  MappedFiles() = default;
  explicit MappedFiles(std::vector<std::shared_ptr<const MappedFile>> files) : files_(std::move(files)) {}

  // Throws Error(io) "OWNER: NAME became shorter while it was used" for the first that did: without its folder, for
  // those who ask a server may read it.
  void check_whole(std::string_view owner) const;
  std::string change() const;  // "FILE was replaced", of the first that changed; else empty

 private:
  std::vector<std::shared_ptr<const MappedFile>> files_;
};

// Collects every file that this thread maps while it lives. Of several on one thread the innermost collects.
class FilesBeingMapped {
 public:
  FilesBeingMapped();
  ~FilesBeingMapped();
  FilesBeingMapped(const FilesBeingMapped&) = delete;
  FilesBeingMapped& operator=(const FilesBeingMapped&) = delete;

  MappedFiles files() const { return MappedFiles(files_); }

 private:
  friend class MappedFile;
  FilesBeingMapped* const outer_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
};

// Reads a byte of every page of `bytes`.
void touch(std::span<const std::byte> bytes);

}  // namespace glassbox
