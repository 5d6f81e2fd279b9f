// What passes use one after another: threads and recycled memory.
#pragma once

#include "base/threads.h"
#include "tensor/arena.h"

namespace glassbox {

// One pass at a time.
struct Workspace {
  explicit Workspace(int threads = 0) : pool(threads) {}
  ThreadPool pool;
  Arena arena;
};

}  // namespace glassbox
