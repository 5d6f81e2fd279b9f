// The loops that write a model's numbers, in pieces that fit memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/output.h"
#include "convert/convert.h"
#include "convert/gguf_source.h"
#include "convert/stored_weights.h"

namespace glassbox {

// float32 as f32, f16 or bf16. Throws Error(unsupported) naming the tensor for a finite number that f16 has no room
// for.
void narrow(std::string_view tensor, DType dtype, std::span<const float> values, std::byte* bytes);

// A weight in another dtype. `transposed`: [E, n, k] becomes [E, k, n].
using ReadRows = std::function<void(int64_t first, int64_t count, float* values)>;
void append_rows(const StoredWeight& weight, const ReadRows& read, bool transposed, DType dtype,
                 const AppendBytes& append);

// Rows of one tensor that are to be encoded: of one matrix, where the tensor is a stack of them.
struct Piece {
  size_t tensor;
  int64_t matrix, rows;
  std::span<const float> values;
  std::span<std::byte> bytes;  // to fill
};

// Writes `source` to a GGUF file with the dtypes of `plans`: what is stored so as it is, all else by `encode`, row
// after row. `written` hears of every tensor. Throws as write_gguf(), and what `encode` throws.
void write_gguf_model(const GgufSource& source, const std::filesystem::path& target,
                      std::span<const GgufEntry> metadata, const std::vector<TensorPlan>& plans,
                      const std::function<void(const Piece&)>& encode,
                      const std::function<void(size_t tensor, const Progress&)>& written, Existing existing);

// How far writing `plans` has come.
class ProgressOf {
 public:
  explicit ProgressOf(std::span<const TensorPlan> plans);
  const Progress& after(const TensorPlan& plan);
  uint64_t total() const { return progress_.total; }

 private:
  Progress progress_;
};

}  // namespace glassbox
