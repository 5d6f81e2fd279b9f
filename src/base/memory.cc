#include "base/memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <list>
#include <mutex>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

// Files of /proc have no size: they are read to their end.
std::string text_of(const fs::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  if (stream) text << stream.rdbuf();
  return std::move(text).str();
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(at), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// mountinfo writes spaces and the like as \040.
std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr == text.data() + i + 4) {
      out += static_cast<char>(code);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Digits, as files of control groups have them; nothing for "max" and for what is no number. Version 1 writes a number
// no memory has for no limit.
std::optional<int64_t> bytes_in(const fs::path& file) {
  const std::string text = text_of(file);
  int64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error != std::errc() || bytes < 0 || (end != text.data() + text.size() && *end != '\n')) return std::nullopt;
  return bytes;
}

int64_t physical_memory(const fs::path& root) {
  std::istringstream lines(text_of(root / "proc/meminfo"));
  for (std::string line; std::getline(lines, line);) {
    int64_t kilobytes = 0;
    if (std::istringstream words(line.substr(line.find(':') + 1)); line.starts_with("MemTotal:") && words >> kilobytes)
      return kilobytes * 1024;
  }
  return static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<int64_t>(::sysconf(_SC_PAGESIZE));
}

// Where a hierarchy of control groups is mounted, and which of its groups the mount point shows.
struct Mount {
  bool memory;  // version 1's hierarchy of memory; else version 2's
  std::string shown, at;
};

// Lines of: id parent major:minor ROOT MOUNTPOINT options [optional fields] - TYPE source OPTIONS
std::vector<Mount> mounts(const fs::path& root) {
  std::vector<Mount> list;
  std::istringstream lines(text_of(root / "proc/self/mountinfo"));
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> words = split(line, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    const std::vector<std::string> options = split(dash[3], ',');
    const bool memory = dash[1] == "cgroup" && std::find(options.begin(), options.end(), "memory") != options.end();
    if (memory || dash[1] == "cgroup2") list.push_back({memory, unescaped(words[3]), unescaped(words[4])});
  }
  return list;
}

// The group of this process in the hierarchy of memory of version 1, or in version 2. Lines of: id:controllers:PATH
std::optional<std::string> group_of(const fs::path& root, bool memory) {
  std::istringstream lines(text_of(root / "proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::vector<std::string> controllers =
        split(std::string_view(line).substr(first + 1, second - first - 1), ',');
    const bool fits = memory ? std::find(controllers.begin(), controllers.end(), "memory") != controllers.end()
                             : line.starts_with("0::");
    if (fits) return line.substr(second + 1);
  }
  return std::nullopt;
}

fs::path below(const fs::path& root, std::string_view absolute) {
  while (absolute.starts_with('/')) absolute.remove_prefix(1);
  return root / absolute;
}

}  // namespace

MemoryLimit memory_limit(const fs::path& root) {
  MemoryLimit limit{physical_memory(root), "physical memory", true};
  for (const Mount& mount : mounts(root)) {
    const auto group = group_of(root, mount.memory);
    if (!group) continue;
    // Within a container the mount may show a group further down, or the path be one of outside: then what is mounted
    // is the container's own group.
    std::string_view within = *group;
    if (mount.shown != "/") {
      if (within.starts_with(mount.shown) && (within.size() == mount.shown.size() || within[mount.shown.size()] == '/'))
        within.remove_prefix(mount.shown.size());
      else
        within = {};
    }
    const fs::path top = below(root, mount.at);
    const std::vector<const char*> names =
        mount.memory ? std::vector{"memory.limit_in_bytes"} : std::vector{"memory.max", "memory.high"};
    for (fs::path at = below(top, within).lexically_normal();; at = at.parent_path()) {
      if (!at.has_filename()) at = at.parent_path();  // a path that ends in a slash
      for (const char* name : names)
        if (const auto bytes = bytes_in(at / name); bytes && *bytes < limit.bytes)
          limit = {*bytes, (at / name).string(), false};
      if (at.native().size() <= top.native().size() || !at.has_relative_path()) break;
    }
  }
  return limit;
}

int64_t anonymous_memory() {
  // Pages: size, resident, those of them that files or shared memory are behind, ...
  std::istringstream words(text_of("/proc/self/statm"));
  int64_t size = 0, resident = 0, files = 0;
  if (!(words >> size >> resident >> files)) return 0;
  return std::max<int64_t>(0, resident - files) * static_cast<int64_t>(::sysconf(_SC_PAGESIZE));
}

namespace {
std::atomic<int64_t> mapped_bytes{0};
}

int64_t mapped_memory() { return std::max<int64_t>(0, mapped_bytes.load(std::memory_order_relaxed)); }
void count_mapped(int64_t bytes) noexcept { mapped_bytes.fetch_add(bytes, std::memory_order_relaxed); }

struct MemoryBudget::State {
  const int64_t whole;
  const std::shared_ptr<MemoryBudget> parent;
  bool of_process = false;

  mutable std::mutex mutex;
  int64_t taken = 0, untouched = 0, promised = 0;
  std::chrono::steady_clock::time_point trimmed{};

  std::mutex listening;  // apart: who listens may be told while others take
  std::list<std::function<void()>> listeners;

  State(int64_t limit, std::shared_ptr<MemoryBudget> of) : whole(limit), parent(std::move(of)) {}

  int64_t own_limit() const { return of_process ? std::max(whole - mapped_memory(), whole / 8) : whole; }

  // The next two with the lock held.
  int64_t own_left() const { return own_limit() - promised - (of_process ? anonymous_memory() + untouched : taken); }
  bool has(int64_t bytes) {
    if (bytes <= own_left()) return true;
    if (!of_process) return false;
    // Much of what is resident may be free to the allocator already.
    const auto now = std::chrono::steady_clock::now();
    if (now - trimmed < std::chrono::milliseconds(100)) return false;
    trimmed = now;
    ::malloc_trim(0);
    return bytes <= own_left();
  }
};

MemoryBudget::MemoryBudget(int64_t limit, std::shared_ptr<MemoryBudget> parent)
    : state_(std::make_unique<State>(limit, std::move(parent))) {}

MemoryBudget::~MemoryBudget() = default;

const std::shared_ptr<MemoryBudget>& MemoryBudget::process() {
  static const std::shared_ptr<MemoryBudget> budget = [] {
    constexpr int64_t kMiB = 1 << 20, kGiB = 1 << 30;
    const MemoryLimit limit = memory_limit();
    // A machine of one's own is shared with the system's cache and with other programs; a group was made for this one.
    const int64_t reserve = std::clamp(limit.bytes / (limit.physical ? 4 : 8), std::min(64 * kMiB, limit.bytes / 2),
                                       limit.physical ? 16 * kGiB : 4 * kGiB);
    auto made = std::make_shared<MemoryBudget>(limit.bytes - reserve);
    made->state_->of_process = true;
    return made;
  }();
  return budget;
}

bool MemoryBudget::take(int64_t bytes) {
  State& s = *state_;
  if (s.parent && !s.parent->take(bytes)) return false;
  {
    const std::lock_guard lock(s.mutex);
    if (s.has(bytes)) {
      s.taken += bytes;
      s.untouched += bytes;
      return true;
    }
  }
  if (s.parent) {
    s.parent->touched(bytes);
    s.parent->give(bytes);
  }
  const std::lock_guard lock(s.listening);
  for (const auto& told : s.listeners) told();
  return false;
}

void MemoryBudget::touched(int64_t bytes) noexcept {
  {
    const std::lock_guard lock(state_->mutex);
    state_->untouched -= bytes;
  }
  if (state_->parent) state_->parent->touched(bytes);
}

void MemoryBudget::promise(int64_t bytes) noexcept {
  {
    const std::lock_guard lock(state_->mutex);
    state_->promised += bytes;
  }
  if (state_->parent) state_->parent->promise(bytes);
}

void MemoryBudget::give(int64_t bytes) noexcept {
  {
    const std::lock_guard lock(state_->mutex);
    state_->taken -= bytes;
  }
  if (state_->parent) state_->parent->give(bytes);
}

int64_t MemoryBudget::limit() const {
  const int64_t own = state_->own_limit();
  return state_->parent ? std::min(own, state_->parent->limit()) : own;
}

int64_t MemoryBudget::taken() const {
  const std::lock_guard lock(state_->mutex);
  return state_->taken;
}

int64_t MemoryBudget::left() const {
  int64_t left = 0;
  {
    const std::lock_guard lock(state_->mutex);
    left = std::max<int64_t>(0, state_->own_left());
  }
  return state_->parent ? std::min(left, state_->parent->left()) : left;
}

int64_t MemoryBudget::left_in_all() const {
  const std::lock_guard lock(state_->mutex);
  return std::max<int64_t>(0, state_->own_left() + state_->taken);
}

std::shared_ptr<void> MemoryBudget::listen(std::function<void()> told) {
  State* s = state_.get();
  const std::lock_guard lock(s->listening);
  const auto at = s->listeners.insert(s->listeners.end(), std::move(told));
  return {s, [at](State* state) {
            const std::lock_guard lock(state->listening);
            state->listeners.erase(at);
          }};
}

std::shared_ptr<std::byte[]> allocate_zeroed(size_t bytes, const std::shared_ptr<MemoryBudget>& budget) {
  // Small ones would each take a page and a mapping, of which a process may have some 65,000.
  constexpr size_t kMapped = 256 << 10;
  const auto counted = static_cast<int64_t>(bytes);
  if (budget && !budget->take(counted)) return nullptr;
  std::byte* memory = nullptr;
  if (bytes < kMapped) {
    memory = static_cast<std::byte*>(std::malloc(std::max<size_t>(1, bytes)));
    if (memory) std::memset(memory, 0, bytes);
  } else if (void* at =
                 ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
             at != MAP_FAILED) {
    memory = static_cast<std::byte*>(at);
  }
  if (budget) budget->touched(counted);
  if (!memory) {
    if (budget) budget->give(counted);
    throw std::bad_alloc();
  }
  const auto release = [bytes, budget, counted](std::byte* freed) {
    if (bytes < kMapped)
      std::free(freed);
    else
      ::munmap(freed, bytes);
    if (budget) budget->give(counted);
  };
  return {memory, release};
}

}  // namespace glassbox
