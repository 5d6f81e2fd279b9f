#include "hub/collect.h"

#include <spdlog/spdlog.h>

#include "hub/database/repositories.h"
#include "hub/database/sweep.h"

namespace glassbox::hub {

Collected collect(Contents& contents, int64_t now) {
  // What takes long is done while others read and write; what they add meanwhile is marked below.
  std::set<ObjectId> reached;
  contents.database().read([&](Connection& connection) { Sweep(connection).mark(reached); });
  Pins& pins = contents.pins();
  // While this is held nobody begins to read, refers to a chunk, or is between a xorb's blob and its row.
  const std::lock_guard lock(pins.mutex);
  const std::vector<std::string> unneeded = contents.database().write([&](Connection& connection) {
    return Sweep(connection).run(now, reached, [&](int64_t xorb) { return pins.count.contains(xorb); });
  });
  // The rows are gone for good before the first blob goes.
  const std::set<std::string> known =
      contents.database().read([](Connection& connection) { return Sweep(connection).xorb_names(); });
  Collected collected{static_cast<int64_t>(unneeded.size()), 0};
  for (const std::string& name : contents.blobs().names())
    if (!known.contains(name)) {
      contents.blobs().remove(name);
      ++collected.blobs;
    }
  collected.blobs -= collected.xorbs;
  return collected;
}

Collector::Collector(Contents& contents, std::chrono::milliseconds first, std::chrono::milliseconds every)
    : contents_(contents), thread_([this, first, every] { run(first, every); }) {}

Collector::~Collector() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Collector::run(std::chrono::milliseconds wait, std::chrono::milliseconds every) {
  std::unique_lock lock(mutex_);
  for (; !changed_.wait_for(lock, wait, [&] { return over_; }); wait = every) {
    lock.unlock();
    try {
      const Collected collected = collect(contents_, now_in_milliseconds());
      if (collected.xorbs + collected.blobs > 0)
        spdlog::info("removed {} xorbs that nothing needs and {} files left over", collected.xorbs, collected.blobs);
    } catch (const std::exception& error) { spdlog::warn("garbage was not collected: {}", error.what()); }
    lock.lock();
  }
}

}  // namespace glassbox::hub
