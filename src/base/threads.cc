#include "base/threads.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <map>
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

// The cores this process may use.
int cores() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

int threads_wanted(int asked) {
  if (asked > 0) return asked;
  if (const char* set = std::getenv("GLASSBOX_THREADS")) {
    char* end = nullptr;
    const long value = std::strtol(set, &end, 10);
    if (end == set || *end || value < 1 || value > 1024)
      fail(ErrorKind::bad_request, "GLASSBOX_THREADS: expected a number from 1 to 1024, got \"{}\"", set);
    return static_cast<int>(value);
  }
  return cores();
}

constexpr auto kAwake = std::chrono::microseconds(200);

// Until done() holds, for as long as `patience`; whether it holds.
template <class Done>
bool look_for(std::chrono::microseconds patience, const Done& done) {
  if (done()) return true;
  if (patience.count() == 0) return false;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
#if defined(__x86_64__)
      if (i % 4 == 3) _mm_pause();
#endif
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

}  // namespace

struct ThreadPool::State {
  // The gate: how many workers are within (low bits), whether it is open, whether the caller sleeps until they have
  // left, whether the pool ends; above, the number of the loop. What a loop is stands beside it, in the same line of
  // the cache, and changes only while the gate is shut and nobody is within.
  static constexpr uint64_t kWithin = 0xffff, kOpen = 1 << 16, kCallerSleeps = 1 << 17, kEnd = 1 << 18,
                            kNumber = 1 << 19;
  alignas(64) std::atomic<uint64_t> gate{0};
  Loop loop{};
  std::atomic<int64_t> next{0};

  alignas(64) std::atomic<uint32_t> sleeping{0};  // workers that sleep, or are about to
  std::atomic<uint32_t> woken{0};                 // what they sleep on
  std::atomic<uint32_t> left{0};                  // what the caller sleeps on
  std::atomic<bool> failed{false};
  std::exception_ptr error;

  std::chrono::microseconds patience = kAwake;
  std::vector<std::jthread> workers;

  // One loop at a time. In a line of its own: the caller writes it, and workers read what stands above.
  alignas(64) std::mutex callers;

  // The next share of the loop, or an empty one: an equal one for every thread, and of the rest, for whoever comes
  // first, half of what would be equal then. To begin a share costs waiting for memory, so they are few.
  std::pair<int64_t, int64_t> take() {
    if (loop.most <= loop.grain) {
      const int64_t begin = next.fetch_add(loop.grain, std::memory_order_relaxed);
      return {std::min(begin, loop.n), std::min(begin + loop.grain, loop.n)};
    }
    const auto threads = static_cast<int64_t>(workers.size()) + 1;
    const int64_t equal = loop.n * 15 / 16 / threads / loop.grain * loop.grain;
    int64_t begin = next.load(std::memory_order_relaxed), end;
    do {
      if (begin >= loop.n) return {loop.n, loop.n};
      const int64_t share =
          begin + equal <= equal * threads ? equal : (loop.n - begin) / (2 * threads) / loop.grain * loop.grain;
      end = std::min(loop.n, begin + std::clamp(share, loop.grain, loop.most));
    } while (!next.compare_exchange_weak(begin, end, std::memory_order_relaxed));
    return {begin, end};
  }

  void run_shares() {
    const FlushDenormals flush;
    inside_loop = true;
    try {
      for (auto share = take(); share.first < share.second; share = take())
        loop.call(loop.body, share.first, share.second);
    } catch (...) {
      if (!failed.exchange(true, std::memory_order_relaxed)) error = std::current_exception();
      next.store(loop.n, std::memory_order_relaxed);
    }
    inside_loop = false;
  }

  void work() {
    uint64_t done = 0;  // the last loop it was in
    // A gate that is open to a loop that is new, or the end.
    const auto calls = [&](uint64_t g) { return ((g & kOpen) != 0 && g / kNumber != done) || (g & kEnd) != 0; };
    for (;;) {
      uint64_t g = 0;
      const auto called = [&] { return calls(g = gate.load(std::memory_order_acquire)); };
      while (!look_for(patience, called)) {
        // Who sleeps says so before it looks once more, and who opens the gate looks for sleepers afterwards: one of
        // the two sees the other.
        const uint32_t before = woken.load();
        ++sleeping;
        if (!calls(gate.load())) woken.wait(before);
        --sleeping;
      }
      if ((g & kEnd) != 0) return;
      if (!gate.compare_exchange_strong(g, g + 1, std::memory_order_acquire)) continue;
      done = g / kNumber;
      run_shares();
      g = gate.fetch_sub(1, std::memory_order_release);
      if ((g & kCallerSleeps) != 0 && (g & kWithin) == 1) {
        ++left;
        left.notify_one();
      }
    }
  }

  void open(const Loop& next_loop) {
    const uint64_t before = gate.load(std::memory_order_relaxed);
    check((before & (kWithin | kOpen)) == 0, "ThreadPool: one loop at a time");
    loop = next_loop;
    next.store(0, std::memory_order_relaxed);
    gate.store((before / kNumber + 1) * kNumber | kOpen);
    wake();
  }

  void wake() {
    if (sleeping.load() == 0) return;
    ++woken;
    woken.notify_all();
  }

  // Shuts the gate and waits until nobody is within.
  void close() {
    gate.fetch_and(~kOpen, std::memory_order_relaxed);
    const auto empty = [&] { return (gate.load(std::memory_order_acquire) & kWithin) == 0; };
    // A worker may wait for its core. If this one falls asleep, the system can give it this thread's.
    while (!look_for(patience, empty)) {
      const uint32_t before = left.load();
      if ((gate.fetch_or(kCallerSleeps) & kWithin) != 0) left.wait(before);
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  const int count = threads_wanted(threads);
  if (count > cores()) state_->patience = std::chrono::microseconds(0);
  for (int i = count; i > 1; --i) state_->workers.emplace_back([s = state_.get()] { s->work(); });
}

ThreadPool::~ThreadPool() {
  state_->gate.store(State::kEnd);
  state_->wake();
}

std::shared_ptr<ThreadPool> ThreadPool::shared(int threads) {
  static std::mutex mutex;
  static std::map<int, std::weak_ptr<ThreadPool>> pools;
  const int count = threads_wanted(threads);
  const std::lock_guard lock(mutex);
  auto pool = pools[count].lock();
  if (!pool) pools[count] = pool = std::make_shared<ThreadPool>(count);
  return pool;
}

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run(const Loop& loop) {
  check(loop.grain > 0 && loop.most > 0 && loop.most % loop.grain == 0, "ThreadPool: shares of no grain");
  if (loop.n <= 0) return;
  State& state = *state_;
  if (inside_loop || loop.n <= loop.grain || state.workers.empty()) {
    const FlushDenormals flush;
    for (int64_t begin = 0; begin < loop.n; begin += loop.most)
      loop.call(loop.body, begin, std::min(loop.n, begin + loop.most));
    return;
  }
  const std::lock_guard turn(state.callers);
  state.open(loop);
  state.run_shares();
  state.close();
  if (state.failed.load(std::memory_order_relaxed)) {
    state.failed.store(false, std::memory_order_relaxed);
    std::rethrow_exception(std::exchange(state.error, nullptr));
  }
}

}  // namespace glassbox
