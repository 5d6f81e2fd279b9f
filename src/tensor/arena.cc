#include "tensor/arena.h"

#include <algorithm>
#include <new>

namespace glassbox {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kChunk = size_t{16} << 20;

struct FreeChunk {
  void operator()(std::byte* chunk) const { ::operator delete[](chunk, std::align_val_t{4096}); }
};

}  // namespace

struct Arena::Store : std::enable_shared_from_this<Arena::Store> {
  std::vector<std::unique_ptr<std::byte[], FreeChunk>> chunks;
  std::byte* next = nullptr;
  size_t left = 0;
  size_t reserved = 0;
  std::unordered_map<size_t, std::vector<void*>> free;  // by size

  void* take(size_t bytes) {
    if (auto found = free.find(bytes); found != free.end() && !found->second.empty()) {
      void* buffer = found->second.back();
      found->second.pop_back();
      return buffer;
    }
    if (left < bytes) {
      const size_t size = std::max(bytes, kChunk);
      chunks.emplace_back(static_cast<std::byte*>(::operator new[](size, std::align_val_t{4096})));
      reserved += size;
      next = chunks.back().get();
      left = size;
    }
    std::byte* buffer = next;
    next += bytes;
    left -= bytes;
    return buffer;
  }
};

Arena::Arena() : store_(std::make_shared<Store>()) {}

std::shared_ptr<void> Arena::allocate(size_t bytes) {
  const size_t size = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  void* buffer = store_->take(size);
  return {buffer, [store = store_, size](void* freed) { store->free[size].push_back(freed); }};
}

size_t Arena::reserved_bytes() const { return store_->reserved; }

}  // namespace glassbox
