// Products with weights. A sum is never split: threads share out rows and outputs.
#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/product.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

// One of the products of a loop: y [rows, n] = x w^T.
struct Product {
  const MatmulInput* x;
  const Tensor* w;
  float* y;
  int64_t outputs() const { return w->shape()[0]; }

  void operator()(int64_t row, int64_t rows, int64_t output, int64_t count) const {
    product(*x, row, rows, *w, output, count, y + row * outputs() + output, outputs());
  }
};

// A token or few: outputs in shares that end together, as one range over all products.
void few_rows(ThreadPool& pool, int64_t rows, std::span<const Product> products) {
  constexpr int64_t kLeastBytes = 1 << 13, kMost = 2048;  // of weights, half a microsecond; outputs
  int64_t outputs = 0, bytes = 0;
  for (const Product& p : products) {
    outputs += p.outputs();
    bytes += static_cast<int64_t>(p.w->bytes());
  }
  const int64_t row_bytes = std::max<int64_t>(1, bytes / std::max<int64_t>(1, outputs));
  const int64_t grain = std::clamp<int64_t>((kLeastBytes / row_bytes + 15) / 16 * 16, 16, 256);
  pool.parallel_shares(outputs, grain, kMost / grain * grain, [&](int64_t begin, int64_t end) {
    int64_t first = 0;  // of this product's outputs
    for (const Product& p : products) {
      const int64_t from = std::max(begin, first), to = std::min(end, first + p.outputs());
      if (from < to) p(0, rows, from - first, to - from);
      first += p.outputs();
    }
  });
}

// Many: tiles [rows, outputs] for threads to take, outputs first, since a tile widens or transposes its weights once.
void many_rows(ThreadPool& pool, int64_t rows, std::span<const Product> products) {
  const int64_t wanted = pool.threads() * 3;
  int64_t outputs = 0;
  for (const Product& p : products) outputs += p.outputs();
  // As wide as all products together allow: every tile prepares its rows of x anew, which a narrow one hardly repays.
  const int64_t wide = std::clamp<int64_t>((outputs / wanted + 31) / 32 * 32, 32, 2048);
  const auto across = [&](const Product& p) { return (p.outputs() + wide - 1) / wide; };
  int64_t strips = 0;
  for (const Product& p : products) strips += across(p);
  const int64_t down = std::clamp<int64_t>(wanted / std::max<int64_t>(1, strips), 1, std::max<int64_t>(1, rows / 192));
  const int64_t tall = (rows + down - 1) / down;
  pool.parallel_for(strips * down, [&](int64_t tile) {
    const int64_t row = tile % down * tall;
    int64_t strip = tile / down;
    const Product* p = products.data();
    for (; strip >= across(*p); ++p) strip -= across(*p);
    const int64_t output = strip * wide;
    (*p)(row, std::min(tall, rows - row), output, std::min(wide, p->outputs() - output));
  });
}

// dx += dy w, and dw += dy^T x, with x as the product saw it.
void matmul_backward(Pass& pass, const float* dy, const MatmulInput& seen, const Tensor& w, float* dx, float* dw) {
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

std::vector<Tensor> matmul_each(const Tensor& x, std::span<const Tensor* const> weights) {
  Pass& pass = *x.pass();
  const int64_t rows = x.rows();
  std::vector<MatmulInput> seen;
  std::vector<Product> products;
  std::vector<Tensor> results;
  seen.reserve(weights.size());  // products point into it
  std::vector<size_t> of;        // for each weight, what of seen it takes
  for (size_t i = 0; i < weights.size(); ++i) {
    const Tensor& w = *weights[i];
    check(w.shape().rank() == 2 && x.width() == w.width(), "matmul: widths differ");
    size_t like = 0;
    while (like < i && !enter_alike(*weights[like], w)) ++like;
    if (like == i) seen.push_back(prepare_input(x, w));
    of.push_back(like == i ? seen.size() - 1 : of[like]);
    const Tensor& y = results.emplace_back(pass.empty({rows, w.shape()[0]}));
    products.push_back({&seen[of.back()], &w, Pass::mutable_f32(y)});
  }
  rows <= 4 ? few_rows(pass.pool(), rows, products) : many_rows(pass.pool(), rows, products);
  for (size_t i = 0; i < weights.size(); ++i)
    pass.tape().record(results[i], {&x, weights[i]}, [&pass, x, as = seen[of[i]], w = *weights[i]](const float* dy) {
      matmul_backward(pass, dy, as, w, pass.tape().accumulate(x), pass.tape().accumulate(w));
    });
  return results;
}

Tensor matmul(const Tensor& x, const Tensor& w) {
  const Tensor* const weights[] = {&w};
  return std::move(matmul_each(x, weights).front());
}

}  // namespace glassbox
