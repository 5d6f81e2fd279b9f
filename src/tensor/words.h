// The words models are written in. Each is defined once, with its gradient; kernels only make it faster.
//
// T tokens of a pass, D width, H heads, K key/value heads, E head width. Values between words are float32; operands
// carry their Pass, and with it threads, memory and tape. Sizes that do not fit are our own fault: std::logic_error.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/pass.h"
#include "tensor/rotary.h"
#include "tensor/tensor.h"

namespace glassbox {

// x w^T: [T, k] and [n, k] -> [T, n]. The dtype of w chooses the arithmetic (docs/design.md, Numbers): f32 and f16
// weights take x as it is; bf16 weights take x rounded to bf16, weights in blocks take it as int8 in blocks; both
// straight-through in the gradient.
Tensor matmul(const Tensor& x, const Tensor& w);
// The same with several weights, each as alone, in one loop: x is prepared once for those that take it alike.
std::vector<Tensor> matmul_each(const Tensor& x, std::span<const Tensor* const> weights);

Tensor operator+(const Tensor& a, const Tensor& b);  // same shape
Tensor operator*(const Tensor& a, const Tensor& b);  // same shape, elementwise
Tensor operator*(const Tensor& x, float factor);
Tensor scale_tokens(const Tensor& x, std::span<const float> factors);  // row t of the first dimension times factors[t]
Tensor silu(const Tensor& x);                                          // x / (1 + exp(-x))
Tensor gelu_tanh(const Tensor& x);                           // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
Tensor soft_cap(const Tensor& x, float cap);                 // cap tanh(x / cap)
Tensor clamp(const Tensor& x, float lowest, float highest);  // no gradient where it clamps
Tensor add_bias(const Tensor& x, const Tensor& bias);        // [T, n] + [n]

// x / sqrt(mean(x^2) + eps) * (offset + w) over the last dimension, of w's size (arXiv:1910.07467; Gemma's offset is
// 1).
Tensor rms_norm(const Tensor& x, const Tensor& w, float eps, float offset = 0);
// (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) over the last dimension (arXiv:1607.06450), without weights.
Tensor layer_norm(const Tensor& x, float eps);

// Rows of the table for the pass's tokens: [T, D].
Tensor embed(Pass& pass, const Tensor& table);
Tensor embed(Pass& pass, const Tensor& table, std::span<const int32_t> ids);  // for some tokens

// [T, heads * E] as [T, heads, E], and back.
Tensor split(const Tensor& x, int64_t heads);
Tensor merge(const Tensor& x);
// x[..., begin : begin + count]: numbers of the last dimension.
Tensor slice(const Tensor& x, int64_t begin, int64_t count);
// [..., m] and [..., n] -> [..., m + n].
Tensor concat(const Tensor& a, const Tensor& b);

// Rotary position embedding (arXiv:2104.09864): angle = position * frequency in float32, its sine and cosine through
// double.
Tensor rope(const Tensor& x, const Rotary& rotary);  // [T, heads, E]

// Keys and values of this pass, put into the memories of its runs: what attend() reads.
struct Memory {
  int64_t layer;
  Tensor k, v;  // [T, K, E], for their gradients
};
// Rounds to the memory's dtype before anyone reads them, in the pass that makes them too. Straight-through in the
// gradient. REQUIRES: Pass::open_memory().
Memory remember(int64_t layer, const Tensor& k, const Tensor& v);
// Where a value is the first numbers of its key (Latent).
Memory remember(int64_t layer, const Tensor& k);

// What becomes of the scores. How far a token looks back is what its layer remembers (Sight).
struct AttendOptions {
  float scale = 0;    // of q k^T (0: 1 / sqrt(E))
  float softcap = 0;  // c: score s becomes c tanh(s / c) (0: none)
  Tensor sinks = {};  // [H]: one score more for each head, which takes its share of the softmax and has no value
};

// softmax(scores) v of each token over its own sequence up to itself, where scores = q k^T scale: [T, H, width of v].
// Taps, under the module being walked: `.scores` (as the softmax sees them) and `.pattern`, [T, H, S] with S the
// run's context in view; positions out of view are -infinity in scores and 0 in pattern. With sinks a pattern sums to
// less than 1.
Tensor attend(const Tensor& q, const Memory& memory, const AttendOptions& options = {});

// The rows that want logits, in order: [R, D].
Tensor logit_rows(const Tensor& x);

// sum_i weight_i * -log softmax(logits_i)[target_i]: a scalar. Rows with weight 0 cost nothing.
Tensor cross_entropy(const Tensor& logits, std::span<const int32_t> targets, std::span<const float> weights);

}  // namespace glassbox
