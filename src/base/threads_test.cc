#include "base/threads.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace glassbox {
namespace {

// Of fewer threads than cores, as many, and more.
class Pools : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, Pools, ::testing::Values(1, 2, 3, 9));

TEST_P(Pools, EveryPartOnceAndAllBeforeTheEnd) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.threads(), GetParam());
  for (const int64_t parts : {0, 1, 2, 3, 17, 1000}) {
    std::vector<int> times(static_cast<size_t>(parts));
    for (int again = 1; again <= 20; ++again) {
      pool.parallel_for(parts, [&](int64_t i) { ++times[static_cast<size_t>(i)]; });
      EXPECT_EQ(times, std::vector<int>(static_cast<size_t>(parts), again));
    }
  }
}

// A loop without work shows what is wrong between loops: a part that is left for the next one, a worker too late.
TEST_P(Pools, ShortLoopsOneAfterAnother) {
  ThreadPool pool(GetParam());
  int64_t sums[8] = {};
  for (int64_t loop = 0; loop < 20'000; ++loop) pool.parallel_for(8, [&](int64_t i) { sums[i] += loop; });
  for (const int64_t sum : sums) EXPECT_EQ(sum, int64_t{20'000} * 19'999 / 2);
}

TEST_P(Pools, CallersOnSeveralThreadsTakeTurns) {
  ThreadPool pool(GetParam());
  std::vector<std::jthread> callers;
  std::atomic<int> wrong = 0;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int loop = 0; loop < 500; ++loop) {
        std::atomic<int64_t> sum = 0;
        try {
          pool.parallel_for(8, [&](int64_t i) {
            if (loop % 50 == 7 && i == 3) throw std::runtime_error("a part");
            sum += i;
          });
          if (sum != 28) ++wrong;
        } catch (const std::runtime_error&) {
          if (loop % 50 != 7) ++wrong;
        }
      }
    });
  callers.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadPool, IsOneOfTheProcessForAllWhoAskForAsMany) {
  const auto one = ThreadPool::shared(3), other = ThreadPool::shared(3), two = ThreadPool::shared(2);
  EXPECT_EQ(one, other);
  EXPECT_NE(one, two);
  EXPECT_EQ(two->threads(), 2);
}

TEST_P(Pools, LoopsAfterASleep) {
  ThreadPool pool(GetParam());
  std::atomic<int64_t> sum = 0;
  for (int loop = 0; loop < 20; ++loop) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    pool.parallel_for(4, [&](int64_t i) { sum += i; });
  }
  EXPECT_EQ(sum, 20 * 6);
}

TEST_P(Pools, SharesCoverAllAndKeepToTheirSizes) {
  ThreadPool pool(GetParam());
  for (const int64_t n : {1, 15, 16, 17, 1000, 4096}) {
    std::vector<int> times(static_cast<size_t>(n));
    std::atomic<bool> fits = true;
    pool.parallel_shares(n, 16, 512, [&](int64_t begin, int64_t end) {
      if (begin % 16 != 0 || end <= begin || end - begin > 512 || (end - begin < 16 && end != n)) fits = false;
      for (int64_t i = begin; i < end; ++i) ++times[static_cast<size_t>(i)];
    });
    EXPECT_TRUE(fits) << n;
    EXPECT_EQ(times, std::vector<int>(static_cast<size_t>(n), 1));
  }
  EXPECT_THROW(pool.parallel_shares(8, 0, 8, [](int64_t, int64_t) {}), std::logic_error);
  EXPECT_THROW(pool.parallel_shares(8, 3, 8, [](int64_t, int64_t) {}), std::logic_error);
}

// To begin a share has a price: every thread gets an equal one of nearly all there is, and only the rest is cut small.
TEST_P(Pools, SharesBeginWithAnEqualOneForEachThread) {
  ThreadPool pool(GetParam());
  constexpr int64_t kN = 4096, kGrain = 16;
  std::mutex mutex;
  std::set<std::pair<int64_t, int64_t>> shares;
  pool.parallel_shares(kN, kGrain, kN, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    shares.emplace(begin, end);
  });
  if (pool.threads() == 1) {
    EXPECT_EQ(shares, (std::set<std::pair<int64_t, int64_t>>{{0, kN}}));
    return;
  }
  const int64_t equal = kN * 15 / 16 / pool.threads() / kGrain * kGrain;
  for (int64_t i = 0; i < pool.threads(); ++i) EXPECT_TRUE(shares.contains({i * equal, (i + 1) * equal})) << i;
}

TEST_P(Pools, AnExceptionEndsTheLoopAndNotThePool) {
  ThreadPool pool(GetParam());
  for (int64_t bad = 0; bad < 100; bad += 33) {
    EXPECT_THROW(pool.parallel_for(100,
                                   [&](int64_t i) {
                                     if (i == bad) throw std::runtime_error("bad");
                                   }),
                 std::runtime_error);
    std::atomic<int> count = 0;
    pool.parallel_for(100, [&](int64_t) { ++count; });
    EXPECT_EQ(count, 100);
  }
}

TEST_P(Pools, ALoopWithinALoop) {
  ThreadPool pool(GetParam());
  std::atomic<int> count = 0;
  pool.parallel_for(5, [&](int64_t) { pool.parallel_for(7, [&](int64_t) { ++count; }); });
  EXPECT_EQ(count, 35);
}

TEST_P(Pools, DenormalsAreFlushedWithinAndKeptOutside) {
  ThreadPool pool(GetParam());
  volatile float tiny = 1e-38f;
  std::atomic<bool> flushed = true;
  pool.parallel_for(64, [&](int64_t) {
    const volatile float product = tiny * 0.01f;
    if (product != 0) flushed = false;
  });
#if defined(__x86_64__)
  EXPECT_TRUE(flushed);
#endif
  const volatile float product = tiny * 0.01f;
  EXPECT_NE(product, 0);
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

TEST_P(Pools, NothingBurnsBetweenLoops) {
  ThreadPool pool(GetParam());
  pool.parallel_for(64, [](int64_t) {});
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_LT(cpu_seconds() - before, 0.1);  // workers that went on looking would take half a second each
}

// Programs that start and end pools: a worker may be asleep, awake or not yet begun.
TEST_P(Pools, EndAtAnyMoment) {
  for (int pause = 0; pause < 60; ++pause) {
    ThreadPool pool(GetParam());
    std::atomic<int> count = 0;
    if (pause % 2 == 0) pool.parallel_for(16, [&](int64_t) { ++count; });
    std::this_thread::sleep_for(std::chrono::microseconds(pause * 10));
    EXPECT_EQ(count, pause % 2 == 0 ? 16 : 0);
  }
}

}  // namespace
}  // namespace glassbox
