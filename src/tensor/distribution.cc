#include "tensor/distribution.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/kernels.h"

namespace glassbox {

std::optional<size_t> first_not_finite(std::span<const float> x) {
  // Exponents of all ones, in runs long enough to be worth a vector loop.
  constexpr size_t kRun = 1024;
  const auto spoilt = [](float value) { return (std::bit_cast<uint32_t>(value) & 0x7f800000u) == 0x7f800000u; };
  for (size_t from = 0; from < x.size(); from += kRun) {
    const auto run = x.subspan(from, std::min(kRun, x.size() - from));
    uint32_t any = 0;
    for (const float value : run) any |= spoilt(value) ? 1u : 0u;
    if (any) return from + static_cast<size_t>(std::ranges::find_if(run, spoilt) - run.begin());
  }
  return std::nullopt;
}

void log_softmax(std::span<const float> x, std::span<float> y) {
  check(x.size() == y.size(), "log_softmax: sizes differ");
  const FlushDenormals flush;
  float largest, sum, log_sum;
  kernels().log_sum_exp(x.data(), static_cast<int64_t>(x.size()), &largest, &sum);
  kernels().log(&sum, &log_sum, 1);
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] - largest - log_sum;
}

void exponentials(std::span<const float> x, float largest, std::span<float> y) {
  check(x.size() == y.size(), "exponentials: sizes differ");
  const FlushDenormals flush;
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] - largest;
  kernels().exp(y.data(), y.data(), static_cast<int64_t>(y.size()));
}

}  // namespace glassbox
