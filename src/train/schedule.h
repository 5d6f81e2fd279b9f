// The learning rate over a run.
#pragma once

#include <cstdint>

namespace glassbox {

// Rises evenly to `rate` over the first `warmup` steps, then follows half a cosine down to `min_rate` at the last one.
struct Schedule {
  double rate = 0, min_rate = 0;
  int64_t warmup = 0, steps = 1;

  // Of step 0, 1, ... steps - 1; beyond them min_rate. Step 0 already learns: rate / warmup.
  float at(int64_t step) const;
};

}  // namespace glassbox
