// What a sequence remembers: the keys and values of its past, layer by layer, in blocks of 64 positions.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "tensor/tensor.h"

namespace glassbox {

class MemoryBudget;

// What every cache of a model has in common.
struct CacheShape {
  int64_t layers = 0, kv_heads = 0, head_dim = 0;
  DType dtype = DType::f32;  // f32 or bf16
  // 0: a value of head_dim numbers beside each key. Else a value is the first `latent` numbers of its key, held once.
  int64_t latent = 0;

  size_t block_bytes() const;     // of one block: all layers
  size_t position_bytes() const;  // of one position
};

// One sequence's. Full blocks are shared by copies of a cache, so a common beginning costs nothing; writing into a
// block that another cache shares copies it first. Blocks go back to the system with the last cache that has them. One
// thread at a time.
class KvCache {
 public:
  // Blocks are taken of `budget`, if there is one; a block that several caches share counts once.
  explicit KvCache(const CacheShape& shape, std::shared_ptr<MemoryBudget> budget = nullptr)
      : shape_(shape), budget_(std::move(budget)) {}

  const CacheShape& shape() const { return shape_; }
  int64_t length() const { return length_; }  // positions remembered
  int64_t blocks() const { return static_cast<int64_t>(blocks_.size()); }

  // Makes room for positions [length(), length), owned by this cache alone: growing up to there takes no memory any
  // more. False if the budget has no more; what was got until then is kept. Throws std::bad_alloc where the system has
  // none.
  bool reserve(int64_t length);

  // Makes room likewise, and takes the positions as remembered: throws Error(full) if the budget has no more, and then
  // changes nothing. Shorter forgets, and cannot fail.
  void resize(int64_t length);

  // The block's keys, [head_dim][64], and values, [64][head_dim] (null where keys hold them), of one layer and head.
  void* keys(int64_t block, int64_t layer, int64_t head) const;
  void* values(int64_t block, int64_t layer, int64_t head) const;

  // Writes positions [position, position + rows) from k and v: row r, `head_dim` floats at k + r * stride. Rounds to
  // dtype. v is null where keys hold the values.
  void write(int64_t layer, int64_t head, int64_t position, int64_t rows, const float* k, const float* v,
             int64_t stride);

 private:
  std::shared_ptr<std::byte[]> new_block() const;

  CacheShape shape_;
  std::shared_ptr<MemoryBudget> budget_;
  int64_t length_ = 0;
  std::vector<std::shared_ptr<std::byte[]>> blocks_;
};

}  // namespace glassbox
