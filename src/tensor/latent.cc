#include "tensor/latent.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/numbers.h"
#include "tensor/pass.h"

namespace glassbox {
namespace {

constexpr int64_t kFewTokens = 2;
constexpr int64_t kTokenPart = 192;  // tokens of a head that a thread takes at once

// The rows of kv_b_proj that are one head's keys or values.
struct PerHead {
  Pass* pass;
  Tensor w;
  int64_t tokens, heads, stride, begin, count, latent;  // rows a head, the first, how many; C

  int64_t row(int64_t head) const { return head * stride + begin; }
  // Each head and some tokens of it, on all threads.
  template <class Body>
  void each(const Body& body) const {
    const int64_t parts = (tokens + kTokenPart - 1) / kTokenPart;
    pass->pool().parallel_for(heads * parts, [&](int64_t i) {
      const int64_t from = i % parts * kTokenPart;
      body(i / parts, from, std::min(tokens, from + kTokenPart));
    });
  }
  // A head's rows as float32 in `wide`, or where they lie if they may be used as they are.
  const void* rows_of(int64_t head, std::vector<float>& wide, DType& type, bool float_only) const {
    type = w.dtype();
    const int64_t at = row(head) * latent;
    if (type == DType::f32) return w.f32() + at;
    if (type == DType::bf16 && !float_only) return w.data<uint16_t>() + at;
    wide.resize(static_cast<size_t>(count * latent));
    to_float(type, w.data<uint16_t>() + at, wide.data(), count * latent);
    type = DType::f32;
    return wide.data();
  }
  const float* float_rows_of(int64_t head, std::vector<float>& wide) const {
    DType type;
    return static_cast<const float*>(rows_of(head, wide, type, true));
  }

  // y[t, h] += x[t, h] rows: a chain over the rows.
  void times(const float* x, float* y) const {
    each([&](int64_t h, int64_t from, int64_t to) {
      if (to - from <= kFewTokens) return times_few(x, y, h, from, to);
      std::vector<float> wide;
      DType type;
      const void* rows = rows_of(h, wide, type, false);
      kernels().gemm(x + (from * heads + h) * count, heads * count, 1, rows, type, latent,
                     y + (from * heads + h) * latent, heads * latent, to - from, latent, count);
    });
  }
  // The same chains where packing the rows would cost more than reading them: a row is widened once.
  void times_few(const float* x, float* y, int64_t h, int64_t from, int64_t to) const {
    std::vector<float> wide(static_cast<size_t>(latent));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = (row(h) + i) * latent;
      const float* r = wide.data();
      if (w.dtype() == DType::f32)
        r = w.f32() + at;
      else
        to_float(w.dtype(), w.data<uint16_t>() + at, wide.data(), latent);
      for (int64_t t = from; t < to; ++t)
        kernels().scale_add(x[(t * heads + h) * count + i], r, y + (t * heads + h) * latent, latent);
    }
  }
  // y[t, h] += rows x[t, h], in float32.
  void transposed_times(const float* x, float* y) const {
    each([&](int64_t h, int64_t from, int64_t to) {
      std::vector<float> wide, product(static_cast<size_t>((to - from) * count));
      kernels().matmul_f32(x + (from * heads + h) * latent, heads * latent, float_rows_of(h, wide), latent,
                           product.data(), count, to - from, count, latent);
      for (int64_t t = from; t < to; ++t)
        kernels().add(y + (t * heads + h) * count, product.data() + (t - from) * count, y + (t * heads + h) * count,
                      count);
    });
  }
  // dw of the rows += a[t, h]^T b[t, h], a over the rows, b over the latent: a chain over tokens.
  void gather_gradient(const float* a, const float* b, float* dw) const {
    pass->pool().parallel_for(heads, [&](int64_t h) {
      kernels().gemm(a + h * count, 1, heads * count, b + h * latent, DType::f32, heads * latent, dw + row(h) * latent,
                     latent, count, latent, tokens);
    });
  }
};

PerHead per_head(Pass& pass, const Tensor& x, const Tensor& w, int64_t stride, int64_t begin, int64_t count) {
  const int64_t heads = x.shape()[1];
  check(w.shape().rank() == 2 && w.shape()[0] == heads * stride, "latent: kv_b_proj has other heads");
  if (w.dtype() != DType::f32 && w.dtype() != DType::f16 && w.dtype() != DType::bf16)
    fail(ErrorKind::unsupported, "latent: kv_b_proj of dtype {} is not supported", info(w.dtype()).name);
  return {&pass, w, x.shape()[0], heads, stride, begin, count, w.width()};
}

}  // namespace

Tensor absorb_queries(const Tensor& q, const Tensor& kv_b_proj) {
  Pass& pass = *q.pass();
  check(q.shape().rank() == 3 && kv_b_proj.shape()[0] % q.shape()[1] == 0, "absorb_queries: heads do not fit");
  const PerHead keys = per_head(pass, q, kv_b_proj, kv_b_proj.shape()[0] / q.shape()[1], 0, q.width());
  Tensor y = pass.empty({keys.tokens, keys.heads, keys.latent});
  std::memset(Pass::mutable_f32(y), 0, y.bytes());
  keys.times(q.f32(), Pass::mutable_f32(y));
  pass.tape().record(y, {&q, &kv_b_proj}, [&pass, q, kv_b_proj, keys](const float* dy) {
    if (float* dq = pass.tape().accumulate(q)) keys.transposed_times(dy, dq);
    if (float* dw = pass.tape().accumulate(kv_b_proj)) keys.gather_gradient(q.f32(), dy, dw);
  });
  return y;
}

Tensor expand_values(const Tensor& x, const Tensor& kv_b_proj, int64_t value_dim) {
  Pass& pass = *x.pass();
  check(x.shape().rank() == 3 && x.width() == kv_b_proj.width() && kv_b_proj.shape()[0] % x.shape()[1] == 0,
        "expand_values: shapes do not fit");
  const int64_t stride = kv_b_proj.shape()[0] / x.shape()[1];
  const PerHead values = per_head(pass, x, kv_b_proj, stride, stride - value_dim, value_dim);
  const int64_t heads = values.heads, c = values.latent, v = value_dim;
  const bool halves = kv_b_proj.dtype() == DType::bf16;
  Tensor seen = x, y = pass.empty({values.tokens, heads, v});
  if (halves) {
    seen = pass.empty(x.shape(), DType::bf16);
    pass.pool().parallel_ranges(x.shape().elements(), 1 << 15, [&](int64_t begin, int64_t end) {
      kernels().to_bf16(x.f32() + begin, Pass::mutable_u16(seen) + begin, end - begin);
    });
  }
  values.each([&](int64_t h, int64_t from, int64_t to) {
    std::vector<float> wide;
    DType type;
    const void* rows = values.rows_of(h, wide, type, false);
    const int64_t at = (from * heads + h) * c;
    float* into = Pass::mutable_f32(y) + (from * heads + h) * v;
    if (halves)
      kernels().matmul_bf16(seen.data<uint16_t>() + at, heads * c, static_cast<const uint16_t*>(rows), c, into,
                            heads * v, to - from, v, c);
    else
      kernels().matmul_f32(seen.f32() + at, heads * c, static_cast<const float*>(rows), c, into, heads * v, to - from,
                           v, c);
  });
  pass.tape().record(y, {&x, &kv_b_proj}, [&pass, x, seen, kv_b_proj, values](const float* dy) {
    if (float* dx = pass.tape().accumulate(x)) values.times(dy, dx);
    if (float* dw = pass.tape().accumulate(kv_b_proj)) {
      Tensor wide = seen;
      if (seen.dtype() == DType::bf16) {
        wide = pass.empty(seen.shape());
        kernels().from_bf16(seen.data<uint16_t>(), Pass::mutable_f32(wide), seen.shape().elements());
      }
      values.gather_gradient(dy, wide.f32(), dw);
    }
  });
  return y;
}

}  // namespace glassbox
