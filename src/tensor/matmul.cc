// Products with weights. A sum is never split: threads share out rows and outputs.
#include <algorithm>

#include "base/error.h"
#include "kernels/kernels.h"
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

Tensor rounded_to_bf16(const Tensor& x) {
  Tensor y = x.pass()->empty(x.shape(), DType::bf16);
  const float* from = x.f32();
  uint16_t* to = Pass::mutable_u16(y);
  x.pass()->pool().parallel_ranges(x.shape().elements(), 1 << 15, [&](int64_t begin, int64_t end) {
    kernels().to_bf16(from + begin, to + begin, end - begin);
  });
  return y;
}

// w's rows [output, output + outputs) as float32, for the formats that are widened on the way in.
std::vector<float> widened_rows(const Tensor& w, int64_t output, int64_t outputs) {
  std::vector<float> wide(static_cast<size_t>(outputs * w.width()));
  kernels().from_f16(w.data<uint16_t>() + output * w.width(), wide.data(), outputs * w.width());
  return wide;
}

// dx += dy w, and dw += dy^T x, with x as the product saw it.
void matmul_backward(Pass& pass, const float* dy, const Tensor& seen, const Tensor& w, float* dx, float* dw) {
  const int64_t tokens = seen.rows(), n = w.shape()[0], k = w.width();
  const Kernels& kernel = kernels();
  const int64_t grain = 96;
  if (dx) {
    const Tensor wide = [&] {
      if (w.dtype() != DType::f16) return w;
      Tensor all = pass.empty(w.shape());
      kernel.from_f16(w.data<uint16_t>(), Pass::mutable_f32(all), w.shape().elements());
      return all;
    }();
    const int64_t part = std::max(grain, (tokens / (pass.pool().threads() * 2) + grain - 1) / grain * grain);
    pass.pool().parallel_ranges(tokens, part, [&](int64_t begin, int64_t end) {
      kernel.gemm(dy + begin * n, n, 1, wide.data<void>(), wide.dtype(), k, dx + begin * k, k, end - begin, k, n);
    });
  }
  if (dw) {
    const int64_t part = std::max(grain, (n / (pass.pool().threads() * 2) + grain - 1) / grain * grain);
    pass.pool().parallel_ranges(n, part, [&](int64_t begin, int64_t end) {
      kernel.gemm(dy + begin, 1, n, seen.data<void>(), seen.dtype(), k, dw + begin * k, k, end - begin, k, tokens);
    });
  }
}

}  // namespace

Tensor matmul(const Tensor& x, const Tensor& w) {
  check(w.shape().rank() == 2 && x.width() == w.width(), "matmul: widths differ");
  Pass& pass = *x.pass();
  const int64_t rows = x.rows(), n = w.shape()[0], k = w.width();
  Tensor y = pass.empty({rows, n});
  float* out = Pass::mutable_f32(y);
  const Kernels& kernel = kernels();
  Tensor seen = x;
  switch (w.dtype()) {
    case DType::f32:
      for_tiles(pass.pool(), rows, n, [&](const Tile& t) {
        kernel.matmul_f32(x.f32() + t.row * k, k, w.f32() + t.output * k, k, out + t.row * n + t.output, n, t.rows,
                          t.outputs, k);
      });
      break;
    case DType::f16:
      for_tiles(pass.pool(), rows, n, [&](const Tile& t) {
        const std::vector<float> wide = widened_rows(w, t.output, t.outputs);
        kernel.matmul_f32(x.f32() + t.row * k, k, wide.data(), k, out + t.row * n + t.output, n, t.rows, t.outputs, k);
      });
      break;
    case DType::bf16:
      seen = rounded_to_bf16(x);
      for_tiles(pass.pool(), rows, n, [&](const Tile& t) {
        kernel.matmul_bf16(seen.data<uint16_t>() + t.row * k, k, w.data<uint16_t>() + t.output * k, k,
                           out + t.row * n + t.output, n, t.rows, t.outputs, k);
      });
      break;
    default:
      fail(ErrorKind::unsupported, "matmul: weights of dtype {} are not supported", info(w.dtype()).name);
  }
  pass.record(y, {&x, &w}, [&pass, x, seen, w](const float* dy) {
    matmul_backward(pass, dy, seen, w, pass.accumulate(x), pass.accumulate(w));
  });
  return y;
}

}  // namespace glassbox
