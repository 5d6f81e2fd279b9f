// Looking into one request of many: what it wants seen of the model's computation, and what was seen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace glassbox {

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

}  // namespace glassbox
