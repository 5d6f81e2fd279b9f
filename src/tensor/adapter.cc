// Low-rank changes, applied to the rows of the runs that asked for them.
#include "tensor/adapter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/latent.h"
#include "tensor/mixture.h"
#include "tensor/product.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

using Kind = AdaptableWeight::Kind;

// Some rows of a value, of its first dimension: pieces in rising order.
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

Shape with_first(const Shape& shape, int64_t count) {
  std::vector<int64_t> sizes(shape.sizes().begin(), shape.sizes().end());
  sizes.front() = count;
  return Shape(sizes);
}

int64_t row_size(const Tensor& x) { return x.shape().elements() / x.shape()[0]; }

Tensor take(const Tensor& x, const Rows& rows) {
  if (rows.count == x.shape()[0]) return x;
  Pass& pass = *x.pass();
  const int64_t n = row_size(x);
  Tensor y = pass.empty(with_first(x.shape(), rows.count));
  int64_t at = 0;
  for (const Rows::Piece& piece : rows.pieces) {
    copy(x.f32() + piece.begin * n, Pass::mutable_f32(y) + at * n, (piece.end - piece.begin) * n);
    at += piece.end - piece.begin;
  }
  pass.tape().record(y, {&x}, [&pass, x, rows, n](const float* dy) {
    float* dx = pass.tape().accumulate(x);
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
  if (rows.count == x.shape()[0]) return part;
  Pass& pass = *x.pass();
  const int64_t n = row_size(x);
  Tensor y = pass.empty(x.shape());
  copy(x.f32(), Pass::mutable_f32(y), x.shape().elements());
  int64_t at = 0;
  for (const Rows::Piece& piece : rows.pieces) {
    copy(part.f32() + at * n, Pass::mutable_f32(y) + piece.begin * n, (piece.end - piece.begin) * n);
    at += piece.end - piece.begin;
  }
  pass.tape().record(y, {&x, &part}, [&pass, x, part, rows, n](const float* dy) {
    float* dx = pass.tape().accumulate(x);
    float* d_part = pass.tape().accumulate(part);
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
    keep(x.shape()[0]);
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
  pass.tape().record(y, {&x, &d}, [&pass, x, d, factor, count](const float* dy) {
    float* dx = pass.tape().accumulate(x);
    float* dd = pass.tape().accumulate(d);
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
  pass.tape().record(y, {&x, &magnitude}, [&pass, x, magnitude, norms, factors, n, rows](const float* dy) {
    float* dx = pass.tape().accumulate(x);
    float* dm = pass.tape().accumulate(magnitude);
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

// x A, [..., r] and [r, k] -> [..., k], in float32: each number one chain over r.
Tensor times(const Tensor& x, const Tensor& a) {
  Pass& pass = *x.pass();
  const int64_t rows = x.rows(), r = x.width(), k = a.width();
  const Tensor wide = widened(pass, a);
  std::vector<int64_t> sizes(x.shape().sizes().begin(), x.shape().sizes().end());
  sizes.back() = k;
  Tensor y = pass.empty(Shape(sizes));
  pass.pool().parallel_ranges(rows, std::max<int64_t>(1, kGrain / k), [&](int64_t begin, int64_t end) {
    std::fill_n(Pass::mutable_f32(y) + begin * k, (end - begin) * k, 0.0f);
    kernels().gemm(x.f32() + begin * r, r, 1, wide.f32(), DType::f32, k, Pass::mutable_f32(y) + begin * k, k,
                   end - begin, k, r);
  });
  pass.tape().record(y, {&x, &a}, [&pass, x, a, wide, rows, r, k](const float* dy) {
    if (float* dx = pass.tape().accumulate(x)) {
      const Tensor product = pass.empty({rows, r});
      kernels().matmul_f32(dy, k, wide.f32(), k, Pass::mutable_f32(product), r, rows, r, k);
      kernels().add(dx, product.f32(), dx, rows * r);
    }
    if (float* da = pass.tape().accumulate(a)) kernels().gemm(x.f32(), 1, r, dy, DType::f32, k, da, k, r, k, rows);
  });
  return y;
}

// Columns of a [r, k] for some tokens: [T, r].
Tensor columns_of(Pass& pass, const Tensor& a, std::vector<int32_t> ids) {
  const int64_t r = a.shape()[0], k = a.width(), count = static_cast<int64_t>(ids.size());
  const auto size = static_cast<int64_t>(info(a.dtype()).bytes);
  Tensor y = pass.empty({count, r});
  for (int64_t t = 0; t < count; ++t)
    for (int64_t j = 0; j < r; ++j) {
      const int64_t at = j * k + ids[static_cast<size_t>(t)];
      float* to = Pass::mutable_f32(y) + t * r + j;
      widen(Tensor({1, 1}, a.dtype(), nullptr, a.data<std::byte>() + at * size), 0, 1, to);
    }
  pass.tape().record(y, {&a}, [&pass, a, ids = std::move(ids), r, k, count](const float* dy) {
    float* da = pass.tape().accumulate(a);
    for (int64_t t = 0; t < count; ++t)
      for (int64_t j = 0; j < r; ++j) da[j * k + ids[static_cast<size_t>(t)]] += dy[t * r + j];
  });
  return y;
}

// Where a run's rows are among `count` rows of a value: those of its tokens, or of its tokens that want logits.
std::pair<int64_t, int64_t> place_of(const Run& run, const Pass& pass, int64_t count) {
  if (count == static_cast<int64_t>(pass.tokens().size())) return {run.begin, run.end};
  const auto wanted = pass.logit_rows();
  check(count == static_cast<int64_t>(wanted.size()),
        "adapters: expected a row for each token or each that wants logits");
  return {std::ranges::lower_bound(wanted, run.begin) - wanted.begin(),
          std::ranges::lower_bound(wanted, run.end) - wanted.begin()};
}

// Things that some rows have, each once in the order they come: changes, weights in the place of others.
template <class Thing>
struct Places {
  struct Place {
    const Thing* thing;
    Rows rows;
  };
  std::vector<Place> list;

  void add(const Thing* thing, int64_t begin, int64_t end) {
    if (!thing || begin == end) return;
    auto known = std::ranges::find(list, thing, &Place::thing);
    if (known == list.end()) known = list.insert(list.end(), {thing, {}});
    known->rows.add(begin, end);
  }
};

// What the adapters of the pass have of one path for `count` rows.
Places<LowRank> changes_at(const Pass& pass, std::string_view path, int64_t count) {
  Places<LowRank> places;
  for (const Run& run : pass.runs()) {
    if (!run.adapter) continue;
    const auto [begin, end] = place_of(run, pass, count);
    places.add(run.adapter->find(path), begin, end);
  }
  return places;
}

Places<Tensor> replacements_at(const Pass& pass, std::string_view parameter, int64_t count) {
  Places<Tensor> places;
  const std::string name = fmt::format("{}.{}", pass.here(), parameter);
  for (const Run& run : pass.runs()) {
    if (!run.adapter) continue;
    const auto [begin, end] = place_of(run, pass, count);
    places.add(run.adapter->replacement(name), begin, end);
  }
  return places;
}

std::vector<int32_t> tokens_at(const Pass& pass, const Rows& rows) {
  std::vector<int32_t> ids;
  for (const Rows::Piece& piece : rows.pieces)
    ids.insert(ids.end(), pass.tokens().begin() + piece.begin, pass.tokens().begin() + piece.end);
  return ids;
}

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

Tensor adapted_table_norms(Pass& pass, const Tensor& table, const LowRank& change) {
  const int64_t k = table.shape()[0], n = table.width(), rank = change.a.shape()[0];
  Tensor norms = pass.empty({n});
  const std::vector<float> a = widened(change.a, 0, rank), b = widened(change.b, 0, n);
  // Features are shared out, tokens never: each thread goes through all of the table.
  const int64_t part = (n + pass.pool().threads() - 1) / pass.pool().threads();
  pass.pool().parallel_ranges(n, part, [&](int64_t begin, int64_t end) {
    std::vector<float> sums(static_cast<size_t>(end - begin));
    for (int64_t token = 0; token < k; ++token) {
      const std::vector<float> row = widened(table, token, 1);
      for (int64_t j = begin; j < end; ++j) {
        float delta = 0;
        for (int64_t r = 0; r < rank; ++r)
          delta = std::fma(b[static_cast<size_t>(j * rank + r)], a[static_cast<size_t>(r * k + token)], delta);
        const float value = std::fma(change.scale, delta, row[static_cast<size_t>(j)]);
        float& sum = sums[static_cast<size_t>(j - begin)];
        sum = std::fma(value, value, sum);
      }
    }
    for (int64_t j = begin; j < end; ++j) Pass::mutable_f32(norms)[j] = std::sqrt(sums[static_cast<size_t>(j - begin)]);
  });
  return norms;
}

Tensor with_weight(const Tensor& x, const Tensor& w, Kind kind, std::string_view parameter,
                   const std::function<Tensor(const Tensor& x, const Tensor& w)>& body) {
  Pass& pass = *x.pass();
  if (pass.visitor() && !pass.here().empty())
    (*pass.visitor())({std::string(pass.here()), w, kind, std::string(parameter)});
  if (!pass.adapts()) return body(x, w);
  const auto places = replacements_at(pass, parameter, x.shape()[0]);
  if (places.list.size() == 1 && places.list[0].rows.count == x.shape()[0]) return body(x, *places.list[0].thing);
  Tensor y = body(x, w);
  for (const auto& [other, rows] : places.list) y = put(y, body(take(x, rows), *other), rows);
  return y;
}

Tensor adapted(const Tensor& x, const Tensor& w, const Tensor& y) {
  Pass& pass = *x.pass();
  if (!pass.adapts()) return y;
  Tensor result = y;
  for (const auto& [change, rows] : changes_at(pass, pass.here(), x.shape()[0]).list)
    result = put(result, changed(take(x, rows), w, take(result, rows), *change), rows);
  return result;
}

Tensor adapted_queries(const Tensor& q, const Tensor& w, const Tensor& y) {
  Pass& pass = *q.pass();
  const std::string path = fmt::format("{}.kv_b_proj", pass.here());
  if (pass.visitor()) (*pass.visitor())({path, w, Kind::latent});
  if (!pass.adapts()) return y;
  Tensor result = y;
  for (const auto& [change, rows] : changes_at(pass, path, q.shape()[0]).list) {
    const Tensor delta = times(absorb_queries(take(q, rows), change->b), change->a);
    result = put(result, add_scaled(take(result, rows), delta, change->scale), rows);
  }
  return result;
}

Tensor adapted_values(const Tensor& x, const Tensor& y) {
  Pass& pass = *x.pass();
  if (!pass.adapts()) return y;
  Tensor result = y;
  for (const auto& [change, rows] : changes_at(pass, fmt::format("{}.kv_b_proj", pass.here()), x.shape()[0]).list) {
    const Tensor low = matmul(take(x, rows), change->a).reshaped({rows.count, x.shape()[1], change->b.width()});
    result = put(result, add_scaled(take(result, rows), expand_values(low, change->b, y.width()), change->scale), rows);
  }
  return result;
}

Tensor adapted_embed(Pass& pass, const Tensor& table) {
  if (pass.visitor()) (*pass.visitor())({std::string(pass.here()), table, Kind::embedding});
  Tensor y = embed(pass, table);
  if (!pass.adapts()) return y;
  for (const auto& [other, rows] : replacements_at(pass, "weight", y.shape()[0]).list)
    y = put(y, embed(pass, *other, tokens_at(pass, rows)), rows);
  for (const auto& [change, rows] : changes_at(pass, pass.here(), y.shape()[0]).list) {
    const Tensor delta = matmul(columns_of(pass, change->a, tokens_at(pass, rows)), change->b);
    Tensor sum = add_scaled(take(y, rows), delta, change->scale);
    if (change->magnitude)
      sum = rescale(sum, change->magnitude, change->norms ? change->norms : adapted_table_norms(pass, table, *change));
    y = put(y, sum, rows);
  }
  return y;
}

Tensor adapted(const Tensor& x, const Routing& to, std::span<const Tensor> experts, std::string_view name,
               const Tensor& y, Kind kind) {
  Pass& pass = *x.pass();
  if (!pass.visitor() && !pass.adapts()) return y;
  Tensor result = y;
  for (size_t e = 0; e < experts.size(); ++e) {
    const std::string path = fmt::format("{}.{}.{}", pass.here(), e, name);
    if (pass.visitor()) (*pass.visitor())({path, experts[e], kind});
    // An expert's rows are ordered by token, and so by run.
    Places<LowRank> places;
    int64_t row = to.order->first[e];
    const int64_t last = to.order->first[e + 1];
    for (const Run& run : pass.runs()) {
      const int64_t begin = row;
      while (row < last && to.order->source[static_cast<size_t>(row)] / to.chosen < run.end) ++row;
      if (run.adapter) places.add(run.adapter->find(path), begin, row);
    }
    for (const auto& [change, rows] : places.list)
      result = put(result, changed(take(x, rows), experts[e], take(result, rows), *change), rows);
  }
  return result;
}

}  // namespace glassbox
