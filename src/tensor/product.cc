#include "tensor/product.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/blocks.h"
#include "tensor/numbers.h"

namespace glassbox {
namespace {

constexpr int64_t kProductGrain = 1 << 15;  // values a thread takes at once
// Scales of outputs [output, output + outputs) for the block of inputs that begins at `input`.
void scales_at(const Scales& scales, int64_t width, int64_t output, int64_t outputs, int64_t input, float* to) {
  check(scales.dtype == DType::f32, "product: FP8 with scales that are not float32");
  const int64_t across = (width + scales.columns - 1) / scales.columns;
  for (int64_t o = output; o < output + outputs; ++o)
    *to++ = static_cast<const float*>(scales.data)[o / scales.rows * across + input / scales.columns];
}

// Few rows, straight from the bytes; false if that kernel does not take them.
bool product_e4m3_few(const uint16_t* x, int64_t rows, const Tensor& w, int64_t output, int64_t outputs, float* y,
                      int64_t ldy) {
  const int64_t k = w.width(), columns = w.scales() ? std::min(w.scales()->columns, k) : k;
  if (w.dtype() != DType::f8_e4m3 || rows < 1 || rows > 4 || k == 0 || (columns % 64 != 0 && columns < k)) return false;
  constexpr uint16_t kTooLarge = 0x7b00;  // 2^119, infinity, NaN
  for (int64_t i = 0; i < rows * k; ++i)
    if ((x[i] & 0x7fff) >= kTooLarge) return false;
  std::vector<float> scales;
  if (w.scales()) {
    scales.resize(static_cast<size_t>((k + columns - 1) / columns * outputs));
    for (int64_t input = 0, at = 0; input < k; input += columns, at += outputs)
      scales_at(*w.scales(), k, output, outputs, input, scales.data() + at);
  }
  kernels().matmul_e4m3_few(x, k, w.data<uint8_t>() + output * k, k, w.scales() ? scales.data() : nullptr, outputs,
                            columns, y, ldy, rows, outputs, k);
  return true;
}

// Many rows: FP8 is widened to bf16 a tile at a time. Without scales the product is that of bf16; with them it is taken
// for each block of inputs that share one, and total = fma(block's sum, scale, total), from zero, in order.
void product_f8(const MatmulInput& x, int64_t row, int64_t rows, const Tensor& w, int64_t output, int64_t outputs,
                float* y, int64_t ldy) {
  constexpr int64_t kTile = 128;  // outputs: with 128 inputs, 32 KiB
  const int64_t k = x.width, columns = w.scales() ? w.scales()->columns : k;
  const Kernels& kernel = kernels();
  const uint16_t* from = x.values.data<uint16_t>() + row * k;
  if (product_e4m3_few(from, rows, w, output, outputs, y, ldy)) return;
  std::vector<uint16_t> wide(static_cast<size_t>(std::min(outputs, kTile) * std::min(k, columns)));
  std::vector<float> part(static_cast<size_t>(w.scales() ? rows * std::min(outputs, kTile) : 0)), scales(kTile);
  for (int64_t o = 0; o < outputs; o += kTile) {
    const int64_t count = std::min(kTile, outputs - o);
    for (int64_t input = 0; input < k; input += columns) {
      const int64_t inputs = std::min(columns, k - input);
      for (int64_t i = 0; i < count; ++i)
        kernel.f8_to_bf16(w.dtype(), w.data<uint8_t>() + (output + o + i) * k + input, wide.data() + i * inputs,
                          inputs);
      if (!w.scales()) {
        kernel.matmul_bf16(from, k, wide.data(), inputs, y + o, ldy, rows, count, inputs);
        continue;
      }
      kernel.matmul_bf16(from + input, k, wide.data(), inputs, part.data(), count, rows, count, inputs);
      scales_at(*w.scales(), k, output + o, count, input, scales.data());
      for (int64_t r = 0; r < rows; ++r) {
        float* to = y + r * ldy + o;
        if (input == 0) std::fill_n(to, count, 0.0f);
        kernel.multiply_backward(scales.data(), part.data() + r * count, to, count);
      }
    }
    if (k == 0)
      for (int64_t r = 0; r < rows; ++r) std::fill_n(y + r * ldy + o, count, 0.0f);
  }
}

// Of FP8, whose scales stand in a tensor of their own.
void scale_f8(const Tensor& w, int64_t row, int64_t rows, float* to) {
  const int64_t k = w.width(), columns = w.scales()->columns;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t input = 0; input < k; input += columns) {
      float scale;
      scales_at(*w.scales(), k, row + r, 1, input, &scale);
      kernels().scale(scale, to + r * k + input, std::min(columns, k - input));
    }
}

// Weights that meet activations of int8.
bool in_blocks(const Tensor& w) { return is_blocks(w.dtype()) || w.dtype() == DType::f4_e2m1; }

BlockMatrix matrix_from(const Tensor& w, int64_t output) {
  check(w.dtype() != DType::f4_e2m1 || w.scales(), "product: values of four bits without their scales");
  const auto type = info(w.dtype());
  const auto row_bytes = static_cast<int64_t>(static_cast<size_t>(w.width()) / type.block * type.bytes);
  BlockMatrix m{w.dtype(), w.data<std::byte>() + output * row_bytes, row_bytes};
  if (const Scales* scales = w.scales()) {
    m.scales_row = w.width() / scales->columns;
    m.scales = static_cast<const uint8_t*>(scales->data) + output * m.scales_row;
  }
  return m;
}

// Two values a byte, scales in a tensor of their own (MXFP4 as published).
void widen_f4(const Tensor& w, int64_t row, int64_t rows, float* to) {
  const int64_t width = w.width(), blocks = width / 32;
  for (int64_t r = row; r < row + rows; ++r) {
    const auto* packed = w.data<uint8_t>() + r * width / 2;
    const auto* scales = static_cast<const uint8_t*>(w.scales()->data) + r * blocks;
    for (int64_t i = 0; i < width; ++i)
      *to++ = e8m0_half(scales[i / 32]) * static_cast<float>(kE2M1Doubled[packed[i / 2] >> (i % 2 * 4) & 15]);
  }
}

constexpr int64_t kBackwardSpan = 384;  // outputs widened at once for a gradient

}  // namespace

namespace {

// x with its numbers in the order that rows of w have them.
Tensor ordered(const Tensor& x, const std::vector<int32_t>& order) {
  const auto k = static_cast<int64_t>(order.size());
  Tensor y = x.pass()->empty(x.shape());
  x.pass()->pool().parallel_ranges(x.rows(), std::max<int64_t>(1, kProductGrain / k), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t i = 0; i < k; ++i)
        Pass::mutable_f32(y)[row * k + i] = x.f32()[row * k + order[static_cast<size_t>(i)]];
  });
  return y;
}

}  // namespace

bool enter_alike(const Tensor& a, const Tensor& b) {
  const auto form = [](const Tensor& w) {
    switch (w.dtype()) {
      case DType::f32:
      case DType::f16:
        return int64_t{0};
      case DType::bf16:
      case DType::f8_e4m3:
      case DType::f8_e5m2:
        return int64_t{1};
      default:
        return activation_block(w.dtype());
    }
  };
  const auto *order = a.input_order(), *other = b.input_order();
  return form(a) == form(b) && (order == other || (order && other && *order == *other));
}

MatmulInput prepare_input(const Tensor& given, const Tensor& w) {
  const Tensor x = w.input_order() ? ordered(given, *w.input_order()) : given;
  MatmulInput result{x, x.rows(), x.width()};
  switch (w.dtype()) {
    case DType::f32:
    case DType::f16:
      return result;
    case DType::f8_e4m3:
    case DType::f8_e5m2:
    case DType::bf16: {
      result.values = x.pass()->empty(x.shape(), DType::bf16);
      uint16_t* to = Pass::mutable_u16(result.values);
      x.pass()->pool().parallel_ranges(x.shape().elements(), kProductGrain, [&](int64_t begin, int64_t end) {
        kernels().to_bf16(x.f32() + begin, to + begin, end - begin);
      });
      return result;
    }
    default: {
      if (!in_blocks(w))
        fail(ErrorKind::unsupported, "matmul: weights of dtype {} are not supported", info(w.dtype()).name);
      const int64_t block = activation_block(w.dtype()), bytes = activation_bytes(x.width(), block);
      result.values = x.pass()->empty({x.rows(), bytes}, DType::u8);
      auto* to = const_cast<uint8_t*>(result.values.data<uint8_t>());
      const int64_t grain = std::max<int64_t>(1, kProductGrain / std::max<int64_t>(1, x.width()));
      x.pass()->pool().parallel_ranges(x.rows(), grain, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
          kernels().to_blocks(x.f32() + row * x.width(), x.width(), block, to + row * bytes);
      });
      return result;
    }
  }
}

void product(const MatmulInput& x, int64_t row, int64_t rows, const Tensor& w, int64_t output, int64_t outputs,
             float* y, int64_t ldy) {
  const int64_t k = x.width;
  const Kernels& kernel = kernels();
  switch (w.dtype()) {
    case DType::f32:
      kernel.matmul_f32(x.values.f32() + row * k, k, w.f32() + output * k, k, y, ldy, rows, outputs, k);
      break;
    case DType::f16: {
      if (rows <= 4) {  // read once: widened as they are read
        kernel.matmul_f16(x.values.f32() + row * k, k, w.data<uint16_t>() + output * k, k, y, ldy, rows, outputs, k);
        break;
      }
      std::vector<float> wide(static_cast<size_t>(outputs * k));
      widen(w, output, outputs, wide.data());
      kernel.matmul_f32(x.values.f32() + row * k, k, wide.data(), k, y, ldy, rows, outputs, k);
      break;
    }
    case DType::bf16:
      kernel.matmul_bf16(x.values.data<uint16_t>() + row * k, k, w.data<uint16_t>() + output * k, k, y, ldy, rows,
                         outputs, k);
      break;
    case DType::f8_e4m3:
    case DType::f8_e5m2:
      product_f8(x, row, rows, w, output, outputs, y, ldy);
      break;
    default:
      check(in_blocks(w) && x.values.dtype() == DType::u8, "product: x was entered for another dtype");
      kernel.matmul_blocks(x.values.data<uint8_t>() + row * x.values.width(), x.values.width(), matrix_from(w, output),
                           y, ldy, rows, outputs, k);
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

void product_dw(const float* dy, int64_t n, const MatmulInput& x, int64_t row, int64_t rows, int64_t output,
                int64_t outputs, float* dw) {
  const DType type = x.values.dtype();
  check(type == DType::f32 || type == DType::bf16, "product_dw: weights that cannot be trained");
  const int64_t k = x.width;
  const std::byte* seen = x.values.data<std::byte>() + static_cast<size_t>(row * k) * info(type).bytes;
  kernels().gemm(dy + output, 1, n, seen, type, k, dw + output * k, k, outputs, k, rows);
}

void widen(const Tensor& w, int64_t row, int64_t rows, float* to) {
  if (w.dtype() == DType::f4_e2m1) return widen_f4(w, row, rows, to);
  const int64_t first = row * w.width(), count = rows * w.width();
  const DTypeInfo& type = info(w.dtype());
  to_float(w.dtype(), w.data<std::byte>() + static_cast<size_t>(first) / type.block * type.bytes, to, count);
  if (w.scales()) scale_f8(w, row, rows, to);
  if (const auto* order = w.input_order()) {
    std::vector<float> row_there(order->size());
    for (int64_t r = 0; r < rows; ++r, to += w.width()) {
      std::copy_n(to, w.width(), row_there.begin());
      for (size_t i = 0; i < order->size(); ++i) to[(*order)[i]] = row_there[i];
    }
  }
}

Tensor widened(Pass& pass, const Tensor& w) {
  if (w.dtype() == DType::f32) return w;
  Tensor wide = pass.empty(w.shape());
  pass.pool().parallel_ranges(
      w.rows(), std::max<int64_t>(1, kProductGrain / std::max<int64_t>(1, w.width())),
      [&](int64_t begin, int64_t end) { widen(w, begin, end - begin, Pass::mutable_f32(wide) + begin * w.width()); });
  return wide;
}

}  // namespace glassbox
