// Products of rows ordered by expert with each expert's matrix. A sum is never split: threads share out experts and
// outputs.
#include <algorithm>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/mixture.h"
#include "tensor/pass.h"
#include "tensor/product.h"

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

  // Expert e with a row for each output: as it lies, or the outputs of a tile turned.
  template <class T>
  Tensor turned_outputs(int64_t expert, int64_t output, int64_t outputs) const {
    auto rows = std::make_shared<std::vector<T>>(
        turned(experts[static_cast<size_t>(expert)].template data<T>(), k, n, output, outputs));
    const void* data = rows->data();
    return Tensor({outputs, k}, dtype(), std::move(rows), data);
  }
  Tensor outputs_of(int64_t expert, int64_t output, int64_t outputs) const {
    if (dtype() == DType::f32) return turned_outputs<float>(expert, output, outputs);
    if (dtype() == DType::f16 || dtype() == DType::bf16) return turned_outputs<uint16_t>(expert, output, outputs);
    fail(ErrorKind::unsupported, "grouped_matmul: weights of dtype {} in columns are not supported",
         info(dtype()).name);
  }

  void forward(const MatmulInput& seen, float* out) const {
    const auto tiles = tiles_of(to, n, pass->pool().threads());
    pass->pool().parallel_for(static_cast<int64_t>(tiles.size()), [&](int64_t i) {
      const Tile& t = tiles[static_cast<size_t>(i)];
      float* y = out + t.row * n + t.output;
      constexpr int64_t kFew = 4;
      if (layout == ExpertLayout::columns && dtype() == DType::bf16 && t.rows <= kFew)
        kernels().matmul_bf16_columns(seen.values.data<uint16_t>() + t.row * k, k,
                                      experts[static_cast<size_t>(t.expert)].data<uint16_t>() + t.output, n, y, n,
                                      t.rows, t.outputs, k);
      else if (layout == ExpertLayout::rows)
        product(seen, t.row, t.rows, experts[static_cast<size_t>(t.expert)], t.output, t.outputs, y, n);
      else
        product(seen, t.row, t.rows, outputs_of(t.expert, t.output, t.outputs), 0, t.outputs, y, n);
    });
  }

  // dx += dy w, an expert's rows at a time.
  void backward_x(const float* dy, float* dx) const {
    pass->pool().parallel_for(to.experts, [&](int64_t e) {
      const int64_t row = to.order->first[static_cast<size_t>(e)], rows = to.rows_of(e);
      if (rows == 0) return;
      const Tensor w = layout == ExpertLayout::rows ? experts[static_cast<size_t>(e)] : outputs_of(e, 0, n);
      product_dx(dy + row * n, rows, w, dx + row * k);
    });
  }

  // dw += dy^T x, or x^T dy for columns, of each expert that trains.
  void backward_w(const float* dy, const MatmulInput& seen) const {
    for (size_t e = 0; e < experts.size(); ++e) pass->tape().accumulate(experts[e]);  // none is made while threads work
    pass->pool().parallel_for(to.experts, [&](int64_t e) {
      const int64_t row = to.order->first[static_cast<size_t>(e)], rows = to.rows_of(e);
      float* dw = rows > 0 ? pass->tape().accumulate(experts[static_cast<size_t>(e)]) : nullptr;
      if (!dw) return;
      if (layout == ExpertLayout::rows) return product_dw(dy + row * n, n, seen, row, rows, 0, n, dw);
      std::vector<float> x(static_cast<size_t>(rows * k));
      widen(seen.values, row, rows, x.data());
      kernels().gemm(x.data(), 1, k, dy + row * n, DType::f32, n, dw, n, k, n, rows);
    });
  }
};

// x, prepared for products: where experts' rows have orders of their own (Tensor::input_order), each row in its
// expert's.
MatmulInput prepare_input_by_expert(const Tensor& x, const Routing& to, std::span<const Tensor> experts) {
  if (std::ranges::none_of(experts, [](const Tensor& w) { return w.input_order() != nullptr; }))
    return prepare_input(x, experts[0]);
  Pass& pass = *x.pass();
  const int64_t k = x.width();
  const Tensor ordered = pass.empty(x.shape());
  pass.pool().parallel_for(to.experts, [&](int64_t e) {
    const std::vector<int32_t>* order = experts[static_cast<size_t>(e)].input_order();
    const int64_t first = to.order->first[static_cast<size_t>(e)];
    for (int64_t row = first; row < first + to.rows_of(e); ++row)
      for (int64_t i = 0; i < k; ++i)
        Pass::mutable_f32(ordered)[row * k + i] = x.f32()[row * k + (order ? (*order)[static_cast<size_t>(i)] : i)];
  });
  // The order is taken: what is left is a matrix of blocks like any other.
  return prepare_input(ordered, Tensor(experts[0].shape(), experts[0].dtype(), nullptr, experts[0].data<void>()));
}

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
  const MatmulInput seen = prepare_input_by_expert(x, to, experts);
  Tensor y = pass.empty({x.rows(), n});
  grouped.forward(seen, Pass::mutable_f32(y));
  // One opened expert stands for all: whoever trains opens them together.
  const Tensor* trained = &experts[0];
  for (const Tensor& w : experts)
    if (w.gradient()) trained = &w;
  pass.tape().record(y, {&x, trained}, [&pass, x, grouped, seen, trains](const float* dy) {
    if (float* dx = pass.tape().accumulate(x)) grouped.backward_x(dy, dx);
    if (trains) grouped.backward_w(dy, seen);
  });
  return y;
}

Tensor matmul_in_float(const Tensor& x, const Tensor& w) {
  check(w.shape().rank() == 2 && x.width() == w.width(), "matmul_in_float: widths differ");
  Pass& pass = *x.pass();
  const int64_t rows = x.rows(), n = w.shape()[0], k = w.width();
  const Tensor wide = widened(pass, w);
  Tensor y = pass.empty({rows, n});
  pass.pool().parallel_ranges(n, 32, [&](int64_t begin, int64_t end) {
    kernels().matmul_f32(x.f32(), k, wide.f32() + begin * k, k, Pass::mutable_f32(y) + begin, n, rows, end - begin, k);
  });
  pass.tape().record(y, {&x, &w}, [&pass, x, w, wide, rows, n, k](const float* dy) {
    if (float* dx = pass.tape().accumulate(x))
      pass.pool().parallel_ranges(rows, 96, [&](int64_t begin, int64_t end) {
        kernels().gemm(dy + begin * n, n, 1, wide.f32(), DType::f32, k, dx + begin * k, k, end - begin, k, n);
      });
    if (float* dw = pass.tape().accumulate(w))
      pass.pool().parallel_ranges(n, 96, [&](int64_t begin, int64_t end) {
        kernels().gemm(dy + begin, 1, n, x.f32(), DType::f32, k, dw + begin * k, k, end - begin, k, rows);
      });
  });
  return y;
}

}  // namespace glassbox
