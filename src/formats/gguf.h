// GGUF: a model in one file, its description and tokenizer as typed metadata, its tensors often in block formats.
// Read in place and written durably. The format: https://github.com/ggml-org/ggml, docs/gguf.md. Version 3 is read and
// written; version 2, whose bytes mean the same, is read.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/gguf_value.h"
#include "formats/safetensors.h"

namespace glassbox {

struct GgufEntry {
  std::string key;
  GgufValue value;
};

// Whether a file is GGUF: its first bytes say so, whatever its name. One that only has the name counts too, so that
// what is wrong with it is said. Never a folder, and nothing that is not an ordinary file is opened.
bool is_gguf_file(const std::filesystem::path& file);
bool has_gguf_ending(const std::filesystem::path& file);  // .gguf, in letters of any size

// The file's name without its ending, and without what numbers it among the parts of a model.
std::string gguf_stem(const std::filesystem::path& file);

// The files of the model that `file` is, or is a part of, by their names; they need not be there.
std::vector<std::filesystem::path> gguf_files(const std::filesystem::path& file);

// One model: a file, or files in parts. Opening checks metadata and tensor table against the file's real size; strings,
// arrays and tensors stay in the page cache until something reads them. A cheap handle to shared, immutable state: safe
// to copy and to share between threads. Names are GGUF's own ("blk.0.attn_q.weight"); shapes are row-major: the
// format's, reversed.
class Gguf {
 public:
  // Any part of a model stands for all, which are found beside it by their names. Throws Error(not_found | io),
  // Error(bad_file) naming the file, what is wrong and at which byte, and Error(unsupported) for version 1, big-endian
  // files and tensor types this build does not know.
  static Gguf open(const std::filesystem::path& file);

  // The same for bytes in memory, which must begin at a multiple of 8; `source` names them in errors.
  static Gguf from_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string source);

  // A model in parts (the keys split.no, split.count, split.tensors.count), given in their order: the metadata of the
  // first, but for those keys, and the tensors of all. Throws Error(bad_file) naming the part that does not fit.
  static Gguf joined(std::vector<Gguf> parts);

  // What a file that is yet to be written would say: everything but the tensors' bytes, which are empty.
  static Gguf planned(std::span<const GgufEntry> metadata, std::span<const TensorPlan> tensors, std::string source);

  // Null if there is no such key; valid while a copy of *this lives.
  const GgufValue* find(std::string_view key) const;
  const std::vector<GgufEntry>& metadata() const;  // in the file's order

  // Typed readers for what a caller knows the meaning of. A missing key is nothing; a value of another kind is
  // Error(bad_file) naming the key.
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  std::optional<std::vector<std::string_view>> strings(std::string_view key) const;
  std::optional<std::vector<int64_t>> integers(std::string_view key) const;
  std::optional<std::vector<double>> numbers(std::string_view key) const;

  std::optional<RawTensor> tensor(std::string_view name) const;  // nothing if no tensor has this name
  const std::vector<TensorInfo>& tensors() const;                // in the order of the table
  uint64_t total_bytes() const;                                  // of all tensors, without padding
  // Gives back the memory behind bytes that were read and will hardly be again; reading them once more is only slower.
  void release(std::span<const std::byte> bytes) const;
  uint32_t version() const;
  const std::string& source() const;  // of several parts, the first
  size_t files() const;

 private:
  struct State;
  static Gguf open_file(const std::filesystem::path& file);
  static Gguf read(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string source,
                   std::shared_ptr<const MappedFile> mapped);
  std::shared_ptr<const State> state_;
};

// The number GGUF gives a type of tensor, and the other way; nothing where it has none (F8_E4M3, U8 ...) or we do not
// know it.
std::optional<uint32_t> gguf_type_of(DType dtype);
std::optional<DType> dtype_of_gguf(uint32_t type);

// Writes a file of version 3 tensor by tensor, so that a crash leaves the old file or the new one: metadata and table
// first, then `write(i, append)` is called once for each tensor in order and hands over its bytes in pieces of any
// size. Shapes are row-major, of 1 to 4 dimensions. The bytes depend on nothing but what is given. Throws Error(io),
// and Error(bad_request) on a key or name given twice, a type GGUF has no number for, or a tensor whose pieces do not
// add up to its size; what `write` throws passes through. In each case the old file stays.
void write_gguf(const std::filesystem::path& file, std::span<const GgufEntry> metadata,
                std::span<const TensorPlan> tensors,
                const std::function<void(size_t index, const AppendBytes& append)>& write,
                Existing existing = Existing::replaced);

}  // namespace glassbox
