// Who gathers what a request watches.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "engine/watch.h"
#include "tensor/pass.h"

namespace glassbox {

// Gathers evidence, pass by pass. One thread at a time.
class Watcher {
 public:
  explicit Watcher(const Watch& watch);
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  const Taps& taps() const { return taps_; }
  // Around each pass: what was heard is kept once the pass has ended well, up to `length` positions. Positions that
  // were kept before, and are computed again, have the same bits, and are not kept twice.
  void begin_pass();
  void end_pass(int64_t length);
  Evidence take();

 private:
  void hear(const Place& place, const Tensor& value);

  Taps taps_;
  int64_t max_bytes_;
  std::vector<WatchedValue> heard_;     // of this pass
  std::set<std::string> places_heard_;  // of this pass: two patterns may name one place
  int64_t length_ = 0, bytes_ = 0, heard_bytes_ = 0, heard_dropped_ = 0;
  Evidence evidence_;
};

}  // namespace glassbox
