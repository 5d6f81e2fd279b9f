// What memory a process may use, read from trees of files as systems have them; and its account.
#include "base/memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>
#include <vector>

#include "tests/testing.h"

namespace glassbox {
namespace {

constexpr int64_t kMiB = 1 << 20, kGiB = 1 << 30;

// A machine of 24 GiB.
struct Machine {
  testing::TemporaryFolder root;
  Machine() { put("proc/meminfo", "MemTotal:       25165824 kB\nMemFree:        123 kB\n"); }
  void put(const std::string& path, const std::string& text) const {
    const auto file = root / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  MemoryLimit limit() const { return memory_limit(root.path()); }
};

TEST(MemoryLimit, IsPhysicalMemoryWhereNothingSaysLess) {
  Machine machine;
  EXPECT_EQ(machine.limit().bytes, 24 * kGiB);
  EXPECT_TRUE(machine.limit().physical);
  EXPECT_EQ(machine.limit().source, "physical memory");
  machine.put("proc/self/cgroup", "0::/\n");
  machine.put("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  machine.put("sys/fs/cgroup/cgroup.procs", "1\n");  // the root group has no limits
  EXPECT_EQ(machine.limit().bytes, 24 * kGiB);
}

TEST(MemoryLimit, OfVersionTwoIsTheLeastOnTheWayUp) {
  Machine machine;
  machine.put("proc/self/cgroup", "0::/user.slice/app.service\n");
  machine.put("proc/self/mountinfo",
              "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
              "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
  machine.put("sys/fs/cgroup/user.slice/app.service/memory.max", "max\n");
  machine.put("sys/fs/cgroup/user.slice/app.service/memory.high", "max\n");
  EXPECT_EQ(machine.limit().bytes, 24 * kGiB);
  machine.put("sys/fs/cgroup/user.slice/memory.max", "4294967296\n");
  EXPECT_EQ(machine.limit().bytes, 4 * kGiB);
  EXPECT_FALSE(machine.limit().physical);
  EXPECT_EQ(machine.limit().source, (machine.root / "sys/fs/cgroup/user.slice/memory.max").string());
  machine.put("sys/fs/cgroup/user.slice/app.service/memory.high", "3221225472\n");
  EXPECT_EQ(machine.limit().bytes, 3 * kGiB);
  machine.put("sys/fs/cgroup/other.slice/memory.max", "1\n");  // not ours
  machine.put("sys/fs/cgroup/user.slice/app.service/below/memory.max", "1\n");
  EXPECT_EQ(machine.limit().bytes, 3 * kGiB);
  machine.put("sys/fs/cgroup/user.slice/app.service/memory.max", "99999999999999\n");
  machine.put("sys/fs/cgroup/memory.max", "2147483648\n");
  EXPECT_EQ(machine.limit().bytes, 2 * kGiB);
}

TEST(MemoryLimit, OfVersionOneIsThatOfItsHierarchyOfMemory) {
  Machine machine;
  machine.put("proc/self/cgroup", "9:name=systemd:/\n5:cpu,cpuacct:/elsewhere\n4:memory:/jobs/one\n0::/\n");
  machine.put("proc/self/mountinfo",
              "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
              "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
              "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
  machine.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  machine.put("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "9223372036854771712\n");
  machine.put("sys/fs/cgroup/cpu/elsewhere/memory.limit_in_bytes", "1\n");
  EXPECT_EQ(machine.limit().bytes, 24 * kGiB);
  machine.put("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "1610612736\n");
  EXPECT_EQ(machine.limit().bytes, 1536 * kMiB);
  machine.put("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "1073741824\n");
  EXPECT_EQ(machine.limit().bytes, 1 * kGiB);
}

TEST(MemoryLimit, WithinAContainerIsTheContainers) {
  // The mount shows the container's group as its root; the path is told from outside.
  Machine machine;
  machine.put("proc/self/cgroup", "4:memory:/docker/abc/worker\n");
  machine.put("proc/self/mountinfo",
              "35 31 0:32 /docker/abc /sys/fs/cgroup/with\\040space ro - cgroup cgroup rw,memory\n");
  machine.put("sys/fs/cgroup/with space/memory.limit_in_bytes", "2147483648\n");
  EXPECT_EQ(machine.limit().bytes, 2 * kGiB);
  machine.put("sys/fs/cgroup/with space/worker/memory.limit_in_bytes", "1073741824\n");
  EXPECT_EQ(machine.limit().bytes, 1 * kGiB);
  // A path that is not below what is shown: of another name space.
  machine.put("proc/self/cgroup", "4:memory:/docker/abcdef\n");
  EXPECT_EQ(machine.limit().bytes, 2 * kGiB);
}

TEST(MemoryLimit, WhatIsNoNumberLimitsNothing) {
  Machine machine;
  machine.put("proc/self/cgroup", "0::/a\n4:memory\nnothing\n\n");
  machine.put("proc/self/mountinfo", "short\n31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n- - - -\n");
  for (const char* text : {"", "-1\n", "max\n", "99999999999999999999999\n", "12 34\n", "0x10\n"}) {
    machine.put("sys/fs/cgroup/a/memory.max", text);
    EXPECT_EQ(machine.limit().bytes, 24 * kGiB) << text;
  }
  machine.put("sys/fs/cgroup/a/memory.max", "1048576");  // without an end of line
  EXPECT_EQ(machine.limit().bytes, kMiB);
}

TEST(MemoryLimit, OfThisMachineIsPlausible) {
  const MemoryLimit limit = memory_limit();
  EXPECT_GT(limit.bytes, 16 * kMiB);
  EXPECT_FALSE(limit.source.empty());
  EXPECT_GT(anonymous_memory(), 64 << 10);
}

TEST(MemoryBudget, TakesUpToItsLimitAndItsParents) {
  const auto parent = std::make_shared<MemoryBudget>(100);
  MemoryBudget a(80, parent), b(80, parent);
  EXPECT_TRUE(a.take(60));
  EXPECT_FALSE(a.take(21));
  EXPECT_EQ(parent->taken(), 60);
  EXPECT_EQ(b.left(), 40);
  EXPECT_FALSE(b.take(41));
  EXPECT_EQ(b.taken(), 0);
  EXPECT_TRUE(b.take(40));
  EXPECT_EQ(a.left(), 0);
  a.give(60);
  EXPECT_EQ(parent->left(), 60);
  EXPECT_EQ(a.left(), 60);
  a.promise(50);
  EXPECT_EQ(parent->left(), 10);
  EXPECT_FALSE(a.take(11));
  EXPECT_TRUE(a.take(10));
  a.promise(-50);
  EXPECT_EQ(a.left(), 50) << "of the parent's 100 b has 40";
  EXPECT_EQ(a.limit(), 80);
  EXPECT_EQ(a.left_in_all(), 80);
  EXPECT_EQ(parent->left_in_all(), 100);
  EXPECT_EQ(MemoryBudget(200, parent).limit(), 100);
}

TEST(MemoryBudget, TellsThoseWhoListenWhenSomebodyIsRefused) {
  const auto parent = std::make_shared<MemoryBudget>(100);
  MemoryBudget a(1000, parent), b(50, parent);
  int told = 0;
  auto listening = parent->listen([&] { ++told; });
  EXPECT_TRUE(a.take(100));
  EXPECT_EQ(told, 0);
  EXPECT_FALSE(b.take(1));
  EXPECT_EQ(told, 1);
  a.give(100);
  EXPECT_FALSE(b.take(51));
  EXPECT_EQ(told, 1) << "the parent had room: b's own limit is nobody else's business";
  listening.reset();
  EXPECT_FALSE(a.take(101));
  EXPECT_EQ(told, 1);
}

TEST(MemoryBudget, AllocationsAreZeroedAndComeBack) {
  const auto budget = std::make_shared<MemoryBudget>(10 * kMiB);
  for (const size_t bytes : {size_t{1}, size_t{1000}, size_t{300} << 10, size_t{4} << 20}) {
    {
      std::vector<std::shared_ptr<std::byte[]>> kept;
      while (auto memory = allocate_zeroed(bytes, budget)) {
        for (size_t i = 0; i < bytes; i += 511) ASSERT_EQ(memory[static_cast<ptrdiff_t>(i)], std::byte{0});
        memory[static_cast<ptrdiff_t>(bytes - 1)] = std::byte{1};
        kept.push_back(memory);
        if (kept.size() > 100) break;
      }
      EXPECT_EQ(budget->taken(), static_cast<int64_t>(kept.size() * bytes));
      if (kept.size() <= 100) { EXPECT_LT(budget->left(), static_cast<int64_t>(bytes)); }
    }
    EXPECT_EQ(budget->taken(), 0);
  }
  EXPECT_NE(allocate_zeroed(5, nullptr), nullptr);
}

TEST(MemoryBudget, OfTheProcessSeesWhatNobodyCounts) {
  const auto& budget = MemoryBudget::process();
  const int64_t before = budget->left();
  ASSERT_GT(before, 200 * kMiB) << "this test wants some memory";
  {
    std::vector<char> uncounted(64 << 20, 1);
    EXPECT_LT(budget->left(), before - 48 * kMiB);
  }
  const int64_t after = budget->left();  // a sanitizer's allocator keeps for a while what was freed
  {
    const auto counted = allocate_zeroed(64 << 20, budget);
    EXPECT_LT(budget->left(), after - 48 * kMiB);
    EXPECT_GT(budget->left(), after - 96 * kMiB) << "what was touched counts once";
  }
  EXPECT_GT(budget->left(), after - 16 * kMiB);
  count_mapped(100 * kMiB);
  EXPECT_LT(budget->left(), after - 84 * kMiB);
  count_mapped(-100 * kMiB);
  EXPECT_EQ(allocate_zeroed(size_t{1} << 60, budget), nullptr);
}

TEST(MemoryBudget, AnyThread) {
  const auto parent = std::make_shared<MemoryBudget>(1000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      const auto own = std::make_shared<MemoryBudget>(500, parent);
      const auto listening = parent->listen([] {});
      for (int i = 0; i < 2000; ++i)
        if (own->take(300)) own->give(300);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(parent->taken(), 0);
  EXPECT_EQ(parent->left(), 1000);
}

}  // namespace
}  // namespace glassbox
