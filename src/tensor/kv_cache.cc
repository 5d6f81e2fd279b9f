#include "tensor/kv_cache.h"

#include <cstring>

#include "base/error.h"
#include "base/memory.h"
#include "kernels/kernels.h"

namespace glassbox {
namespace {

template <class T>
T rounded(float value) {
  if constexpr (sizeof(T) == 2)
    return f32_to_bf16(value);
  else
    return value;
}

template <class T>
void write_row(T* keys, T* values, int64_t slot, int64_t head_dim, const float* k, const float* v) {
  for (int64_t e = 0; e < head_dim; ++e) keys[e * kAttentionBlock + slot] = rounded<T>(k[e]);
  if (!values) return;
  for (int64_t e = 0; e < head_dim; ++e) values[slot * head_dim + e] = rounded<T>(v[e]);
}

}  // namespace

size_t CacheShape::position_bytes() const {
  return static_cast<size_t>(layers * kv_heads * (latent > 0 ? 1 : 2) * head_dim) * info(dtype).bytes;
}

size_t CacheShape::block_bytes() const { return position_bytes() * kAttentionBlock; }

// Zeros: what is beyond the last position is read, and must not be NaN.
std::shared_ptr<std::byte[]> KvCache::new_block() const { return allocate_zeroed(shape_.block_bytes(), budget_); }

bool KvCache::reserve(int64_t length) {
  const int64_t wanted = (length + kAttentionBlock - 1) / kAttentionBlock;
  if (length > length_ && length_ % kAttentionBlock != 0) {
    auto& last = blocks_[static_cast<size_t>(length_ / kAttentionBlock)];
    if (last.use_count() > 1) {
      auto copy = new_block();
      if (!copy) return false;
      std::memcpy(copy.get(), last.get(), shape_.block_bytes());
      last = std::move(copy);
    }
  }
  while (blocks() < wanted) {
    auto block = new_block();
    if (!block) return false;
    blocks_.push_back(std::move(block));
  }
  return true;
}

void KvCache::resize(int64_t length) {
  if (length > length_ && !reserve(length))
    fail(ErrorKind::full, "memory: no room for {} positions of keys and values, of {} bytes each", length,
         shape_.position_bytes());
  blocks_.resize(static_cast<size_t>((length + kAttentionBlock - 1) / kAttentionBlock));
  length_ = length;
}

void* KvCache::keys(int64_t block, int64_t layer, int64_t head) const {
  const size_t plane = static_cast<size_t>(kAttentionBlock * shape_.head_dim) * info(shape_.dtype).bytes;
  return blocks_[static_cast<size_t>(block)].get() +
         static_cast<size_t>((layer * shape_.kv_heads + head) * (shape_.latent > 0 ? 1 : 2)) * plane;
}

void* KvCache::values(int64_t block, int64_t layer, int64_t head) const {
  if (shape_.latent > 0) return nullptr;
  const size_t plane = static_cast<size_t>(kAttentionBlock * shape_.head_dim) * info(shape_.dtype).bytes;
  return static_cast<std::byte*>(keys(block, layer, head)) + plane;
}

void KvCache::write(int64_t layer, int64_t head, int64_t position, int64_t rows, const float* k, const float* v,
                    int64_t stride) {
  check(position >= 0 && position + rows <= length_, "KvCache: write outside what was made room for");
  check((v == nullptr) == (shape_.latent > 0), "KvCache: values come with keys or within them");
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t block = (position + r) / kAttentionBlock, slot = (position + r) % kAttentionBlock;
    void* keys_at = keys(block, layer, head);
    void* values_at = values(block, layer, head);
    const float* v_row = v ? v + r * stride : nullptr;
    if (shape_.dtype == DType::bf16)
      write_row(static_cast<uint16_t*>(keys_at), static_cast<uint16_t*>(values_at), slot, shape_.head_dim,
                k + r * stride, v_row);
    else
      write_row(static_cast<float*>(keys_at), static_cast<float*>(values_at), slot, shape_.head_dim, k + r * stride,
                v_row);
  }
}

}  // namespace glassbox
