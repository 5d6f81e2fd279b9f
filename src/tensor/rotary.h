// Rotary position embedding (arXiv:2104.09864): how far each pair of a head's numbers turns from one position to the
// next.
#pragma once

#include <vector>

namespace glassbox {

struct Rotary {
  std::vector<float> frequencies;  // of n <= E/2 pairs; the rest of a head does not turn
  float scale = 1;                 // of cosine and sine
  bool interleaved = false;        // pairs are (2i, 2i + 1), else (i, i + n) as most published checkpoints have them

  bool operator==(const Rotary&) const = default;
};

}  // namespace glassbox
