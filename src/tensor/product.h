// Products with weights of any dtype: what matmul() and grouped_matmul() are made of. Arithmetic and orders of sums are
// those of docs/design.md, Numbers, whatever the cut: an output is the same from any tile.
#pragma once

#include <cstdint>

#include "tensor/pass.h"
#include "tensor/tensor.h"

namespace glassbox {

// Activations as weights of some dtype take them in: [rows, width], float32 as they are or rounded to bf16; or int8 in
// blocks for weights in blocks, a row of bytes a row (Kernels::to_blocks).
struct MatmulInput {
  Tensor values;
  int64_t rows = 0, width = 0;
};

// x, prepared for products with w and every weight of its dtype, scales and order of inputs. Works on all threads of
// x's pass. Throws Error(unsupported) if no product takes weights of that dtype.
MatmulInput prepare_input(const Tensor& x, const Tensor& w);
// Whether what was entered for one serves the other.
bool enter_alike(const Tensor& a, const Tensor& b);

// Rows [row, row + rows) of x times outputs [output, output + outputs) of w, [n, width]: y[r * ldy + o] for both
// counted from 0. On the calling thread. REQUIRES: x was entered for w's dtype.
void product(const MatmulInput& x, int64_t row, int64_t rows, const Tensor& w, int64_t output, int64_t outputs,
             float* y, int64_t ldy);

// dx += dy w, dy [rows, n] and dx [rows, width], on the calling thread: each value one chain over the outputs in order.
void product_dx(const float* dy, int64_t rows, const Tensor& w, float* dx);
// dw += dy^T x for outputs [output, output + outputs) and all of x's rows from `row`, with x as the product saw it; dy
// points to the first of these rows. REQUIRES: w can be trained.
void product_dw(const float* dy, int64_t n, const MatmulInput& x, int64_t row, int64_t rows, int64_t output,
                int64_t outputs, float* dw);

// Rows [row, row + rows) of a weight as float32, exactly what their bytes and scales mean. On the calling thread.
// Throws Error(unsupported) for dtypes that no weight has.
void widen(const Tensor& w, int64_t row, int64_t rows, float* to);
// A whole weight (or a vector) as float32: itself if it is, else an intermediate of the pass.
Tensor widened(Pass& pass, const Tensor& w);

}  // namespace glassbox
