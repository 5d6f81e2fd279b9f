// Safetensors: names, shapes and bytes of tensors, read in place and written durably.
// The format: an 8-byte little-endian length, a JSON header of that length, then the tensors' bytes, each
// where its header entry says (https://github.com/huggingface/safetensors, "Format").
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/mapped_file.h"
#include "base/output.h"

namespace glassbox {

// A tensor's bytes where they lie, little-endian, row-major, aligned to the size of an element.
struct RawTensor {
  std::string_view name;
  DType dtype;
  std::vector<int64_t> shape;         // [] is a scalar
  std::span<const std::byte> bytes;   // product of shape x size of dtype
  std::shared_ptr<const void> owner;  // keeps name and bytes valid; null where the caller promises to
  int64_t elements() const { return glassbox::elements(shape); }
};

// What a header says about one tensor.
struct TensorInfo {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  uint64_t offset;  // of its first byte in the file
  uint64_t bytes;
  int64_t elements() const { return glassbox::elements(shape); }
};

class FileSet;
struct ModelFile;

using Metadata = std::map<std::string, std::string>;

// One file. Opening checks the whole header against the file's real size; tensor bytes stay in the page cache
// until something reads them. A cheap handle to shared, immutable state: safe to copy and to share between
// threads.
class SafeTensors {
 public:
  // Throws Error(not_found | io), and Error(bad_file) naming the file, tensor and byte at fault.
  static SafeTensors open(const std::filesystem::path& file);
  static SafeTensors open(const ModelFile& file);

  // The same for bytes already in memory (an embedded model); `source` names them in errors.
  static SafeTensors from_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                std::string source);

  // Nothing if no tensor has this name: checkpoints differ, and callers choose. A tensor that the file
  // misaligns is copied to an aligned place (writers align, the format does not demand it).
  std::optional<RawTensor> find(std::string_view name) const;

  const std::vector<TensorInfo>& tensors() const;  // in the order of their bytes
  std::vector<std::string_view> names() const;     // the same order; valid while a copy of *this lives
  const Metadata& metadata() const;                // __metadata__, or empty
  const std::string& source() const;               // the file's path
  uint64_t total_bytes() const;                    // of all tensors
  // Gives back the memory behind bytes that will hardly be read again; reading them once more is only slower.
  void release(std::span<const std::byte> bytes) const;

 private:
  struct State;
  static SafeTensors read(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string source,
                          std::shared_ptr<const MappedFile> mapped);
  std::shared_ptr<const State> state_;
};

// All shards of a model as one: a folder with model.safetensors, or with model.safetensors.index.json and the
// shards it names (plain file names within that folder). Every shard must exist and hold exactly the tensors
// the index says. Immutable and shared, as SafeTensors.
class Checkpoint {
 public:
  // `path`: such a folder, or one .safetensors file. Throws as SafeTensors::open.
  static Checkpoint open(const std::filesystem::path& path);
  static Checkpoint open(const FileSet& files);
  static Checkpoint of(SafeTensors file);

  std::optional<RawTensor> find(std::string_view name) const;

  std::vector<std::string_view> names() const;            // sorted; valid while a copy of *this lives
  const std::vector<const TensorInfo*>& tensors() const;  // in the order of names()
  const std::vector<SafeTensors>& files() const;          // the shards, sorted by file name
  const std::string& source() const;                      // the folder or file
  uint64_t total_bytes() const;
  void release(std::span<const std::byte> bytes) const;  // as SafeTensors::release

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// Writes tensors and metadata so that a crash leaves the old file or the new one. The bytes of the file
// depend on nothing but its contents: widest dtype first, then by name, as the reference writer sorts; the
// header is padded with spaces to a multiple of 8. Throws Error(io), and Error(bad_request) on a name given
// twice, a reserved name, bytes that do not fit the shape, or a block type, which the format has no name for.
void write_safetensors(const std::filesystem::path& file, std::span<const RawTensor> tensors,
                       const Metadata& metadata = {}, Existing existing = Existing::replaced);

// The same tensor by tensor, for what does not fit memory at once: `write(i, append)` is called once for each tensor,
// in the order of the file, and hands over its bytes in pieces of any size. What it throws passes through; the old file
// stays then.
struct TensorPlan {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  // As a matrix: of a scalar one value, else a row for all dimensions but the last.
  int64_t width() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const { return glassbox::elements(std::span(shape).first(shape.empty() ? 0 : shape.size() - 1)); }
};
using AppendBytes = std::function<void(std::span<const std::byte>)>;
void write_safetensors(const std::filesystem::path& file, std::span<const TensorPlan> tensors, const Metadata& metadata,
                       const std::function<void(size_t index, const AppendBytes& append)>& write,
                       Existing existing = Existing::replaced);

}  // namespace glassbox
