// What an optimizer does to plain arrays of float32: a piece of a parameter at a time, so that threads can share them
// out.
#pragma once

#include <span>

namespace glassbox {

// In the order of sums of a float32 product: lanes, then tree.
float sum_of_squares(std::span<const float> values);

// One step of AdamW (arXiv:1711.05101), decay decoupled: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
// w -= rate * (m * m_correction / (sqrt(v * v_correction) + eps) + decay * w), where g = gradient * gradient_scale.
struct AdamWStep {
  float rate, beta1, beta2, eps, decay, m_correction, v_correction, gradient_scale;
};

// All four of one size.
void adamw(const AdamWStep& step, std::span<const float> gradient, std::span<float> w, std::span<float> m,
           std::span<float> v);

}  // namespace glassbox
