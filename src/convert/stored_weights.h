// The weights of a published checkpoint as rows of numbers, whatever they are packed as.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/quantization.h"
#include "formats/safetensors.h"
#include "nn/weights.h"

namespace glassbox {

// A weight by the name that models ask for. A matrix has a row for each output where it is packed, and as the
// checkpoint has it where it is not.
struct StoredWeight {
  std::string name;
  DType dtype = DType::f32;    // f8_*, f4_e2m1 and i4 stand for all that belongs to them
  std::vector<int64_t> shape;  // of a matrix, whatever it is packed as
  RawTensor raw;               // as stored, where that is all there is
  bool plain() const { return raw.bytes.data() != nullptr; }
  int64_t width() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const { return shape.empty() ? 1 : elements(std::span(shape).first(shape.size() - 1)); }
};

// `count` rows from `first` of a plain one as float32.
void read_plain(const StoredWeight& weight, int64_t first, int64_t count, float* values);

// Threads may read at once.
class StoredWeights {
 public:
  StoredWeights(Checkpoint checkpoint, Quantization quantization);

  // Of a tensor of the checkpoint; nothing for a part of a weight that is stored in several, but for the first. Throws
  // Error(bad_file | unsupported) for what is no weight: numbers of whole kinds, a packed matrix without its scales.
  std::optional<StoredWeight> of(std::string_view tensor) const;

  // `count` rows from `first` as float32; of a stack, of all its matrices.
  void read(const StoredWeight& weight, int64_t first, int64_t count, float* values) const;
  // The memory behind it: it will not be read again.
  void release(const StoredWeight& weight) const;

  const Checkpoint& checkpoint() const;
  CheckpointWeights& weights() const;  // as models ask for them; for one thread

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace glassbox
