// Words of layers that keep a state in place of keys and values. Each walks a run's tokens in order, from the state
// that the sequence's memory has (zeros where it begins) and to the one it keeps, so that bits do not depend on how a
// text was cut. These are the plain forms: one chain of sums a number, token after token.
//
// T tokens of a pass, C channels, L the kernel's length, H heads, E width of a key, F width of a value.
// REQUIRES: Pass::open_memory() with a State for the layer.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace glassbox {

// A causal convolution of each channel by itself: y[t, c] = sum over j < L of w[c, j] x[t - L + 1 + j, c], and what is
// before the sequence is zero. x [T, C], w [C, L].
Tensor short_conv(int64_t layer, const Tensor& x, const Tensor& w);

// The gated delta rule (arXiv:2412.06464), for each head with a state S [E, F]:
//   S <- e^decay S;  S <- S + k (beta (v - k^T S))^T;  y = q^T S
// q and k [T, H, E], v [T, H, F], decay (its logarithm) [T, H, 1], or [T, H, E] for one of each row of S (Kimi's), beta
// [T, H, 1]. Gradients hold the states of all tokens of a run and head.
Tensor scan_delta(int64_t layer, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& decay,
                  const Tensor& beta);

}  // namespace glassbox
