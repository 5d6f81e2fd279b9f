#include "base/threads.h"

#include <atomic>
#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/error.h"

namespace glassbox {

#if defined(__x86_64__)
FlushDenormals::FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040u); }  // FTZ | DAZ
FlushDenormals::~FlushDenormals() { _mm_setcsr(saved_); }
KeepDenormals::KeepDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ & ~0x8040u); }
KeepDenormals::~KeepDenormals() { _mm_setcsr(saved_); }
#else
FlushDenormals::FlushDenormals() : saved_(0) {}
FlushDenormals::~FlushDenormals() = default;
KeepDenormals::KeepDenormals() : saved_(0) {}
KeepDenormals::~KeepDenormals() = default;
#endif

namespace {

thread_local bool inside_loop = false;

int threads_wanted(int asked) {
  if (asked > 0) return asked;
  if (const char* set = std::getenv("GLASSBOX_THREADS")) {
    char* end = nullptr;
    const long value = std::strtol(set, &end, 10);
    if (end == set || *end || value < 1 || value > 1024)
      fail(ErrorKind::bad_request, "GLASSBOX_THREADS: expected a number from 1 to 1024, got \"{}\"", set);
    return static_cast<int>(value);
  }
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable wake, finished;
  uint64_t loop = 0;  // counts loops, so that a worker knows a new one from the last
  bool stopping = false;
  int working = 0;  // workers that have not left the current loop

  const std::function<void(int64_t)>* body = nullptr;
  int64_t parts = 0;
  std::atomic<int64_t> next{0};
  std::atomic<uint64_t> published{0};
  std::exception_ptr error;

  std::vector<std::jthread> workers;

  void run_parts() {
    const FlushDenormals flush;
    inside_loop = true;
    try {
      for (int64_t part; (part = next.fetch_add(1, std::memory_order_relaxed)) < parts;) (*body)(part);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next.store(parts, std::memory_order_relaxed);
    }
    inside_loop = false;
  }

  void work() {
    for (uint64_t seen = 0;;) {
      // A loop follows a loop within microseconds while a model runs: look for it a while before sleeping.
      for (int spins = 0; spins < 4000 && published.load(std::memory_order_relaxed) == seen; ++spins) {
#if defined(__x86_64__)
        _mm_pause();
#endif
      }
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return stopping || loop != seen; });
        if (stopping) return;
        seen = loop;
      }
      run_parts();
      const std::lock_guard lock(mutex);
      if (--working == 0) finished.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  for (int i = threads_wanted(threads); i > 1; --i) state_->workers.emplace_back([s = state_.get()] { s->work(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->published.fetch_add(1);
  }
  state_->wake.notify_all();
}

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::parallel_for(int64_t parts, const std::function<void(int64_t)>& body) {
  if (parts <= 0) return;
  if (inside_loop || parts == 1 || state_->workers.empty()) {
    const FlushDenormals flush;
    for (int64_t part = 0; part < parts; ++part) body(part);
    return;
  }
  State& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    check(state.working == 0, "ThreadPool: one loop at a time");
    state.body = &body;
    state.parts = parts;
    state.next.store(0, std::memory_order_relaxed);
    state.error = nullptr;
    state.working = static_cast<int>(state.workers.size());
    ++state.loop;
    state.published.store(state.loop, std::memory_order_relaxed);
  }
  state.wake.notify_all();
  state.run_parts();
  std::unique_lock lock(state.mutex);
  state.finished.wait(lock, [&] { return state.working == 0; });
  if (state.error) std::rethrow_exception(std::exchange(state.error, nullptr));
}

void ThreadPool::parallel_ranges(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  check(grain > 0, "ThreadPool: grain must be positive");
  parallel_for((n + grain - 1) / grain, [&](int64_t part) { body(part * grain, std::min(n, (part + 1) * grain)); });
}

}  // namespace glassbox
