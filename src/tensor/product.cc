#include "tensor/product.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/blocks.h"

namespace glassbox {
namespace {

constexpr int64_t kGrain = 1 << 15;     // values a thread takes at once
constexpr int64_t kBackwardSpan = 384;  // outputs widened at once for a gradient

}  // namespace

Entered entered(const Tensor& x, const Tensor& w) {
  Entered result{x, x.rows(), x.width()};
  switch (w.dtype()) {
    case DType::f32:
    case DType::f16:
      return result;
    case DType::bf16: {
      result.values = x.pass()->empty(x.shape(), DType::bf16);
      uint16_t* to = Pass::mutable_u16(result.values);
      x.pass()->pool().parallel_ranges(x.shape().elements(), kGrain, [&](int64_t begin, int64_t end) {
        kernels().to_bf16(x.f32() + begin, to + begin, end - begin);
      });
      return result;
    }
    default:
      fail(ErrorKind::unsupported, "matmul: weights of dtype {} are not supported", info(w.dtype()).name);
  }
}

void product(const Entered& x, int64_t row, int64_t rows, const Tensor& w, int64_t output, int64_t outputs, float* y,
             int64_t ldy) {
  const int64_t k = x.width;
  const Kernels& kernel = kernels();
  switch (w.dtype()) {
    case DType::f32:
      kernel.matmul_f32(x.values.f32() + row * k, k, w.f32() + output * k, k, y, ldy, rows, outputs, k);
      break;
    case DType::f16: {
      std::vector<float> wide(static_cast<size_t>(outputs * k));
      widen(w, output, outputs, wide.data());
      kernel.matmul_f32(x.values.f32() + row * k, k, wide.data(), k, y, ldy, rows, outputs, k);
      break;
    }
    case DType::bf16:
      kernel.matmul_bf16(x.values.data<uint16_t>() + row * k, k, w.data<uint16_t>() + output * k, k, y, ldy, rows,
                         outputs, k);
      break;
    default:
      check(false, "product: x was entered for another dtype");
  }
}

void product_dx(const float* dy, int64_t rows, const Tensor& w, float* dx) {
  const int64_t n = w.rows(), k = w.width();
  if (w.dtype() == DType::f32 || w.dtype() == DType::bf16)
    return kernels().gemm(dy, n, 1, w.data<void>(), w.dtype(), k, dx, k, rows, k, n);
  std::vector<float> wide(static_cast<size_t>(std::min(n, kBackwardSpan) * k));
  for (int64_t output = 0; output < n; output += kBackwardSpan) {
    const int64_t outputs = std::min(kBackwardSpan, n - output);
    widen(w, output, outputs, wide.data());
    kernels().gemm(dy + output, n, 1, wide.data(), DType::f32, k, dx, k, rows, k, outputs);
  }
}

void product_dw(const float* dy, int64_t n, const Entered& x, int64_t row, int64_t rows, int64_t output,
                int64_t outputs, float* dw) {
  const DType type = x.values.dtype();
  check(type == DType::f32 || type == DType::bf16, "product_dw: weights that cannot be trained");
  const int64_t k = x.width;
  const std::byte* seen = x.values.data<std::byte>() + static_cast<size_t>(row * k) * info(type).bytes;
  kernels().gemm(dy + output, 1, n, seen, type, k, dw + output * k, k, outputs, k, rows);
}

void widen(const Tensor& w, int64_t row, int64_t rows, float* to) {
  const int64_t first = row * w.width(), count = rows * w.width();
  switch (w.dtype()) {
    case DType::f32:
      std::memcpy(to, w.f32() + first, static_cast<size_t>(count) * sizeof(float));
      break;
    case DType::f16:
      kernels().from_f16(w.data<uint16_t>() + first, to, count);
      break;
    case DType::bf16:
      kernels().from_bf16(w.data<uint16_t>() + first, to, count);
      break;
    default:
      if (!is_blocks(w.dtype()))
        fail(ErrorKind::unsupported, "weights of dtype {} are not supported", info(w.dtype()).name);
      dequantize(w.dtype(),
                 w.data<std::byte>() + static_cast<size_t>(first) / info(w.dtype()).block * info(w.dtype()).bytes, to,
                 count);
  }
}

Tensor widened(Pass& pass, const Tensor& w) {
  if (w.dtype() == DType::f32) return w;
  Tensor wide = pass.empty(w.shape());
  pass.pool().parallel_ranges(
      w.rows(), std::max<int64_t>(1, kGrain / std::max<int64_t>(1, w.width())),
      [&](int64_t begin, int64_t end) { widen(w, begin, end - begin, Pass::mutable_f32(wide) + begin * w.width()); });
  return wide;
}

}  // namespace glassbox
