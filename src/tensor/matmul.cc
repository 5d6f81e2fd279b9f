// Products with weights. A sum is never split: threads share out rows and outputs.
#include <algorithm>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/product.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

struct Tile {
  int64_t row, rows, output, outputs;
};

// Cuts [rows, outputs] into tiles for threads to take: outputs first, since a tile widens or transposes its weights
// once.
template <class Body>
void for_tiles(ThreadPool& pool, int64_t rows, int64_t outputs, const Body& body) {
  const int64_t wanted = pool.threads() * (rows <= 4 ? 4 : 3);
  const int64_t per_tile = std::clamp<int64_t>((outputs / wanted + 31) / 32 * 32, 32, 2048);
  const int64_t output_tiles = (outputs + per_tile - 1) / per_tile;
  const int64_t row_tiles =
      std::clamp<int64_t>(wanted / std::max<int64_t>(1, output_tiles), 1, std::max<int64_t>(1, rows / 192));
  const int64_t rows_per_tile = (rows + row_tiles - 1) / row_tiles;
  pool.parallel_for(output_tiles * row_tiles, [&](int64_t part) {
    const int64_t row = part % row_tiles * rows_per_tile, output = part / row_tiles * per_tile;
    body(Tile{row, std::min(rows_per_tile, rows - row), output, std::min(per_tile, outputs - output)});
  });
}

// dx += dy w, and dw += dy^T x, with x as the product saw it.
void matmul_backward(Pass& pass, const float* dy, const Entered& seen, const Tensor& w, float* dx, float* dw) {
  const int64_t tokens = seen.rows, n = w.shape()[0], k = w.width();
  const auto part_of = [&](int64_t count) {
    constexpr int64_t grain = 96;
    return std::max(grain, (count / (pass.pool().threads() * 2) + grain - 1) / grain * grain);
  };
  if (dx) {
    // A slice of outputs at a time, so that no whole matrix is ever widened: the chains go on where they were left.
    const bool as_it_is = w.dtype() == DType::f32 || w.dtype() == DType::bf16;
    const int64_t span = as_it_is ? n : std::min<int64_t>(n, 1536);
    for (int64_t output = 0; output < n; output += span) {
      const int64_t outputs = std::min(span, n - output);
      const Tensor wide = as_it_is ? w : pass.empty({outputs, k});
      if (!as_it_is)
        pass.pool().parallel_ranges(outputs, 16, [&](int64_t begin, int64_t end) {
          widen(w, output + begin, end - begin, Pass::mutable_f32(wide) + begin * k);
        });
      pass.pool().parallel_ranges(tokens, part_of(tokens), [&](int64_t begin, int64_t end) {
        kernels().gemm(dy + begin * n + output, n, 1, wide.data<void>(), wide.dtype(), k, dx + begin * k, k,
                       end - begin, k, outputs);
      });
    }
  }
  if (dw)
    pass.pool().parallel_ranges(
        n, part_of(n), [&](int64_t begin, int64_t end) { product_dw(dy, n, seen, 0, tokens, begin, end - begin, dw); });
}

}  // namespace

Tensor matmul(const Tensor& x, const Tensor& w) {
  check(w.shape().rank() == 2 && x.width() == w.width(), "matmul: widths differ");
  Pass& pass = *x.pass();
  const int64_t rows = x.rows(), n = w.shape()[0];
  const Entered seen = entered(x, w);
  Tensor y = pass.empty({rows, n});
  float* out = Pass::mutable_f32(y);
  for_tiles(pass.pool(), rows, n, [&](const Tile& t) {
    product(seen, t.row, t.rows, w, t.output, t.outputs, out + t.row * n + t.output, n);
  });
  pass.record(y, {&x, &w}, [&pass, x, seen, w](const float* dy) {
    matmul_backward(pass, dy, seen, w, pass.accumulate(x), pass.accumulate(w));
  });
  return y;
}

}  // namespace glassbox
