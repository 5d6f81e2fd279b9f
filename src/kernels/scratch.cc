#include "kernels/scratch.h"

#include <cstdlib>
#include <memory>

namespace glassbox {

void* kernel_scratch(size_t bytes) noexcept {
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  thread_local std::unique_ptr<void, Free> memory;
  thread_local size_t size = 0;
  if (bytes > size) {
    // Whole pages, and a page more than asked for, so that a slowly growing need does not come back for every step.
    size = (bytes + bytes / 4 + 8191) / 4096 * 4096;
    memory.reset();
    memory.reset(std::aligned_alloc(4096, size));
    if (!memory) std::abort();
  }
  return memory.get();
}

}  // namespace glassbox
