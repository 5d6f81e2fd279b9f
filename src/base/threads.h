// A pool of threads for loops whose parts are independent.
#pragma once

#include <cstdint>
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

// Loops follow each other within microseconds while a model runs, some hundred for a token, so a loop must cost less
// than a microsecond beside its work. Nothing is locked: the caller opens a gate, workers that are awake pass it and
// take parts, and the caller closes it behind the last part and waits for those within. Workers look for the next loop
// for kAwake and then sleep, so between passes nothing burns; one that is asleep, or that another program keeps from
// its core, is not waited for. With more threads than cores nobody looks: all sleep at once.
class ThreadPool {
 public:
  // `threads` in all, the calling one included. 0: GLASSBOX_THREADS, else one a core.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // The process's pool of so many threads: one for all who ask for as many, as the models that a process serves do. It
  // lasts as long as somebody has it.
  static std::shared_ptr<ThreadPool> shared(int threads = 0);

  int threads() const;

  // Calls body(i) for every i in [0, parts), each once, on whichever thread is free, with denormals flushed; returns
  // when all are done. The first exception is rethrown here. Callers on several threads take turns, loop by loop; a
  // call from inside a body runs inline.
  template <class Body>
  void parallel_for(int64_t parts, const Body& body) {
    parallel_shares(parts, 1, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) body(i);
    });
  }

  // The same over [0, n) in ranges of `grain` (the last may be shorter).
  template <class Body>
  void parallel_ranges(int64_t n, int64_t grain, const Body& body) {
    parallel_shares(n, grain, grain, body);
  }

  // The same in shares that end together: large ones first, of at most `most`, then smaller ones down to `grain`, both
  // positive. All begin at a multiple of grain. REQUIRES: most is a multiple of grain.
  template <class Body>
  void parallel_shares(int64_t n, int64_t grain, int64_t most, const Body& body) {
    run({n, grain, most, &body,
         [](const void* b, int64_t begin, int64_t end) { (*static_cast<const Body*>(b))(begin, end); }});
  }

 private:
  struct Loop {
    int64_t n, grain, most;
    const void* body;
    void (*call)(const void* body, int64_t begin, int64_t end);
  };
  void run(const Loop& loop);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glassbox
