#include "tensor/distribution.h"

#include "base/error.h"
#include "base/threads.h"
#include "kernels/kernels.h"

namespace glassbox {

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
