// Low-rank changes, applied to the rows of the runs that asked for them.
#include "tensor/adapter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/mixture.h"
#include "tensor/product.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

constexpr int64_t kGrain = 1 << 14;  // values a thread takes at once

// Some rows of a value: pieces in rising order.
struct Rows {
  struct Piece {
    int64_t begin, end;
  };
  std::vector<Piece> pieces;
  int64_t count = 0;

  void add(int64_t begin, int64_t end) {
    if (!pieces.empty() && pieces.back().end == begin)
      pieces.back().end = end;
    else
      pieces.push_back({begin, end});
    count += end - begin;
  }
};

void copy(const float* from, float* to, int64_t count) {
  std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
}

Tensor take(const Tensor& x, const Rows& rows) {
  if (rows.count == x.rows()) return x;
  Pass& pass = *x.pass();
  const int64_t n = x.width();
  Tensor y = pass.empty({rows.count, n});
  int64_t at = 0;
  for (const Rows::Piece& piece : rows.pieces) {
    copy(x.f32() + piece.begin * n, Pass::mutable_f32(y) + at * n, (piece.end - piece.begin) * n);
    at += piece.end - piece.begin;
  }
  pass.record(y, {&x}, [&pass, x, rows, n](const float* dy) {
    float* dx = pass.accumulate(x);
    for (const Rows::Piece& piece : rows.pieces) {
      const int64_t count = (piece.end - piece.begin) * n;
      kernels().add(dx + piece.begin * n, dy, dx + piece.begin * n, count);
      dy += count;
    }
  });
  return y;
}

// x with `part` in place of those rows.
Tensor put(const Tensor& x, const Tensor& part, const Rows& rows) {
  if (rows.count == x.rows()) return part;
  Pass& pass = *x.pass();
  const int64_t n = x.width();
  Tensor y = pass.empty(x.shape());
  copy(x.f32(), Pass::mutable_f32(y), x.shape().elements());
  int64_t at = 0;
  for (const Rows::Piece& piece : rows.pieces) {
    copy(part.f32() + at * n, Pass::mutable_f32(y) + piece.begin * n, (piece.end - piece.begin) * n);
    at += piece.end - piece.begin;
  }
  pass.record(y, {&x, &part}, [&pass, x, part, rows, n](const float* dy) {
    float* dx = pass.accumulate(x);
    float* d_part = pass.accumulate(part);
    int64_t next = 0, taken = 0;
    const auto keep = [&](int64_t end) {
      if (dx) kernels().add(dx + next * n, dy + next * n, dx + next * n, (end - next) * n);
    };
    for (const Rows::Piece& piece : rows.pieces) {
      keep(piece.begin);
      const int64_t count = piece.end - piece.begin;
      if (d_part) kernels().add(d_part + taken * n, dy + piece.begin * n, d_part + taken * n, count * n);
      taken += count;
      next = piece.end;
    }
    keep(x.rows());
  });
  return y;
}

// x + factor * d.
Tensor add_scaled(const Tensor& x, const Tensor& d, float factor) {
  Pass& pass = *x.pass();
  Tensor y = pass.empty(x.shape());
  const int64_t count = x.shape().elements();
  pass.pool().parallel_ranges(count, kGrain, [&](int64_t begin, int64_t end) {
    copy(x.f32() + begin, Pass::mutable_f32(y) + begin, end - begin);
    kernels().scale_add(factor, d.f32() + begin, Pass::mutable_f32(y) + begin, end - begin);
  });
  pass.record(y, {&x, &d}, [&pass, x, d, factor, count](const float* dy) {
    float* dx = pass.accumulate(x);
    float* dd = pass.accumulate(d);
    pass.pool().parallel_ranges(count, kGrain, [&](int64_t begin, int64_t end) {
      if (dx) kernels().add(dx + begin, dy + begin, dx + begin, end - begin);
      if (dd) kernels().scale_add(factor, dy + begin, dd + begin, end - begin);
    });
  });
  return y;
}

std::vector<float> widened(const Tensor& w, int64_t row, int64_t rows) {
  std::vector<float> wide(static_cast<size_t>(rows * w.width()));
  widen(w, row, rows, wide.data());
  return wide;
}

// x with column j multiplied by magnitude[j] / norms[j].
Tensor rescale(const Tensor& x, const Tensor& magnitude, const Tensor& norms) {
  Pass& pass = *x.pass();
  const int64_t n = x.width(), rows = x.rows();
  Tensor y = pass.empty(x.shape()), factors = pass.empty({n});
  const auto wide = widened(magnitude, 0, 1);
  for (int64_t j = 0; j < n; ++j) Pass::mutable_f32(factors)[j] = wide[static_cast<size_t>(j)] / norms.f32()[j];
  pass.pool().parallel_ranges(rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      kernels().multiply(x.f32() + row * n, factors.f32(), Pass::mutable_f32(y) + row * n, n);
  });
  pass.record(y, {&x, &magnitude}, [&pass, x, magnitude, norms, factors, n, rows](const float* dy) {
    float* dx = pass.accumulate(x);
    float* dm = pass.accumulate(magnitude);
    for (int64_t row = 0; row < rows; ++row) {
      if (dx) kernels().multiply_backward(factors.f32(), dy + row * n, dx + row * n, n);
      for (int64_t j = 0; dm && j < n; ++j) dm[j] += dy[row * n + j] * x.f32()[row * n + j] / norms.f32()[j];
    }
  });
  return y;
}

Tensor changed(const Tensor& x, const Tensor& w, const Tensor& y, const LowRank& change) {
  const Tensor sum = add_scaled(y, matmul(matmul(x, change.a), change.b), change.scale);
  if (!change.magnitude) return sum;
  return rescale(sum, change.magnitude, change.norms ? change.norms : adapted_norms(*x.pass(), w, change));
}

// What is to change, in which rows: each change once, in the order they come.
struct Changes {
  struct Change {
    const LowRank* change;
    const Tensor* w;
    Rows rows;
  };
  std::vector<Change> list;

  void add(const LowRank* change, const Tensor& w, int64_t begin, int64_t end) {
    if (!change) return;
    auto known = std::ranges::find(list, change, &Change::change);
    if (known == list.end()) known = list.insert(list.end(), {change, &w, {}});
    known->rows.add(begin, end);
  }
  Tensor applied(const Tensor& x, Tensor y) const {
    for (const auto& [change, w, rows] : list) y = put(y, changed(take(x, rows), *w, take(y, rows), *change), rows);
    return y;
  }
};

}  // namespace

Tensor adapted_norms(Pass& pass, const Tensor& w, const LowRank& change) {
  const int64_t n = w.shape()[0], k = w.width(), rank = change.a.shape()[0];
  Tensor norms = pass.empty({n});
  const std::vector<float> a = widened(change.a, 0, rank), b = widened(change.b, 0, n);
  pass.pool().parallel_ranges(n, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      std::vector<float> sum = widened(w, row, 1), delta(static_cast<size_t>(k));
      for (int64_t r = 0; r < rank; ++r)
        kernels().scale_add(b[static_cast<size_t>(row * rank + r)], a.data() + r * k, delta.data(), k);
      kernels().scale_add(change.scale, delta.data(), sum.data(), k);
      Pass::mutable_f32(norms)[row] = std::sqrt(kernels().sum_squares(sum.data(), k));
    }
  });
  return norms;
}

Tensor adapted(const Tensor& x, const Tensor& w, const Tensor& y) {
  Pass& pass = *x.pass();
  if (pass.visitor() && !pass.here().empty()) (*pass.visitor())(pass.here(), w);
  if (!pass.adapts()) return y;
  Changes changes;
  for (const Run& run : pass.runs())
    if (run.adapter) changes.add(run.adapter->find(pass.here()), w, run.begin, run.end);
  check(changes.list.empty() || x.rows() == static_cast<int64_t>(pass.tokens().size()),
        "adapted: expected a row for each token of the pass");
  return changes.applied(x, y);
}

Tensor adapted(const Tensor& x, const Routing& to, std::span<const Tensor> experts, std::string_view name,
               const Tensor& y) {
  Pass& pass = *x.pass();
  if (!pass.visitor() && !pass.adapts()) return y;
  Changes changes;
  for (size_t e = 0; e < experts.size(); ++e) {
    const std::string path = fmt::format("{}.{}.{}", pass.here(), e, name);
    if (pass.visitor()) (*pass.visitor())(path, experts[e]);
    // An expert's rows are ordered by token, and so by run.
    int64_t row = to.order->first[e];
    const int64_t last = to.order->first[e + 1];
    for (const Run& run : pass.runs()) {
      const int64_t begin = row;
      while (row < last && to.order->source[static_cast<size_t>(row)] / to.chosen < run.end) ++row;
      if (run.adapter && begin < row) changes.add(run.adapter->find(path), experts[e], begin, row);
    }
  }
  return changes.applied(x, y);
}

}  // namespace glassbox
