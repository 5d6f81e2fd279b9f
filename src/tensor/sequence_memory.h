// What a sequence remembers of its past, layer by layer, each layer in its own way: keys and values, all of them or
// those within sight; one latent row a position; an indexer's keys; a state of constant size.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "tensor/tensor.h"

namespace glassbox {

class MemoryBudget;

// How far a token looks back; it sees what both allow.
struct Sight {
  int64_t window = 0;  // this many positions, its own the last (0: all)
  int64_t chunk = 0;   // those of its own chunk of so many: [0, chunk), [chunk, 2 chunk) ... (0: all)

  int64_t first_seen(int64_t position) const;
  bool all() const { return window == 0 && chunk == 0; }
  bool operator==(const Sight&) const = default;
};

// For each position a key and a value of head_dim numbers, of every key/value head.
struct KeysValues {
  int64_t kv_heads = 0, head_dim = 0;
  DType dtype = DType::f32;  // f32 or bf16
  Sight sight = {};          // what is out of it is forgotten
};

// For each position one row, which is the key of every head, and whose first value_dim numbers are the value.
struct Latent {
  int64_t width = 0, value_dim = 0;
  DType dtype = DType::f32;  // f32 or bf16
};

// For each position a row by which a sparse attention chooses the positions it looks at.
struct Indexer {
  int64_t width = 0;
  DType dtype = DType::f32;  // f32 or bf16
};

// Float32 numbers that every pass replaces: the inputs that a convolution still needs, and a recurrent state.
struct State {
  int64_t channels = 0, kernel = 1;  // of the convolution: kernel - 1 rows of channels
  int64_t recurrent = 0;

  int64_t convolution() const { return channels * (kernel - 1); }
  int64_t floats() const { return convolution() + recurrent; }
};

struct LayerMemory {
  std::variant<std::monostate, KeysValues, Latent> attention = {};
  std::optional<Indexer> indexer = {};
  std::optional<State> state = {};
};

// What the layers of a model remember. Immutable, cheap to copy.
class MemoryShape {
 public:
  MemoryShape() : MemoryShape(std::vector<LayerMemory>{}) {}
  explicit MemoryShape(std::vector<LayerMemory> layers);
  MemoryShape(int64_t layers, const KeysValues& each);

  int64_t layers() const;
  const LayerMemory& layer(int64_t layer) const;
  MemoryShape with_dtype(DType dtype) const;  // of all rows; states stay float32

  // The most that a sequence takes on its way to `length` positions, in passes of at most `step`.
  int64_t bytes(int64_t length, int64_t step = 1) const;
  // The longest sequence of up to `most` positions that takes no more than `bytes`.
  int64_t longest(int64_t bytes, int64_t step, int64_t most) const;
  int64_t block_bytes() const;                 // of 64 positions in all layers, as if none forgot
  int64_t bytes_seen(int64_t position) const;  // what the token there reads, of its own too
  bool forgets() const;                        // not every length can be gone back to: see SequenceMemory::resumable

 private:
  friend class SequenceMemory;
  struct Layout;
  std::shared_ptr<const Layout> layout_;
};

// One sequence's, in blocks of 64 positions. Copies share blocks and states, so a common beginning costs nothing;
// writing into what another shares copies it first. Memory goes back to the system with the last that has it. One
// thread at a time; words of a pass write different layers' and heads' rows from several.
class SequenceMemory {
 public:
  static constexpr int64_t kAnyStep = std::numeric_limits<int64_t>::max() / 2;

  // Memory is taken of `budget`, if there is one; what several share counts once.
  explicit SequenceMemory(MemoryShape shape, std::shared_ptr<MemoryBudget> budget = nullptr);

  const MemoryShape& shape() const { return shape_; }
  int64_t length() const { return length_; }  // positions remembered
  int64_t bytes() const;                      // held, what others share included

  // Makes room for positions [length(), length), owned by this memory alone, when they come in steps of at most `step`:
  // layers that forget get room for one step. What is out of sight goes. False if the budget has no more; what was got
  // until then is kept. Throws std::bad_alloc where the system has none.
  bool reserve(int64_t length, int64_t step = kAnyStep);
  int64_t missing(int64_t length, int64_t step = kAnyStep) const;  // bytes that reserve() would take at most

  // Longer: makes room likewise for one step, and takes the positions as remembered, for words to write. Throws
  // Error(full) if the budget has no more, and then changes nothing that is remembered. Shorter forgets, and cannot
  // fail: only to a length that is resumable(). The length before the last step always is.
  void resize(int64_t length);

  // The longest length up to `length` from which every layer can go on.
  int64_t resumable(int64_t length) const;
  // Keeps what it takes to go back to the present length, at the cost of what layers that forget hold now. The eight
  // latest are kept.
  void checkpoint();
  bool forget_checkpoints();  // false if there are none

  // --- for words ---
  // Rows of one layer, for attention or for its indexer.
  class Rows {
   public:
    int64_t heads = 0, width = 0, value_dim = 0;  // value_dim: of values
    bool values_in_keys = false;                  // the first numbers of each key
    DType dtype = DType::f32;
    Sight sight;

    // Keys of a block, [width][64], and values, [64][value_dim] (null where keys hold them); positions within sight.
    void* keys(int64_t block, int64_t head) const {
      return blocks_[block].get() + offset_ + static_cast<size_t>(head) * head_bytes_;
    }
    void* values(int64_t block, int64_t head) const {
      return values_in_keys ? nullptr : static_cast<std::byte*>(keys(block, head)) + values_at_;
    }
    // Positions [position, position + rows) of a head from k and v: row r, the floats at k + r * stride. Rounds to
    // dtype. v is null where keys hold the values.
    void write(int64_t head, int64_t position, int64_t rows, const float* k, const float* v, int64_t stride) const;

   private:
    friend class SequenceMemory;
    friend class MemoryShape;
    const std::shared_ptr<std::byte[]>* blocks_ = nullptr;
    size_t group_ = 0, offset_ = 0, head_bytes_ = 0, values_at_ = 0;
  };
  Rows attention(int64_t layer) const;
  Rows indexer(int64_t layer) const;
  // A layer's state, the convolution's rows first: before the last step, null where that began the sequence (zeros),
  // and after, to be written whole.
  const float* state(int64_t layer) const;
  float* next_state(int64_t layer);

 private:
  using Memory = std::shared_ptr<std::byte[]>;
  // Blocks of the layers with one sight, by position; null where they are forgotten.
  struct Group {
    std::vector<Memory> blocks;
    int64_t first = 0;  // that is kept
  };
  struct Checkpoint {
    int64_t length;
    std::vector<Group> groups;  // empty ones where all is kept
    Memory state;
  };

  bool in_sight(int64_t length) const;
  const Checkpoint* checkpoint_at(int64_t length) const;
  void forget(std::vector<std::vector<Memory>>& spare);
  bool has_next_state() const;

  MemoryShape shape_;
  std::shared_ptr<MemoryBudget> budget_;
  int64_t length_ = 0, before_ = 0;  // before the last step
  std::vector<Group> groups_;
  Memory state_, next_state_, spare_state_;  // at before_, at length_, and for the next step
  std::vector<Checkpoint> checkpoints_;      // by length
};

}  // namespace glassbox
