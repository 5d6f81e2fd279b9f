// Products of rows ordered by expert with each expert's matrix. A sum is never split: threads share out experts and
// outputs.
#include <algorithm>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/mixture.h"
#include "tensor/pass.h"

namespace glassbox {
namespace {

// Some outputs of one expert, for all its rows.
struct Tile {
  int64_t expert, row, rows, output, outputs;
};

// Tiles of all experts that have rows, enough of them that threads stay busy to the end.
std::vector<Tile> tiles_of(const Routing& to, int64_t n, int threads) {
  int64_t busy = 0;
  for (int64_t e = 0; e < to.experts; ++e) busy += to.rows_of(e) > 0;
  const int64_t wanted = (threads * 4 + busy - 1) / std::max<int64_t>(1, busy);
  const int64_t per_tile = std::clamp<int64_t>((n / std::max<int64_t>(1, wanted) + 31) / 32 * 32, 32, 2048);
  std::vector<Tile> tiles;
  for (int64_t e = 0; e < to.experts; ++e)
    for (int64_t output = 0; output < n && to.rows_of(e) > 0; output += per_tile)
      tiles.push_back(
          {e, to.order->first[static_cast<size_t>(e)], to.rows_of(e), output, std::min(per_tile, n - output)});
  return tiles;
}

// Columns [output, output + outputs) of [k, n] as rows.
template <class T>
std::vector<T> turned(const T* w, int64_t k, int64_t n, int64_t output, int64_t outputs) {
  std::vector<T> rows(static_cast<size_t>(outputs * k));
  constexpr int64_t block = 16;
  for (int64_t i = 0; i < k; i += block)
    for (int64_t o = 0; o < outputs; o += block)
      for (int64_t b = o; b < std::min(outputs, o + block); ++b)
        for (int64_t a = i; a < std::min(k, i + block); ++a)
          rows[static_cast<size_t>(b * k + a)] = w[a * n + output + b];
  return rows;
}

struct Grouped {
  Pass* pass;
  Routing to;
  std::vector<Tensor> experts;
  ExpertLayout layout;
  int64_t n, k;

  DType dtype() const { return experts[0].dtype(); }

  // x as the product sees it: float32 or bf16.
  Tensor prepared(const Tensor& x) const {
    if (dtype() != DType::bf16) return x;
    Tensor y = pass->empty(x.shape(), DType::bf16);
    pass->pool().parallel_ranges(x.shape().elements(), 1 << 15, [&](int64_t begin, int64_t end) {
      kernels().to_bf16(x.f32() + begin, Pass::mutable_u16(y) + begin, end - begin);
    });
    return y;
  }

  template <class T, class X, class Product>
  void tile(const Tile& t, const X* x, float* out, const Product& product) const {
    const T* w = experts[static_cast<size_t>(t.expert)].template data<T>();
    std::vector<T> rows;
    if (layout == ExpertLayout::columns) {
      rows = turned(w, k, n, t.output, t.outputs);
      w = rows.data();
    } else {
      w += t.output * k;
    }
    product(x + t.row * k, w, out + t.row * n + t.output, t);
  }

  void forward(const Tensor& seen, float* out) const {
    const auto tiles = tiles_of(to, n, pass->pool().threads());
    pass->pool().parallel_for(static_cast<int64_t>(tiles.size()), [&](int64_t i) {
      const Tile& t = tiles[static_cast<size_t>(i)];
      const auto in_float = [this](const float* x, const float* w, float* y, const Tile& part) {
        kernels().matmul_f32(x, k, w, k, y, n, part.rows, part.outputs, k);
      };
      switch (dtype()) {
        case DType::f32:
          return tile<float>(t, seen.f32(), out, in_float);
        case DType::f16:
          return tile<uint16_t>(t, seen.f32(), out, [&](const float* x, const uint16_t* w, float* y, const Tile& part) {
            std::vector<float> wide(static_cast<size_t>(part.outputs * k));
            kernels().from_f16(w, wide.data(), part.outputs * k);
            in_float(x, wide.data(), y, part);
          });
        case DType::bf16:
          return tile<uint16_t>(t, seen.data<uint16_t>(), out,
                                [this](const uint16_t* x, const uint16_t* w, float* y, const Tile& part) {
                                  kernels().matmul_bf16(x, k, w, k, y, n, part.rows, part.outputs, k);
                                });
        default:
          fail(ErrorKind::unsupported, "grouped_matmul: weights of dtype {} are not supported", info(dtype()).name);
      }
    });
  }

  // dx += dy w, an expert's rows at a time.
  void backward_x(const float* dy, float* dx) const {
    pass->pool().parallel_for(to.experts, [&](int64_t e) {
      const int64_t row = to.order->first[static_cast<size_t>(e)], rows = to.rows_of(e);
      if (rows == 0) return;
      const Tensor& w = experts[static_cast<size_t>(e)];
      const void* from = w.data<void>();
      std::vector<uint16_t> half;
      std::vector<float> wide;
      DType type = dtype();
      if (layout == ExpertLayout::columns) {  // [k, n] -> [n, k]
        if (type == DType::f32) {
          wide = turned(w.f32(), k, n, 0, n);
          from = wide.data();
        } else {
          half = turned(w.data<uint16_t>(), k, n, 0, n);
          from = half.data();
        }
      }
      if (type == DType::f16) {
        wide.resize(static_cast<size_t>(n * k));
        kernels().from_f16(static_cast<const uint16_t*>(from), wide.data(), n * k);
        from = wide.data();
        type = DType::f32;
      }
      kernels().gemm(dy + row * n, n, 1, from, type, k, dx + row * k, k, rows, k, n);
    });
  }

  // dw += dy^T x, or x^T dy for columns, of each expert that trains.
  void backward_w(const float* dy, const Tensor& seen) const {
    for (size_t e = 0; e < experts.size(); ++e) pass->accumulate(experts[e]);  // none is made while threads work
    pass->pool().parallel_for(to.experts, [&](int64_t e) {
      const int64_t row = to.order->first[static_cast<size_t>(e)], rows = to.rows_of(e);
      float* dw = rows > 0 ? pass->accumulate(experts[static_cast<size_t>(e)]) : nullptr;
      if (!dw) return;
      const bool half = seen.dtype() == DType::bf16;
      const void* x = half ? static_cast<const void*>(seen.data<uint16_t>() + row * k) : seen.f32() + row * k;
      if (layout == ExpertLayout::rows) {
        kernels().gemm(dy + row * n, 1, n, x, seen.dtype(), k, dw, k, n, k, rows);
        return;
      }
      std::vector<float> wide;
      if (half) {
        wide.resize(static_cast<size_t>(rows * k));
        kernels().from_bf16(static_cast<const uint16_t*>(x), wide.data(), rows * k);
        x = wide.data();
      }
      kernels().gemm(static_cast<const float*>(x), 1, k, dy + row * n, DType::f32, n, dw, n, k, n, rows);
    });
  }
};

}  // namespace

Tensor grouped_matmul(const Tensor& x, const Routing& to, std::span<const Tensor> experts, ExpertLayout layout) {
  check(static_cast<int64_t>(experts.size()) == to.experts && x.rows() == to.rows(),
        "grouped_matmul: expected a matrix for each expert and the rows that were dispatched");
  const bool rows = layout == ExpertLayout::rows;
  const Shape shape = experts[0].shape();
  const int64_t n = shape[rows ? 0 : 1], k = shape[rows ? 1 : 0];
  bool trains = false;
  for (const Tensor& w : experts) {
    check(w.shape() == shape && w.dtype() == experts[0].dtype(), "grouped_matmul: experts differ");
    trains |= w.gradient() != nullptr;
  }
  check(x.width() == k, "grouped_matmul: widths differ");
  Pass& pass = *x.pass();
  const Grouped grouped{&pass, to, {experts.begin(), experts.end()}, layout, n, k};
  const Tensor seen = grouped.prepared(x);
  Tensor y = pass.empty({x.rows(), n});
  grouped.forward(seen, Pass::mutable_f32(y));
  // One opened expert stands for all: whoever trains opens them together.
  const Tensor* trained = &experts[0];
  for (const Tensor& w : experts)
    if (w.gradient()) trained = &w;
  pass.record(y, {&x, trained}, [&pass, x, grouped, seen, trains](const float* dy) {
    if (float* dx = pass.accumulate(x)) grouped.backward_x(dy, dx);
    if (trains) grouped.backward_w(dy, seen);
  });
  return y;
}

Tensor matmul_in_float(const Tensor& x, const Tensor& w) {
  check(w.shape().rank() == 2 && x.width() == w.width(), "matmul_in_float: widths differ");
  Pass& pass = *x.pass();
  const int64_t rows = x.rows(), n = w.shape()[0], k = w.width();
  const Tensor wide = [&] {
    if (w.dtype() == DType::f32) return w;
    Tensor all = pass.empty(w.shape());
    pass.pool().parallel_ranges(n, 16, [&](int64_t begin, int64_t end) {
      float* to = Pass::mutable_f32(all) + begin * k;
      if (w.dtype() == DType::bf16)
        kernels().from_bf16(w.data<uint16_t>() + begin * k, to, (end - begin) * k);
      else if (w.dtype() == DType::f16)
        kernels().from_f16(w.data<uint16_t>() + begin * k, to, (end - begin) * k);
      else
        fail(ErrorKind::unsupported, "matmul_in_float: weights of dtype {} are not supported", info(w.dtype()).name);
    });
    return all;
  }();
  Tensor y = pass.empty({rows, n});
  pass.pool().parallel_ranges(n, 32, [&](int64_t begin, int64_t end) {
    kernels().matmul_f32(x.f32(), k, wide.f32() + begin * k, k, Pass::mutable_f32(y) + begin, n, rows, end - begin, k);
  });
  pass.record(y, {&x, &w}, [&pass, x, w, wide, rows, n, k](const float* dy) {
    if (float* dx = pass.accumulate(x))
      pass.pool().parallel_ranges(rows, 96, [&](int64_t begin, int64_t end) {
        kernels().gemm(dy + begin * n, n, 1, wide.f32(), DType::f32, k, dx + begin * k, k, end - begin, k, n);
      });
    if (float* dw = pass.accumulate(w))
      pass.pool().parallel_ranges(n, 96, [&](int64_t begin, int64_t end) {
        kernels().gemm(dy + begin, 1, n, x.f32(), DType::f32, k, dw + begin * k, k, end - begin, k, rows);
      });
  });
  return y;
}

}  // namespace glassbox
