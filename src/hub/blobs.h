// Where large bytes that never change lie: a folder here, object storage elsewhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::hub {

// One of them, open to be read: what is removed meanwhile can still be read. Any thread.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual uint64_t size() const = 0;
  // Fills `out` from `offset` on. Throws Error(io), and Error(bad_file) where so many bytes are not there.
  virtual void read(uint64_t offset, std::span<char> out) const = 0;
};

// One of them in the making, gone if it is not committed. For one thread.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual void append(std::string_view bytes) = 0;  // throws Error(io | full)
  // Durable under this name when it returns; one of the same name stays as it was. Throws Error(io | full).
  virtual void commit(const std::string& name) = 0;
};

// Names are lower-case hexadecimal digits, at least four. Any thread.
class Blobs {
 public:
  virtual ~Blobs() = default;
  virtual std::unique_ptr<BlobWriter> create() = 0;
  virtual std::unique_ptr<BlobReader> open(const std::string& name) const = 0;  // throws Error(not_found | io)
  virtual void remove(const std::string& name) = 0;                             // of what is not there: nothing
  virtual std::vector<std::string> names() const = 0;
};

// Files FOLDER/ab/abcd..., FOLDER/unfinished/... while they are written. Who writes owns the folder: what an earlier
// one left unfinished is removed.
enum class FolderUse { writes, reads };
std::unique_ptr<Blobs> folder_blobs(std::filesystem::path folder, FolderUse use = FolderUse::writes);

}  // namespace glassbox::hub
