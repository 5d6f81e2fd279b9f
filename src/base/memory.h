// Memory: how much of it this process may use, and one account of it for all who take much.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <string>

namespace glassbox {

struct MemoryLimit {
  int64_t bytes;
  std::string source;    // "physical memory", or the file of the control group that says so
  bool physical = true;  // no control group says less: the machine is shared with whatever else runs on it
};

// The least of physical memory and of what the control groups (versions 1 and 2) say that this process is in, each with
// those above it. What cannot be read limits nothing. `root`: where / is, for tests.
MemoryLimit memory_limit(const std::filesystem::path& root = "/");

// Resident memory of this process with no file behind it: what cannot be given up without being lost.
int64_t anonymous_memory();

// Memory the process has mapped files in, less what was given up again (base/file.h tells). Pages of files come and go
// as the system likes: they are counted because a model is slow without its weights.
int64_t mapped_memory();
void count_mapped(int64_t bytes) noexcept;  // negative: no longer

// An account of memory, up to a limit. Any thread.
class MemoryBudget {
 public:
  // What is taken here is taken of `parent`, too.
  explicit MemoryBudget(int64_t limit, std::shared_ptr<MemoryBudget> parent = nullptr);
  ~MemoryBudget();
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // The process's. Its limit is memory_limit() less a reserve for what nobody counts. Of that, what is left is found by
  // looking: all resident memory without a file counts, whoever has it, and so do mapped files, up to seven eighths (a
  // larger model runs, slowly).
  static const std::shared_ptr<MemoryBudget>& process();

  // False, and nothing taken, if that is more than is left; then those who listen are told. Who takes says when the
  // memory has been touched, and so shows where one looks.
  bool take(int64_t bytes);
  void touched(int64_t bytes) noexcept;
  void give(int64_t bytes) noexcept;
  // Changes by `bytes` what is kept free for somebody who will not ask.
  void promise(int64_t bytes) noexcept;

  int64_t limit() const;  // mapped files and the parent's limit considered
  int64_t taken() const;
  int64_t left() const;         // of this and of the parent; at least 0
  int64_t left_in_all() const;  // if all that was taken here came back; the parent is not asked

  // `told` is called, by whichever thread, when somebody was refused: who keeps memory only in case it is of use gives
  // it back. It must not block, nor call this budget. Until the returned object goes.
  [[nodiscard]] std::shared_ptr<void> listen(std::function<void()> told);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Zeroed and touched memory for something large and lasting, of `budget`'s if there is one; back with it and with the
// system when the last owner goes. Null if the budget refuses; throws std::bad_alloc where the system has none.
std::shared_ptr<std::byte[]> allocate_zeroed(size_t bytes, const std::shared_ptr<MemoryBudget>& budget);

}  // namespace glassbox
