// Looking into one request of many: what it wants seen of the model's computation, what was seen, and who gathers it.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace glassbox {

struct Place;
class Taps;
class Tensor;

// A request that watches reads its whole prompt, whatever is remembered of an earlier one, and leaves all others their
// bits.
struct Watch {
  std::vector<std::string> places;  // names of taps (docs/design.md, Tap names); * is any run of characters, ? one
  int64_t max_bytes = int64_t{64} << 20;  // of numbers, 4 bytes each
};

// What was computed at a place: a row for each position, in rising order. An expert's rows are of those who chose it,
// logits of those positions whose next token was drawn.
struct WatchedValue {
  std::string place;
  std::vector<int32_t> positions;
  std::vector<int64_t> shape;  // [positions, ...]
  std::vector<float> numbers;
};

struct Evidence {
  std::vector<WatchedValue> values;  // a place several times where its rows are of several shapes, as patterns are
  int64_t dropped_bytes = 0;         // of what came when max_bytes were there; 0: it is whole
  std::vector<std::string> unheard;  // places that nothing passed, as experts nobody chose
};

// Gathers evidence, pass by pass. One thread at a time.
class Watcher {
 public:
  explicit Watcher(const Watch& watch);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  const Taps& taps() const { return *taps_; }
  // Around each pass: what was heard is kept once the pass has ended well, up to `length` positions. Positions that
  // were kept before, and are computed again, have the same bits, and are not kept twice.
  void begin_pass();
  void end_pass(int64_t length);
  Evidence take();

 private:
  void hear(const Place& place, const Tensor& value);

  std::unique_ptr<Taps> taps_;
  int64_t max_bytes_;
  std::vector<WatchedValue> heard_;     // of this pass
  std::set<std::string> places_heard_;  // of this pass: two patterns may name one place
  int64_t length_ = 0, bytes_ = 0, heard_bytes_ = 0, heard_dropped_ = 0;
  Evidence evidence_;
};

}  // namespace glassbox
