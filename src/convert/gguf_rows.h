// The numbers behind the tensors that a GGUF file of a model has, row by row.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "convert/stored_weights.h"
#include "formats/gguf.h"
#include "formats/family_format.h"

namespace glassbox {

// Where the rows of one GGUF tensor lie.
struct GgufTensorRows {
  std::vector<StoredWeight> parts;  // one, or one an expert
  GgufChange change = GgufChange::none;
  int64_t heads = 0;             // of rotary_q and rotary_k
  int64_t keys = 0, values = 0;  // of a head of latent attention
};

bool is_stack(GgufChange change);  // a stack of experts' matrices
bool is_half(GgufChange change);   // of whose outputs this tensor has half: the gate's, or up's
bool is_bias(GgufChange change);   // a stack of biases, half of each

// Rows are those of all dimensions but the last. Immutable; threads may read at once.
class GgufRows {
 public:
  // Of `tensors`, each where `rows` says; of a file, or of a checkpoint's weights.
  GgufRows(std::vector<TensorPlan> tensors, std::vector<GgufTensorRows> rows, Gguf file);
  GgufRows(std::vector<TensorPlan> tensors, std::vector<GgufTensorRows> rows, StoredWeights stored);

  // Where the source stores what GGUF holds, copy() appends the bytes of `count` rows from `first`; read() gives them
  // as float32 wherever they come from.
  bool as_stored(size_t tensor) const;
  void copy(size_t tensor, int64_t first, int64_t count, const AppendBytes& append) const;
  void read(size_t tensor, int64_t first, int64_t count, float* values) const;

  void release(size_t tensor) const;  // the memory behind it: it will not be read again

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace glassbox
