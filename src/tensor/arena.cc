#include "tensor/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

namespace glassbox {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kChunk = size_t{32} << 20;
constexpr size_t kPage = size_t{2} << 20;  // a huge one: a thousand values touched cost one page fault, not many

struct FreeChunk {
  void operator()(std::byte* chunk) const { ::operator delete[](chunk, std::align_val_t{kPage}); }
};

// The next of eight sizes between two powers of two: passes of nearly the same number of tokens (batches of documents)
// use each other's buffers, at the price of at most an eighth.
size_t size_class(size_t bytes) {
  if (bytes <= 8 * kAlignment) return std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  const size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

}  // namespace

struct Arena::Store : std::enable_shared_from_this<Arena::Store> {
  std::vector<std::unique_ptr<std::byte[], FreeChunk>> chunks;
  std::byte* next = nullptr;
  size_t left = 0;
  std::unordered_map<size_t, std::vector<void*>> free;  // by size
  size_t held = 0;                                      // bytes of chunks
  int64_t in_use = 0;                                   // buffers

  void* take(size_t bytes) {
    if (auto found = free.find(bytes); found != free.end() && !found->second.empty()) {
      void* buffer = found->second.back();
      found->second.pop_back();
      return buffer;
    }
    if (left < bytes) {
      const size_t size = (std::max(bytes, kChunk) + kPage - 1) / kPage * kPage;
      chunks.emplace_back(static_cast<std::byte*>(::operator new[](size, std::align_val_t{kPage})));
#ifdef MADV_HUGEPAGE
      ::madvise(chunks.back().get(), size, MADV_HUGEPAGE);  // a wish: nothing depends on it
#endif
      next = chunks.back().get();
      left = size;
      held += size;
    }
    std::byte* buffer = next;
    next += bytes;
    left -= bytes;
    return buffer;
  }
};

Arena::Arena() : store_(std::make_shared<Store>()) {}

std::shared_ptr<void> Arena::allocate(size_t bytes) {
  const size_t size = size_class(bytes);
  void* buffer = store_->take(size);
  ++store_->in_use;
  return {buffer, [store = store_, size](void* freed) {
            store->free[size].push_back(freed);
            --store->in_use;
          }};
}

size_t Arena::bytes() const { return store_->held; }

void Arena::trim() {
  if (store_->in_use > 0) return;
  store_->free.clear();
  store_->chunks.clear();
  store_->next = nullptr;
  store_->left = store_->held = 0;
}

}  // namespace glassbox
