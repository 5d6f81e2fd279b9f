// The words models are written in. Each is defined once, with its gradient; kernels only make it faster.
//
// T tokens of a pass, D width, H heads, K key/value heads, E head width. Values between words are float32; operands
// carry their Pass, and with it threads, memory and tape. Sizes that do not fit are our own fault: std::logic_error.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/pass.h"
#include "tensor/tensor.h"

namespace glassbox {

// x w^T: [T, k] and [n, k] -> [T, n]. The dtype of w chooses the arithmetic (docs/design.md, Numbers): f32 and f16
// weights take x as it is; bf16 weights take x rounded to bf16, straight-through in the gradient.
Tensor matmul(const Tensor& x, const Tensor& w);

Tensor operator+(const Tensor& a, const Tensor& b);    // same shape
Tensor operator*(const Tensor& a, const Tensor& b);    // same shape, elementwise
Tensor silu(const Tensor& x);                          // x / (1 + exp(-x))
Tensor add_bias(const Tensor& x, const Tensor& bias);  // [T, n] + [n]

// x / sqrt(mean(x^2) + eps) * w over the last dimension, of w's size (arXiv:1910.07467).
Tensor rms_norm(const Tensor& x, const Tensor& w, float eps);

// Rows of the table for the pass's tokens: [T, D].
Tensor embed(Pass& pass, const Tensor& table);

// [T, heads * E] as [T, heads, E], and back.
Tensor split(const Tensor& x, int64_t heads);
Tensor merge(const Tensor& x);

// Rotary position embedding (arXiv:2104.09864), pairing i with i + E/2 as published checkpoints do. Frequencies are E/2
// float32 values; angle = position * frequency in float32, its sine and cosine through double.
Tensor rope(const Tensor& x, std::span<const float> frequencies);  // [T, heads, E]

// Keys and values of this pass, put into the caches of its runs: what attend() reads.
struct Memory {
  int64_t layer;
  Tensor k, v;  // [T, K, E], for their gradients
};
// Rounds to the cache's dtype before anyone reads them, in the pass that makes them too. Straight-through in the
// gradient.
Memory remember(int64_t layer, const Tensor& k, const Tensor& v, const CacheShape& shape);

// softmax(q k^T / sqrt(E)) v of each token over its own sequence up to itself, and no further back than `window`
// positions (0: all): [T, H, E]. Taps, under the module being walked: `.scores` and `.pattern`, [T, H, S] with S the
// longest context in view; positions out of view are -infinity in scores and 0 in pattern.
Tensor attend(const Tensor& q, const Memory& memory, int64_t window = 0);

// The rows that want logits, in order: [R, D].
Tensor logit_rows(const Tensor& x);

// sum_i weight_i * -log softmax(logits_i)[target_i]: a scalar. Rows with weight 0 cost nothing.
Tensor cross_entropy(const Tensor& logits, std::span<const int32_t> targets, std::span<const float> weights);

}  // namespace glassbox
