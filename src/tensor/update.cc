#include "tensor/update.h"

#include "kernels/kernels.h"

namespace glassbox {

float sum_of_squares(std::span<const float> values) {
  return kernels().sum_squares(values.data(), static_cast<int64_t>(values.size()));
}

void adamw(const AdamWStep& step, std::span<const float> gradient, std::span<float> w, std::span<float> m,
           std::span<float> v) {
  const Kernels::AdamW how = {step.rate,  step.beta1,        step.beta2,        step.eps,
                              step.decay, step.m_correction, step.v_correction, step.gradient_scale};
  kernels().adamw(how, gradient.data(), w.data(), m.data(), v.data(), static_cast<int64_t>(w.size()));
}

}  // namespace glassbox
