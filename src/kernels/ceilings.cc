#include "kernels/ceilings.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/threads.h"

namespace glassbox {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// body(thread) on each of `threads` threads, all starting together; the seconds until the last is done.
template <class Body>
double together(int threads, Body body) {
  std::barrier meet(threads);
  Clock::time_point start;
  std::vector<std::jthread> others;
  for (int t = 1; t < threads; ++t)
    others.emplace_back([&meet, &body, t] {
      const FlushDenormals flush;
      meet.arrive_and_wait();
      body(t);
      meet.arrive_and_wait();
    });
  const FlushDenormals flush;
  meet.arrive_and_wait();
  start = Clock::now();
  body(0);
  meet.arrive_and_wait();
  return seconds_since(start);
}

std::atomic<float> nobody_reads{0};  // so that what was read counts as used

// Operations per second of `burn`, which does a number of rounds and says how many operations they were.
double ceiling_of(double (*burn)(int64_t) noexcept, int threads, double seconds) {
  check(threads > 0, "a ceiling: threads must be positive");
  // Rounds of about a millisecond: short enough that some run is left alone by whatever else the machine does.
  int64_t rounds = 1000;
  for (;; rounds *= 2) {
    const Clock::time_point start = Clock::now();
    burn(rounds);
    if (seconds_since(start) > 1e-3 || rounds > (int64_t{1} << 40)) break;
  }
  double best = 0;
  const Clock::time_point start = Clock::now();
  do {
    std::vector<double> operations(static_cast<size_t>(threads));
    const double took = together(threads, [&](int t) { operations[static_cast<size_t>(t)] = burn(rounds); });
    double all = 0;
    for (const double o : operations) all += o;
    best = std::max(best, all / took);
  } while (seconds_since(start) < seconds);
  return best;
}

}  // namespace

double fma_ceiling(const Kernels& set, int threads, double seconds) {
  return ceiling_of(set.burn_fma, threads, seconds);
}

double int8_ceiling(const Kernels& set, int threads, double seconds) {
  return ceiling_of(set.burn_int8, threads, seconds);
}

double bf16_ceiling(const Kernels& set, int threads, double seconds) {
  return ceiling_of(set.burn_bf16 ? set.burn_bf16 : set.burn_fma, threads, seconds);
}

MemoryCeiling::MemoryCeiling(int threads, int64_t bytes) : threads_(threads), bytes_(bytes) {
  check(threads > 0, "MemoryCeiling: threads must be positive");
  if (bytes_ <= 0) {
    const int64_t available = static_cast<int64_t>(::sysconf(_SC_AVPHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
    bytes_ = std::min<int64_t>(int64_t{2} << 30, available / 4);
  }
  const int64_t grain = int64_t{2} << 20;  // a huge page, and a share of each thread
  bytes_ = std::max<int64_t>(1, bytes_ / (grain * threads_)) * grain * threads_;
  void* memory =
      ::mmap(nullptr, static_cast<size_t>(bytes_), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    fail(ErrorKind::io, "measuring memory bandwidth: {} bytes: {}", bytes_, std::strerror(errno));
  ::madvise(memory, static_cast<size_t>(bytes_), MADV_HUGEPAGE);
  memory_ = static_cast<float*>(memory);
  const int64_t share = bytes_ / threads_;
  together(threads_,
           [&](int t) { std::memset(reinterpret_cast<char*>(memory_) + t * share, 1, static_cast<size_t>(share)); });
}

MemoryCeiling::~MemoryCeiling() { ::munmap(memory_, static_cast<size_t>(bytes_)); }

double MemoryCeiling::read_bandwidth(const Kernels& set, int passes) const {
  const int64_t share = bytes_ / threads_ / static_cast<int64_t>(sizeof(float));
  double best = 0;
  for (int i = 0; i < passes; ++i) {
    const double took = together(threads_, [&](int t) { nobody_reads = set.read_memory(memory_ + t * share, share); });
    best = std::max(best, static_cast<double>(bytes_) / took);
  }
  return best;
}

}  // namespace glassbox
