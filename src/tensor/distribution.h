// One row of logits as a distribution: the same vector exponential and logarithm everywhere, so that the draw of a
// token has the same bits on every kernel set.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace glassbox {

// The first that is NaN or infinite.
std::optional<size_t> first_not_finite(std::span<const float> x);

// y = log softmax(x); y may be x.
void log_softmax(std::span<const float> x, std::span<float> y);

// y = exp(x - largest); y may be x. Returns nothing that depends on order: sums are the caller's.
void exponentials(std::span<const float> x, float largest, std::span<float> y);

}  // namespace glassbox
