#include "tensor/scan.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/pass.h"
#include "tensor/product.h"

namespace glassbox {
namespace {

// Rows of a run before its first, as the state keeps them, oldest first, and then its own.
struct Rows {
  const float* before;  // null: zeros
  const float* own;     // of the run's first token
  int64_t channels, kept;

  const float* operator[](int64_t row) const {
    if (row >= 0) return own + row * channels;
    return before ? before + (row + kept) * channels : nullptr;
  }
};

Rows rows_of(const Run& run, int64_t layer, const Tensor& x, int64_t kernel) {
  return {run.memory->state(layer), x.f32() + run.begin * x.width(), x.width(), kernel - 1};
}

}  // namespace

Tensor short_conv(int64_t layer, const Tensor& x, const Tensor& w) {
  Pass& pass = *x.pass();
  const int64_t channels = x.width(), kernel = w.width();
  check(w.shape() == Shape({channels, kernel}), "short_conv: expected a kernel for each channel");
  const Tensor taps = widened(pass, w);
  Tensor y = pass.empty(x.shape());
  pass.pool().parallel_for(static_cast<int64_t>(pass.runs().size()), [&](int64_t r) {
    const Run& run = pass.runs()[static_cast<size_t>(r)];
    const auto& state = run.memory->shape().layer(layer).state;
    check(state && state->channels == channels && state->kernel == kernel, "short_conv: a state of another shape");
    const Rows rows = rows_of(run, layer, x, kernel);
    const int64_t count = run.end - run.begin;
    for (int64_t t = 0; t < count; ++t) {
      float* to = Pass::mutable_f32(y) + (run.begin + t) * channels;
      std::fill_n(to, channels, 0.0f);
      for (int64_t j = 0; j < kernel; ++j)
        if (const float* from = rows[t - kernel + 1 + j])
          for (int64_t c = 0; c < channels; ++c) to[c] += taps.f32()[c * kernel + j] * from[c];
    }
    float* next = run.memory->next_state(layer);
    for (int64_t i = 0; i < kernel - 1; ++i) {
      const float* from = rows[count - (kernel - 1) + i];
      if (from)
        std::memcpy(next + i * channels, from, static_cast<size_t>(channels) * sizeof(float));
      else
        std::fill_n(next + i * channels, channels, 0.0f);
    }
  });
  pass.tape().record(y, {&x, &w}, [&pass, layer, x, w, taps, channels, kernel](const float* dy) {
    float* dx = pass.tape().accumulate(x);
    float* dw = pass.tape().accumulate(w);
    // Channels by themselves, each over all tokens in order.
    pass.pool().parallel_ranges(channels, 16, [&](int64_t begin, int64_t end) {
      for (const Run& run : pass.runs()) {
        const Rows rows = rows_of(run, layer, x, kernel);
        for (int64_t t = 0; t < run.end - run.begin; ++t) {
          const float* d = dy + (run.begin + t) * channels;
          for (int64_t j = 0; j < kernel; ++j) {
            const int64_t row = t - kernel + 1 + j;
            const float* from = rows[row];
            for (int64_t c = begin; c < end; ++c) {
              if (dw && from) dw[c * kernel + j] += d[c] * from[c];
              if (dx && row >= 0) dx[(run.begin + row) * channels + c] += d[c] * taps.f32()[c * kernel + j];
            }
          }
        }
      }
    });
  });
  return y;
}

namespace {

// One head of one run.
struct Delta {
  const float *q, *k, *v, *decay, *beta;  // of the first token; decay as a factor
  int64_t heads, keys, values, decays;    // H, E, F, and how many decays a token has

  const float* at(const float* of, int64_t t, int64_t width) const { return of + t * heads * width; }

  // S <- what it is after token t; error: v - k^T S of the decayed S, [F].
  void step(int64_t t, float* s, float* error) const {
    const float* key = at(k, t, keys);
    const float* value = at(v, t, values);
    const float* factor = at(decay, t, decays);
    std::fill_n(error, values, 0.0f);
    for (int64_t e = 0; e < keys; ++e) {
      const float by = factor[decays == 1 ? 0 : e];
      for (int64_t f = 0; f < values; ++f) {
        s[e * values + f] *= by;
        error[f] += key[e] * s[e * values + f];
      }
    }
    for (int64_t f = 0; f < values; ++f) error[f] = value[f] - error[f];
    const float by = *at(beta, t, 1);
    for (int64_t e = 0; e < keys; ++e)
      for (int64_t f = 0; f < values; ++f) s[e * values + f] += key[e] * (by * error[f]);
  }
  void read(int64_t t, const float* s, float* y) const {
    const float* query = at(q, t, keys);
    std::fill_n(y, values, 0.0f);
    for (int64_t e = 0; e < keys; ++e)
      for (int64_t f = 0; f < values; ++f) y[f] += query[e] * s[e * values + f];
  }
};

struct Scan {
  int64_t layer;
  Tensor q, k, v, decay, beta;
  Tensor factors;  // e^decay

  int64_t heads() const { return q.shape()[1]; }
  int64_t state_size() const { return q.width() * v.width(); }
  Delta of(const Run& run, int64_t head) const {
    const int64_t row = run.begin * heads() + head;
    return {q.f32() + row * q.width(),
            k.f32() + row * k.width(),
            v.f32() + row * v.width(),
            factors.f32() + row * factors.width(),
            beta.f32() + row,
            heads(),
            q.width(),
            v.width(),
            factors.width()};
  }
  // Where the head's state is in the layer's.
  int64_t place(const Run& run, int64_t head) const {
    return run.memory->shape().layer(layer).state->convolution() + head * state_size();
  }
  void begin(const Run& run, int64_t head, float* s) const {
    if (const float* before = run.memory->state(layer))
      std::memcpy(s, before + place(run, head), static_cast<size_t>(state_size()) * sizeof(float));
    else
      std::fill_n(s, state_size(), 0.0f);
  }
  template <class Body>
  void each(Pass& pass, const Body& body) const {
    pass.pool().parallel_for(static_cast<int64_t>(pass.runs().size()) * heads(),
                             [&](int64_t i) { body(pass.runs()[static_cast<size_t>(i / heads())], i % heads()); });
  }

  void forward(Pass& pass, float* y) const {
    each(pass, [&](const Run& run, int64_t head) {
      const auto& state = run.memory->shape().layer(layer).state;
      check(state && state->recurrent == heads() * state_size(), "scan_delta: a state of another shape");
      const Delta delta = of(run, head);
      float* s = run.memory->next_state(layer) + place(run, head);
      begin(run, head, s);
      std::vector<float> error(static_cast<size_t>(delta.values));
      for (int64_t t = 0; t < run.end - run.begin; ++t) {
        delta.step(t, s, error.data());
        delta.read(t, s, y + ((run.begin + t) * heads() + head) * delta.values);
      }
    });
  }

  // Backwards through each token, d being the gradient of S after it, which becomes that of S before it.
  void backward(Pass& pass, const float* dy, float* dq, float* dk, float* dv, float* d_decay, float* d_beta) const {
    each(pass, [&](const Run& run, int64_t head) {
      const Delta delta = of(run, head);
      const int64_t tokens = run.end - run.begin, keys = delta.keys, values = delta.values;
      const auto size = static_cast<size_t>(state_size()), width = static_cast<size_t>(values);
      std::vector<float> states(static_cast<size_t>(tokens + 1) * size), errors(static_cast<size_t>(tokens) * width);
      begin(run, head, states.data());
      for (int64_t t = 0; t < tokens; ++t) {
        float* s = states.data() + static_cast<size_t>(t + 1) * size;
        std::copy_n(s - size, size, s);
        delta.step(t, s, errors.data() + static_cast<size_t>(t) * width);
      }
      std::vector<float> d(size), du(width);  // of S, and of what k is multiplied with and added
      for (int64_t t = tokens - 1; t >= 0; --t) {
        const int64_t row = (run.begin + t) * heads() + head;
        const float* key = delta.at(delta.k, t, keys);
        const float* query = delta.at(delta.q, t, keys);
        const float* factor = delta.at(delta.decay, t, delta.decays);
        const float* error = errors.data() + static_cast<size_t>(t) * width;
        const float* out = dy + row * values;
        const float* after = states.data() + static_cast<size_t>(t + 1) * size;
        const float* before = after - size;
        const float beta_t = *delta.at(delta.beta, t, 1);
        std::fill(du.begin(), du.end(), 0.0f);
        for (int64_t e = 0; e < keys; ++e)
          for (int64_t f = 0; f < values; ++f) {
            const int64_t i = e * values + f;
            d[static_cast<size_t>(i)] += query[e] * out[f];
            dq[row * keys + e] += after[i] * out[f];
            dk[row * keys + e] += d[static_cast<size_t>(i)] * (beta_t * error[f]);
            du[static_cast<size_t>(f)] += key[e] * d[static_cast<size_t>(i)];
          }
        for (int64_t f = 0; f < values; ++f) {
          dv[row * values + f] += beta_t * du[static_cast<size_t>(f)];
          d_beta[row] += du[static_cast<size_t>(f)] * error[f];
        }
        for (int64_t e = 0; e < keys; ++e) {
          const int64_t which = delta.decays == 1 ? 0 : e;
          for (int64_t f = 0; f < values; ++f) {
            const int64_t i = e * values + f;
            const float decayed = factor[which] * before[i];
            float& d_i = d[static_cast<size_t>(i)];
            dk[row * keys + e] -= beta_t * du[static_cast<size_t>(f)] * decayed;
            d_i -= beta_t * key[e] * du[static_cast<size_t>(f)];
            d_decay[row * delta.decays + which] += d_i * decayed;
            d_i *= factor[which];
          }
        }
      }
    });
  }
};

}  // namespace

Tensor scan_delta(int64_t layer, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& decay,
                  const Tensor& beta) {
  Pass& pass = *q.pass();
  const int64_t tokens = q.shape()[0], heads = q.shape()[1];
  check(k.shape() == q.shape() && v.shape() == Shape({tokens, heads, v.width()}) &&
            beta.shape() == Shape({tokens, heads, 1}) && (decay.shape() == beta.shape() || decay.shape() == q.shape()),
        "scan_delta: shapes do not fit");
  const Tensor factors = pass.empty(decay.shape());
  kernels().exp(decay.f32(), Pass::mutable_f32(factors), decay.shape().elements());
  const Scan scan{layer, q, k, v, decay, beta, factors};
  Tensor y = pass.empty(v.shape());
  scan.forward(pass, Pass::mutable_f32(y));
  pass.tape().record(y, {&q, &k, &v, &decay, &beta}, [&pass, scan](const float* dy) {
    std::vector<Tensor> unwanted;  // sums nobody asked for still need a place
    const auto sum = [&](const Tensor& t) {
      if (float* into = pass.tape().accumulate(t)) return into;
      return Pass::mutable_f32(unwanted.emplace_back(pass.empty(t.shape())));
    };
    scan.backward(pass, dy, sum(scan.q), sum(scan.k), sum(scan.v), sum(scan.decay), sum(scan.beta));
  });
  return y;
}

}  // namespace glassbox
