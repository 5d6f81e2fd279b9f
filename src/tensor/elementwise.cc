// Words that treat every value, or every row, by itself.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/product.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

constexpr int64_t kTokenBlock = 64;  // gradients that sum over tokens do so in blocks of this many, in order

// dw[n] += sum over rows of body's contributions, summed within blocks of kTokenBlock rows and then block after block.
template <class Body>
void sum_over_rows(Pass& pass, int64_t rows, int64_t n, float* dw, const Body& body) {
  const int64_t blocks = (rows + kTokenBlock - 1) / kTokenBlock;
  Tensor partial = pass.empty({std::max<int64_t>(1, blocks), n});
  float* sums = Pass::mutable_f32(partial);
  pass.pool().parallel_for(blocks, [&](int64_t block) {
    float* sum = sums + block * n;
    std::memset(sum, 0, static_cast<size_t>(n) * sizeof(float));
    for (int64_t row = block * kTokenBlock; row < std::min(rows, (block + 1) * kTokenBlock); ++row) body(row, sum);
  });
  if (dw)
    for (int64_t block = 0; block < blocks; ++block) kernels().add(dw, sums + block * n, dw, n);
}

Shape with_last(const Shape& shape, int64_t width) {
  std::vector<int64_t> sizes(shape.sizes().begin(), shape.sizes().end());
  sizes.back() = width;
  return Shape(sizes);
}

}  // namespace

Tensor operator+(const Tensor& a, const Tensor& b) {
  check(a.shape() == b.shape(), "+: shapes differ");
  Pass& pass = *a.pass();
  Tensor y = pass.empty(a.shape());
  const int64_t count = a.shape().elements();
  pass.pool().parallel_ranges(count, kGrain, [&](int64_t begin, int64_t end) {
    kernels().add(a.f32() + begin, b.f32() + begin, Pass::mutable_f32(y) + begin, end - begin);
  });
  pass.tape().record(y, {&a, &b}, [&pass, a, b, count](const float* dy) {
    const auto add_to = [&](const Tensor& t) {
      float* into = pass.tape().accumulate(t);
      pass.pool().parallel_ranges(count, kGrain, [&](int64_t begin, int64_t end) {
        kernels().add(into + begin, dy + begin, into + begin, end - begin);
      });
    };
    if (b.gradient()) add_to(b);
    if (a.gradient() && !pass.tape().move_gradient_to(a)) add_to(a);
  });
  return y;
}

Tensor operator*(const Tensor& a, const Tensor& b) {
  check(a.shape() == b.shape(), "*: shapes differ");
  Pass& pass = *a.pass();
  Tensor y = pass.empty(a.shape());
  const int64_t count = a.shape().elements();
  pass.pool().parallel_ranges(count, kGrain, [&](int64_t begin, int64_t end) {
    kernels().multiply(a.f32() + begin, b.f32() + begin, Pass::mutable_f32(y) + begin, end - begin);
  });
  pass.tape().record(y, {&a, &b}, [&pass, a, b, count](const float* dy) {
    float* da = pass.tape().accumulate(a);
    float* db = pass.tape().accumulate(b);
    pass.pool().parallel_ranges(count, kGrain, [&](int64_t begin, int64_t end) {
      if (da) kernels().multiply_backward(b.f32() + begin, dy + begin, da + begin, end - begin);
      if (db) kernels().multiply_backward(a.f32() + begin, dy + begin, db + begin, end - begin);
    });
  });
  return y;
}

namespace {

// A word of values one by one: forward(x, y, n), and backward(x, y, dy, dx, n), which adds to dx.
template <class Forward, class Backward>
Tensor each_value(const Tensor& x, const Forward& forward, const Backward& backward) {
  Pass& pass = *x.pass();
  Tensor y = pass.empty(x.shape());
  const int64_t count = x.shape().elements();
  pass.pool().parallel_ranges(count, kGrain, [&](int64_t begin, int64_t end) {
    forward(x.f32() + begin, Pass::mutable_f32(y) + begin, end - begin);
  });
  pass.tape().record(y, {&x}, [&pass, x, y, count, backward](const float* dy) {
    float* dx = pass.tape().accumulate(x);
    pass.pool().parallel_ranges(count, kGrain, [&](int64_t begin, int64_t end) {
      backward(x.f32() + begin, y.f32() + begin, dy + begin, dx + begin, end - begin);
    });
  });
  return y;
}

}  // namespace

Tensor gelu_tanh(const Tensor& x) {
  return each_value(
      x, [](const float* from, float* y, int64_t n) { kernels().gelu_tanh(from, y, n); },
      [](const float* from, const float*, const float* dy, float* dx, int64_t n) {
        kernels().gelu_tanh_backward(from, dy, dx, n);
      });
}

Tensor soft_cap(const Tensor& x, float cap) {
  return each_value(
      x, [=](const float* from, float* y, int64_t n) { kernels().soft_cap(cap, from, y, n); },
      [=](const float*, const float* y, const float* dy, float* dx, int64_t n) {
        kernels().soft_cap_backward(cap, y, dy, dx, n);
      });
}

Tensor clamp(const Tensor& x, float lowest, float highest) {
  return each_value(
      x, [=](const float* from, float* y, int64_t n) { kernels().clamp(lowest, highest, from, y, n); },
      [=](const float* from, const float*, const float* dy, float* dx, int64_t n) {
        kernels().clamp_backward(lowest, highest, from, dy, dx, n);
      });
}

Tensor operator*(const Tensor& x, float factor) {
  return each_value(
      x,
      [=](const float* from, float* y, int64_t n) {
        std::memcpy(y, from, static_cast<size_t>(n) * sizeof(float));
        kernels().scale(factor, y, n);
      },
      [=](const float*, const float*, const float* dy, float* dx, int64_t n) {
        kernels().scale_add(factor, dy, dx, n);
      });
}

Tensor scale_tokens(const Tensor& x, std::span<const float> factors) {
  const int64_t rows = x.shape()[0];
  check(static_cast<int64_t>(factors.size()) == rows, "scale_tokens: expected a factor for each token");
  Pass& pass = *x.pass();
  Tensor y = pass.empty(x.shape());
  const int64_t n = x.shape().elements() / std::max<int64_t>(1, rows), grain = std::max<int64_t>(1, kGrain / n);
  pass.pool().parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    std::memcpy(Pass::mutable_f32(y) + begin * n, x.f32() + begin * n,
                static_cast<size_t>((end - begin) * n) * sizeof(float));
    for (int64_t row = begin; row < end; ++row)
      kernels().scale(factors[static_cast<size_t>(row)], Pass::mutable_f32(y) + row * n, n);
  });
  std::vector<float> kept(factors.begin(), factors.end());
  pass.tape().record(y, {&x}, [&pass, x, kept = std::move(kept), rows, n, grain](const float* dy) {
    float* dx = pass.tape().accumulate(x);
    pass.pool().parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        kernels().scale_add(kept[static_cast<size_t>(row)], dy + row * n, dx + row * n, n);
    });
  });
  return y;
}

Tensor silu(const Tensor& x) {
  return each_value(
      x, [](const float* from, float* y, int64_t n) { kernels().silu(from, y, n); },
      [](const float* from, const float*, const float* dy, float* dx, int64_t n) {
        kernels().silu_backward(from, dy, dx, n);
      });
}

Tensor add_bias(const Tensor& x, const Tensor& bias) {
  check(bias.shape().elements() == x.width(), "add_bias: widths differ");
  Pass& pass = *x.pass();
  const Tensor wide = widened(pass, bias);
  Tensor y = pass.empty(x.shape());
  const int64_t n = x.width();
  pass.pool().parallel_ranges(x.rows(), std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      kernels().add(x.f32() + row * n, wide.f32(), Pass::mutable_f32(y) + row * n, n);
  });
  pass.tape().record(y, {&x, &bias}, [&pass, x, bias, n](const float* dy) {
    if (float* dx = pass.tape().accumulate(x)) kernels().add(dx, dy, dx, x.shape().elements());
    if (float* db = pass.tape().accumulate(bias))
      sum_over_rows(pass, x.rows(), n, db, [&](int64_t row, float* sum) { kernels().add(sum, dy + row * n, sum, n); });
  });
  return y;
}

Tensor scale_columns(const Tensor& x, const Tensor& w) {
  check(w.shape().elements() == x.width(), "scale_columns: widths differ");
  Pass& pass = *x.pass();
  const Tensor wide = widened(pass, w);
  Tensor y = pass.empty(x.shape());
  const int64_t n = x.width(), rows = x.rows(), grain = std::max<int64_t>(1, kGrain / n);
  pass.pool().parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      kernels().multiply(x.f32() + row * n, wide.f32(), Pass::mutable_f32(y) + row * n, n);
  });
  pass.tape().record(y, {&x, &w}, [&pass, x, w, wide, n, rows, grain](const float* dy) {
    if (float* dx = pass.tape().accumulate(x))
      pass.pool().parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
          kernels().multiply_backward(wide.f32(), dy + row * n, dx + row * n, n);
      });
    if (float* dw = pass.tape().accumulate(w))
      sum_over_rows(pass, rows, n, dw, [&](int64_t row, float* sum) {
        kernels().multiply_backward(x.f32() + row * n, dy + row * n, sum, n);
      });
  });
  return y;
}

Tensor rms_norm(const Tensor& x, const Tensor& w, float eps, float offset) {
  check(w.shape().elements() == x.width(), "rms_norm: widths differ");
  Pass& pass = *x.pass();
  Tensor wide = widened(pass, w);
  if (offset != 0) {
    const Tensor plain = std::exchange(wide, pass.empty(w.shape()));
    for (int64_t i = 0; i < w.shape().elements(); ++i) Pass::mutable_f32(wide)[i] = offset + plain.f32()[i];
  }
  const int64_t n = x.width(), rows = x.rows();
  Tensor y = pass.empty(x.shape()), inverse = pass.empty({rows});
  pass.pool().parallel_ranges(rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      kernels().rms_norm(x.f32() + row * n, wide.f32(), eps, Pass::mutable_f32(y) + row * n,
                         Pass::mutable_f32(inverse) + row, n);
  });
  pass.tape().record(y, {&x, &w}, [&pass, x, w, wide, inverse, n, rows](const float* dy) {
    Tensor unwanted;
    float* dx = pass.tape().accumulate(x);
    if (!dx) {
      unwanted = pass.empty(x.shape());
      dx = Pass::mutable_f32(unwanted);
    }
    sum_over_rows(pass, rows, n, pass.tape().accumulate(w), [&](int64_t row, float* dw) {
      kernels().rms_norm_backward(x.f32() + row * n, wide.f32(), inverse.f32()[row], dy + row * n, dx + row * n, dw, n);
    });
  });
  return y;
}

Tensor layer_norm(const Tensor& x, float eps) {
  Pass& pass = *x.pass();
  const int64_t n = x.width(), rows = x.rows(), grain = std::max<int64_t>(1, kGrain / n);
  Tensor y = pass.empty(x.shape()), inverse = pass.empty({rows});
  pass.pool().parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      kernels().layer_norm(x.f32() + row * n, eps, Pass::mutable_f32(y) + row * n, Pass::mutable_f32(inverse) + row, n);
  });
  pass.tape().record(y, {&x}, [&pass, x, y, inverse, n, rows, grain](const float* dy) {
    float* dx = pass.tape().accumulate(x);
    pass.pool().parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        kernels().layer_norm_backward(y.f32() + row * n, inverse.f32()[row], dy + row * n, dx + row * n, n);
    });
  });
  return y;
}

Tensor embed(Pass& pass, const Tensor& table) { return embed(pass, table, pass.tokens()); }

Tensor embed(Pass& pass, const Tensor& table, std::span<const int32_t> some) {
  const auto rows = static_cast<int64_t>(some.size());
  const int64_t n = table.width(), vocabulary = table.shape()[0];
  Tensor y = pass.empty({rows, n});
  for (const int32_t id : some) check(id >= 0 && id < vocabulary, "embed: token id outside the vocabulary");
  pass.pool().parallel_ranges(rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      widen(table, some[static_cast<size_t>(row)], 1, Pass::mutable_f32(y) + row * n);
  });
  pass.tape().record(y, {&table},
                     [&pass, table, ids = std::vector(some.begin(), some.end()), n, vocabulary](const float* dy) {
                       float* sum = pass.tape().accumulate(table);
                       const int64_t part = (vocabulary + pass.pool().threads() - 1) / pass.pool().threads();
                       pass.pool().parallel_ranges(vocabulary, part, [&](int64_t begin, int64_t end) {
                         for (size_t row = 0; row < ids.size(); ++row)
                           if (const int64_t id = ids[row]; id >= begin && id < end)
                             kernels().add(sum + id * n, dy + static_cast<int64_t>(row) * n, sum + id * n, n);
                       });
                     });
  return y;
}

Tensor split(const Tensor& x, int64_t heads) {
  check(x.shape().rank() == 2 && x.width() % heads == 0, "split: width is no multiple of the heads");
  return x.reshaped({x.rows(), heads, x.width() / heads});
}

Tensor merge(const Tensor& x) { return x.reshaped({x.shape()[0], x.shape()[1] * x.shape()[2]}); }

Tensor slice(const Tensor& x, int64_t begin, int64_t count) {
  const int64_t n = x.width(), rows = x.rows();
  check(begin >= 0 && count > 0 && begin + count <= n, "slice: outside the last dimension");
  Pass& pass = *x.pass();
  Tensor y = pass.empty(with_last(x.shape(), count));
  const int64_t grain = std::max<int64_t>(1, kGrain / count);
  pass.pool().parallel_ranges(rows, grain, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; ++row)
      std::memcpy(Pass::mutable_f32(y) + row * count, x.f32() + row * n + begin,
                  static_cast<size_t>(count) * sizeof(float));
  });
  pass.tape().record(y, {&x}, [&pass, x, begin, count, n, rows, grain](const float* dy) {
    float* dx = pass.tape().accumulate(x) + begin;
    pass.pool().parallel_ranges(rows, grain, [&](int64_t from, int64_t to) {
      for (int64_t row = from; row < to; ++row) kernels().add(dx + row * n, dy + row * count, dx + row * n, count);
    });
  });
  return y;
}

Tensor concat(const Tensor& a, const Tensor& b) {
  const int64_t m = a.width(), n = b.width(), rows = a.rows();
  check(with_last(a.shape(), n) == b.shape(), "concat: shapes differ in more than their last dimension");
  Pass& pass = *a.pass();
  Tensor y = pass.empty(with_last(a.shape(), m + n));
  const int64_t grain = std::max<int64_t>(1, kGrain / (m + n));
  pass.pool().parallel_ranges(rows, grain, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; ++row) {
      float* into = Pass::mutable_f32(y) + row * (m + n);
      std::memcpy(into, a.f32() + row * m, static_cast<size_t>(m) * sizeof(float));
      std::memcpy(into + m, b.f32() + row * n, static_cast<size_t>(n) * sizeof(float));
    }
  });
  pass.tape().record(y, {&a, &b}, [&pass, a, b, m, n, rows, grain](const float* dy) {
    float *da = pass.tape().accumulate(a), *db = pass.tape().accumulate(b);
    pass.pool().parallel_ranges(rows, grain, [&](int64_t from, int64_t to) {
      for (int64_t row = from; row < to; ++row) {
        const float* d = dy + row * (m + n);
        if (da) kernels().add(da + row * m, d, da + row * m, m);
        if (db) kernels().add(db + row * n, d + m, db + row * n, n);
      }
    });
  });
  return y;
}

namespace {

// Turns the first 2 n numbers of a head; `beside` has room for as many.
void turn(const Rotary& rotary, const float* cosine, const float* sine, float* head, float* beside) {
  const auto n = static_cast<int64_t>(rotary.frequencies.size());
  if (!rotary.interleaved) {
    kernels().rope(head, cosine, sine, 2 * n);
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    beside[i] = head[2 * i];
    beside[n + i] = head[2 * i + 1];
  }
  kernels().rope(beside, cosine, sine, 2 * n);
  for (int64_t i = 0; i < n; ++i) {
    head[2 * i] = beside[i];
    head[2 * i + 1] = beside[n + i];
  }
}

}  // namespace

Tensor rope(const Tensor& x, const Rotary& rotary) {
  Pass& pass = *x.pass();
  const int64_t tokens = x.shape()[0], heads = x.shape()[1], width = x.width();
  const auto n = static_cast<int64_t>(rotary.frequencies.size());
  check(2 * n <= width, "rope: more pairs than a head has");
  const Tensor angles = pass.angles(rotary);
  Tensor y = pass.empty(x.shape());
  pass.pool().parallel_ranges(tokens, 16, [&](int64_t begin, int64_t end) {
    std::vector<float> beside(static_cast<size_t>(rotary.interleaved ? 2 * n : 0));
    for (int64_t t = begin; t < end; ++t) {
      const float* cosine = angles.f32() + t * 2 * n;
      const float* sine = cosine + n;
      float* to = Pass::mutable_f32(y) + t * heads * width;
      std::memcpy(to, x.f32() + t * heads * width, static_cast<size_t>(heads * width) * sizeof(float));
      for (int64_t h = 0; h < heads; ++h) turn(rotary, cosine, sine, to + h * width, beside.data());
    }
  });
  pass.tape().record(y, {&x}, [&pass, x, rotary, angles, tokens, heads, width, n](const float* dy) {
    float* dx = pass.tape().accumulate(x);
    pass.pool().parallel_ranges(tokens, 16, [&](int64_t begin, int64_t end) {
      std::vector<float> turned(static_cast<size_t>(width)), sine(static_cast<size_t>(n)), beside(turned.size());
      for (int64_t t = begin; t < end; ++t) {
        const float* cosine = angles.f32() + t * 2 * n;
        for (int64_t i = 0; i < n; ++i) sine[static_cast<size_t>(i)] = -cosine[n + i];
        for (int64_t row = t * heads; row < (t + 1) * heads; ++row) {
          std::memcpy(turned.data(), dy + row * width, static_cast<size_t>(width) * sizeof(float));
          turn(rotary, cosine, sine.data(), turned.data(), beside.data());
          kernels().add(dx + row * width, turned.data(), dx + row * width, width);
        }
      }
    });
  });
  return y;
}

Tensor logit_rows(const Tensor& x) {
  Pass& pass = *x.pass();
  const auto rows = pass.logit_rows();
  const int64_t n = x.width();
  if (static_cast<int64_t>(rows.size()) == x.rows()) return x;
  Tensor y = pass.empty({static_cast<int64_t>(rows.size()), n});
  const int64_t grain = std::max<int64_t>(1, kGrain / n);
  pass.pool().parallel_ranges(y.rows(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(Pass::mutable_f32(y) + i * n, x.f32() + rows[static_cast<size_t>(i)] * n,
                  static_cast<size_t>(n) * sizeof(float));
  });
  pass.tape().record(y, {&x}, [&pass, x, rows, n, grain](const float* dy) {
    float* dx = pass.tape().accumulate(x);
    // A row of x is wanted once, so parts do not meet.
    pass.pool().parallel_ranges(static_cast<int64_t>(rows.size()), grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float* to = dx + rows[static_cast<size_t>(i)] * n;
        kernels().add(to, dy + i * n, to, n);
      }
    });
  });
  return y;
}

Tensor cross_entropy(const Tensor& logits, std::span<const int32_t> targets, std::span<const float> weights) {
  Pass& pass = *logits.pass();
  const int64_t rows = logits.rows(), n = logits.width();
  check(static_cast<int64_t>(targets.size()) == rows && static_cast<int64_t>(weights.size()) == rows,
        "cross_entropy: expected a target and a weight for each row");
  Tensor stats = pass.empty({rows, 3});  // largest, sum, loss
  pass.pool().parallel_ranges(rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto i = static_cast<size_t>(row);
      float* stat = Pass::mutable_f32(stats) + row * 3;
      check(targets[i] >= 0 && targets[i] < n, "cross_entropy: target outside the vocabulary");
      if (weights[i] == 0) {
        stat[2] = 0;
        continue;
      }
      kernels().log_sum_exp(logits.f32() + row * n, n, &stat[0], &stat[1]);
      float log_sum;
      kernels().log(&stat[1], &log_sum, 1);
      stat[2] = weights[i] * (stat[0] + log_sum - logits.f32()[row * n + targets[i]]);
    }
  });
  Tensor loss = pass.empty({1});
  double sum = 0;
  for (int64_t row = 0; row < rows; ++row) sum += stats.f32()[row * 3 + 2];
  Pass::mutable_f32(loss)[0] = static_cast<float>(sum);
  std::vector<int32_t> goals(targets.begin(), targets.end());
  std::vector<float> shares(weights.begin(), weights.end());
  pass.tape().record(loss, {&logits}, [&pass, logits, stats, goals, shares, rows, n](const float* d_loss) {
    float* d_logits = pass.tape().accumulate(logits);
    pass.pool().parallel_ranges(rows, 16, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const float share = shares[static_cast<size_t>(row)] * *d_loss;
        if (share == 0) continue;
        const float* stat = stats.f32() + row * 3;
        kernels().softmax(logits.f32() + row * n, n, stat[0], stat[1], share, d_logits + row * n, true);
        d_logits[row * n + goals[static_cast<size_t>(row)]] -= share;
      }
    });
  });
  return loss;
}

}  // namespace glassbox
