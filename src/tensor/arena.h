// Memory of intermediates: bumped from large chunks, handed back to a list of its size when the last Tensor that views
// it goes, and used again by the next word. So a pass without a tape needs the memory of a few values, and one with a
// tape that of all of them, without either knowing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace glassbox {

// One thread at a time. Buffers may outlive the Arena object that gave them.
class Arena {
 public:
  Arena();

  // At least `bytes` long, aligned to 64, not cleared. Freed into the arena when the last owner goes.
  std::shared_ptr<void> allocate(size_t bytes);

  size_t bytes() const;  // of the system's memory, used or kept to be used again
  // Gives all of it back, if nothing that it gave is in use.
  void trim();

 private:
  struct Store;
  std::shared_ptr<Store> store_;
};

}  // namespace glassbox
