#include "hub/collect.h"

#include "hub/database/sweep.h"

namespace glassbox::hub {

Collected collect(Contents& contents, int64_t now) {
  Pins& pins = contents.pins();
  // While this is held nobody begins to read, refers to a chunk, or is between a xorb's blob and its row.
  const std::lock_guard lock(pins.mutex);
  const std::vector<std::string> unneeded = contents.database().write([&](Connection& connection) {
    return Sweep(connection).run(now, [&](int64_t xorb) { return pins.count.contains(xorb); });
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

}  // namespace glassbox::hub
