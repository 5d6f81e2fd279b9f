// What passes use one after another: threads, which are the process's, and recycled memory.
#pragma once

#include <memory>

#include "base/threads.h"
#include "tensor/arena.h"

namespace glassbox {

// One pass at a time.
struct Workspace {
  explicit Workspace(int threads = 0) : shared(ThreadPool::shared(threads)), pool(*shared) {}
  std::shared_ptr<ThreadPool> shared;
  ThreadPool& pool;
  Arena arena;
};

}  // namespace glassbox
