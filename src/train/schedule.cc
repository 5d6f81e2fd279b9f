#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace glassbox {

float Schedule::at(int64_t step) const {
  if (step < warmup) return static_cast<float>(rate * static_cast<double>(step + 1) / static_cast<double>(warmup));
  const int64_t falling = steps - 1 - warmup;  // steps from the top to the bottom
  if (step >= steps - 1 || falling <= 0)
    return static_cast<float>(step >= steps ? min_rate : falling <= 0 ? rate : min_rate);
  const double done = static_cast<double>(step - warmup) / static_cast<double>(falling);
  return static_cast<float>(min_rate + (rate - min_rate) * 0.5 * (1 + std::cos(std::numbers::pi * done)));
}

}  // namespace glassbox
