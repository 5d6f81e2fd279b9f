// A pool of threads for loops whose parts are independent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace glassbox {

// Flushes denormals to zero (inputs and results) on this thread while it lives: the arithmetic of AMX's bf16 products,
// used for all of it so that one rule holds everywhere.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned saved_;
};

// The contrary, for arithmetic whose bits are another program's.
class KeepDenormals {
 public:
  KeepDenormals();
  ~KeepDenormals();
  KeepDenormals(const KeepDenormals&) = delete;
  KeepDenormals& operator=(const KeepDenormals&) = delete;

 private:
  unsigned saved_;
};

class ThreadPool {
 public:
  // `threads` in all, the calling one included. 0: GLASSBOX_THREADS, else one a core.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Calls body(i) for every i in [0, parts), each once, on whichever thread is free, with denormals flushed; returns
  // when all are done. The first exception is rethrown here. One loop at a time; a call from inside a body runs inline.
  void parallel_for(int64_t parts, const std::function<void(int64_t)>& body);

  // The same over [0, n) in ranges of `grain` (the last may be shorter).
  void parallel_ranges(int64_t n, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glassbox
