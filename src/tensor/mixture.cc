#include "tensor/mixture.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/pass.h"
#include "tensor/product.h"

namespace glassbox {
namespace {

int64_t grain_of(int64_t width) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width)); }

// --- routing ---

// The `count` largest of values where `open`, ties to the lowest index, taken out of `open`; appended to `chosen`. NaN
// counts as the largest: it shall be seen in what comes out, not passed over.
void take_largest(std::span<const float> values, int64_t count, std::vector<uint8_t>& open,
                  std::vector<int32_t>& chosen) {
  for (int64_t i = 0; i < count; ++i) {
    size_t best = values.size();
    for (size_t e = 0; e < values.size(); ++e)
      if (open[e] &&
          (best == values.size() || values[e] > values[best] || (std::isnan(values[e]) && !std::isnan(values[best]))))
        best = e;
    open[best] = 0;
    chosen.push_back(static_cast<int32_t>(best));
  }
}

float group_worth(std::span<const float> group, RouteRule::Groups kind) {
  float first = -INFINITY, second = -INFINITY;
  for (const float value : group) {
    if (std::isnan(value)) return value;
    if (value > first) {
      second = first;
      first = value;
    } else if (value > second) {
      second = value;
    }
  }
  return kind == RouteRule::Groups::best ? first : first + second;
}

// 1 / (1 + exp(-x))
void sigmoid_of(std::span<const float> x, std::span<float> y) {
  for (size_t i = 0; i < x.size(); ++i) y[i] = -x[i];
  kernels().exp(y.data(), y.data(), static_cast<int64_t>(y.size()));
  for (float& value : y) value = 1.0f / (1.0f + value);
}

// In scratch of one thread: how one token chooses.
struct Chooser {
  const RouteRule& rule;
  std::vector<float> scores, worth;
  std::vector<uint8_t> open, open_groups;
  std::vector<int32_t> chosen, groups;

  explicit Chooser(const RouteRule& r)
      : rule(r),
        scores(static_cast<size_t>(r.experts)),
        worth(static_cast<size_t>(r.groups)),
        open(static_cast<size_t>(r.experts)),
        open_groups(static_cast<size_t>(r.groups)) {}

  // `probability`: what weights are made of, [E]; written. `weights`, `experts`: [k].
  void choose(const float* logits, const float* bias, float* probability, float* weights, int32_t* experts) {
    const auto count = static_cast<size_t>(rule.experts);
    const std::span<const float> all(logits, count);
    const std::span<float> p(probability, count);
    switch (rule.weights) {
      case RouteRule::Weights::softmax: {
        float largest, sum;
        kernels().log_sum_exp(logits, rule.experts, &largest, &sum);
        kernels().softmax(logits, rule.experts, largest, sum, 1, probability, false);
        break;
      }
      case RouteRule::Weights::softmax_of_chosen:
        std::copy(all.begin(), all.end(), p.begin());
        break;
      case RouteRule::Weights::sigmoid:
        sigmoid_of(all, p);
        break;
    }
    for (size_t e = 0; e < count; ++e) scores[e] = bias ? p[e] + bias[e] : p[e];
    std::fill(open.begin(), open.end(), uint8_t{1});
    if (rule.groups_used < rule.groups) {
      const size_t size = count / static_cast<size_t>(rule.groups);
      for (size_t g = 0; g < worth.size(); ++g)
        worth[g] = group_worth(std::span(scores).subspan(g * size, size), rule.group_worth);
      std::fill(open_groups.begin(), open_groups.end(), uint8_t{1});
      groups.clear();
      take_largest(worth, rule.groups_used, open_groups, groups);
      for (size_t e = 0; e < count; ++e) open[e] = !open_groups[e / size];
    }
    chosen.clear();
    take_largest(scores, rule.chosen, open, chosen);
    std::sort(chosen.begin(), chosen.end());
    std::copy(chosen.begin(), chosen.end(), experts);
    if (rule.weights == RouteRule::Weights::softmax_of_chosen) {
      for (int64_t i = 0; i < rule.chosen; ++i) weights[i] = p[static_cast<size_t>(experts[i])];
      float largest, sum;
      kernels().log_sum_exp(weights, rule.chosen, &largest, &sum);
      kernels().softmax(weights, rule.chosen, largest, sum, rule.scale, weights, false);
      return;
    }
    // A bias chooses, and is no part of the weight: one that is NaN still must not go unseen.
    for (int64_t i = 0; i < rule.chosen; ++i) {
      const auto e = static_cast<size_t>(experts[i]);
      weights[i] = std::isnan(scores[e]) ? scores[e] : p[e];
    }
    const float by = rule.normalised ? rule.scale / sum_of(weights) : rule.scale;
    for (int64_t i = 0; i < rule.chosen; ++i) weights[i] *= by;
  }

  float sum_of(const float* weights) const {
    float sum = 0;
    for (int64_t i = 0; i < rule.chosen; ++i) sum += weights[i];
    // Sigmoids may all be 0; then nothing is chosen for anything, rather than everything for NaN.
    return rule.weights == RouteRule::Weights::sigmoid ? sum + 1e-20f : sum;
  }
};

// Gradient of one token's weights into its scores. p: as choose() wrote it; w: the weights.
void choice_backward(const RouteRule& rule, const float* p, const float* w, const int32_t* experts, const float* dw,
                     float* d_scores, std::vector<float>& dp) {
  const auto at = [&](int64_t i) { return static_cast<size_t>(experts[i]); };
  if (rule.weights == RouteRule::Weights::softmax_of_chosen) {
    float along = 0;
    for (int64_t i = 0; i < rule.chosen; ++i) along += dw[i] * w[i];
    for (int64_t i = 0; i < rule.chosen; ++i) d_scores[at(i)] += w[i] * (dw[i] - along / rule.scale);
    return;
  }
  // Of the chosen, back through scale and sum.
  dp.assign(static_cast<size_t>(rule.chosen), 0);
  if (rule.normalised) {
    float sum = rule.weights == RouteRule::Weights::sigmoid ? 1e-20f : 0, along = 0;
    for (int64_t i = 0; i < rule.chosen; ++i) {
      sum += p[at(i)];
      along += dw[i] * w[i];
    }
    for (int64_t i = 0; i < rule.chosen; ++i) dp[static_cast<size_t>(i)] = (dw[i] * rule.scale - along) / sum;
  } else {
    for (int64_t i = 0; i < rule.chosen; ++i) dp[static_cast<size_t>(i)] = dw[i] * rule.scale;
  }
  if (rule.weights == RouteRule::Weights::sigmoid) {
    for (int64_t i = 0; i < rule.chosen; ++i) d_scores[at(i)] += dp[static_cast<size_t>(i)] * p[at(i)] * (1 - p[at(i)]);
    return;
  }
  float along = 0;
  for (int64_t i = 0; i < rule.chosen; ++i) along += dp[static_cast<size_t>(i)] * p[at(i)];
  for (int64_t e = 0; e < rule.experts; ++e) d_scores[e] -= p[e] * along;
  for (int64_t i = 0; i < rule.chosen; ++i) d_scores[at(i)] += dp[static_cast<size_t>(i)] * p[at(i)];
}

// Counting sort of (token, slot) by expert: stable, so that an expert's rows lie in the order of tokens.
void order_rows(int64_t experts, Routing::Order& order) {
  order.first.assign(static_cast<size_t>(experts) + 1, 0);
  for (const int32_t e : order.expert) ++order.first[static_cast<size_t>(e) + 1];
  for (size_t e = 0; e < static_cast<size_t>(experts); ++e) order.first[e + 1] += order.first[e];
  std::vector<int64_t> next(order.first.begin(), order.first.end() - 1);
  order.row.resize(order.expert.size());
  order.source.resize(order.expert.size());
  for (size_t i = 0; i < order.expert.size(); ++i) {
    const int64_t row = next[static_cast<size_t>(order.expert[i])]++;
    order.row[i] = static_cast<int32_t>(row);
    order.source[static_cast<size_t>(row)] = static_cast<int32_t>(i);
  }
}

}  // namespace

Routing route(const Tensor& scores, const RouteRule& rule, const std::optional<Tensor>& bias) {
  check(scores.width() == rule.experts && rule.chosen > 0 && rule.chosen <= rule.experts, "route: sizes do not fit");
  check(rule.groups > 0 && rule.experts % rule.groups == 0 && rule.groups_used > 0 && rule.groups_used <= rule.groups &&
            rule.chosen <= rule.experts / rule.groups * rule.groups_used,
        "route: groups do not fit");
  check(!bias || bias->shape().elements() == rule.experts, "route: expected a bias for each expert");
  Pass& pass = *scores.pass();
  const int64_t tokens = scores.rows(), experts = rule.experts, k = rule.chosen;
  Tensor probability = pass.empty({tokens, experts}), weights = pass.empty({tokens, k});
  const Tensor wide = bias ? widened(pass, *bias) : Tensor();
  auto order = std::make_shared<Routing::Order>();
  order->expert.resize(static_cast<size_t>(tokens * k));
  pass.pool().parallel_ranges(tokens, 16, [&](int64_t begin, int64_t end) {
    Chooser chooser(rule);
    for (int64_t t = begin; t < end; ++t)
      chooser.choose(scores.f32() + t * experts, wide ? wide.f32() : nullptr,
                     Pass::mutable_f32(probability) + t * experts, Pass::mutable_f32(weights) + t * k,
                     order->expert.data() + t * k);
  });
  order_rows(experts, *order);
  pass.tape().record(weights, {&scores}, [&pass, scores, rule, probability, weights, order, tokens](const float* dw) {
    float* d_scores = pass.tape().accumulate(scores);
    pass.pool().parallel_ranges(tokens, 16, [&](int64_t begin, int64_t end) {
      std::vector<float> dp;
      for (int64_t t = begin; t < end; ++t)
        choice_backward(rule, probability.f32() + t * rule.experts, weights.f32() + t * rule.chosen,
                        order->expert.data() + t * rule.chosen, dw + t * rule.chosen, d_scores + t * rule.experts, dp);
    });
  });
  return {experts, k, weights, order};
}

Tensor dispatch(const Tensor& x, const Routing& to) {
  check(x.rows() * to.chosen == to.rows(), "dispatch: expected the tokens that were routed");
  Pass& pass = *x.pass();
  const int64_t n = x.width(), k = to.chosen;
  Tensor y = pass.empty({to.rows(), n});
  pass.pool().parallel_ranges(to.rows(), grain_of(n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      std::memcpy(Pass::mutable_f32(y) + row * n, x.f32() + to.order->source[static_cast<size_t>(row)] / k * n,
                  static_cast<size_t>(n) * sizeof(float));
  });
  pass.tape().record(y, {&x}, [&pass, x, to, n, k](const float* dy) {
    float* dx = pass.tape().accumulate(x);
    pass.pool().parallel_ranges(x.rows(), grain_of(n * k), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * k; i < end * k; ++i)
        kernels().add(dx + i / k * n, dy + to.order->row[static_cast<size_t>(i)] * n, dx + i / k * n, n);
    });
  });
  return y;
}

Tensor weighted(const Tensor& x, const Routing& to) {
  check(x.rows() == to.rows(), "weighted: expected a row for each token and expert of its choice");
  Pass& pass = *x.pass();
  const int64_t n = x.width();
  Tensor y = pass.empty({to.rows(), n});
  pass.pool().parallel_ranges(to.rows(), grain_of(n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      std::memcpy(Pass::mutable_f32(y) + row * n, x.f32() + row * n, static_cast<size_t>(n) * sizeof(float));
      kernels().scale(to.weights.f32()[to.order->source[static_cast<size_t>(row)]], Pass::mutable_f32(y) + row * n, n);
    }
  });
  pass.tape().record(y, {&x, &to.weights}, [&pass, x, to, n](const float* dy) {
    float *dx = pass.tape().accumulate(x), *dw = pass.tape().accumulate(to.weights);
    pass.pool().parallel_ranges(to.rows(), grain_of(n), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const auto source = to.order->source[static_cast<size_t>(row)];
        if (dx) kernels().scale_add(to.weights.f32()[source], dy + row * n, dx + row * n, n);
        if (dw) {
          float dot;
          kernels().matmul_f32(dy + row * n, n, x.f32() + row * n, n, &dot, 1, 1, 1, n);
          dw[source] += dot;
        }
      }
    });
  });
  return y;
}

Tensor combine(const Tensor& y, const Routing& to, bool weights) {
  check(y.rows() == to.rows(), "combine: expected a row for each token and expert of its choice");
  Pass& pass = *y.pass();
  const int64_t n = y.width(), k = to.chosen, tokens = to.rows() / k;
  Tensor out = pass.empty({tokens, n});
  const auto weight_of = [](const Routing& routing, bool used, int64_t i) {
    return used ? routing.weights.f32()[i] : 1.0f;
  };
  pass.pool().parallel_ranges(tokens, grain_of(n * k), [&](int64_t begin, int64_t end) {
    std::fill_n(Pass::mutable_f32(out) + begin * n, (end - begin) * n, 0.0f);
    for (int64_t i = begin * k; i < end * k; ++i)
      kernels().scale_add(weight_of(to, weights, i), y.f32() + to.order->row[static_cast<size_t>(i)] * n,
                          Pass::mutable_f32(out) + i / k * n, n);
  });
  const auto backward = [&pass, y, to, weights, weight_of, n, k, tokens](const float* d_out) {
    float *dy = pass.tape().accumulate(y), *dw = weights ? pass.tape().accumulate(to.weights) : nullptr;
    pass.pool().parallel_ranges(tokens, grain_of(n * k), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * k; i < end * k; ++i) {
        const int64_t row = to.order->row[static_cast<size_t>(i)];
        if (dy) kernels().scale_add(weight_of(to, weights, i), d_out + i / k * n, dy + row * n, n);
        if (dw) {
          float dot;
          kernels().matmul_f32(d_out + i / k * n, n, y.f32() + row * n, n, &dot, 1, 1, 1, n);
          dw[i] += dot;
        }
      }
    });
  };
  if (weights)
    pass.tape().record(out, {&y, &to.weights}, backward);
  else
    pass.tape().record(out, {&y}, backward);
  return out;
}

Tensor grouped_bias(const Tensor& x, const Routing& to, const Tensor& bias) {
  check(x.rows() == to.rows() && bias.shape() == (Shape{to.experts, x.width()}), "grouped_bias: sizes do not fit");
  Pass& pass = *x.pass();
  const Tensor wide = widened(pass, bias);
  const int64_t n = x.width();
  Tensor y = pass.empty(x.shape());
  const auto expert_of = [](const Routing& routing, int64_t row) {
    return routing.order->expert[static_cast<size_t>(routing.order->source[static_cast<size_t>(row)])];
  };
  pass.pool().parallel_ranges(to.rows(), grain_of(n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      kernels().add(x.f32() + row * n, wide.f32() + expert_of(to, row) * n, Pass::mutable_f32(y) + row * n, n);
  });
  pass.tape().record(y, {&x, &bias}, [&pass, x, to, bias, n](const float* dy) {
    if (float* dx = pass.tape().accumulate(x)) kernels().add(dx, dy, dx, x.shape().elements());
    if (float* db = pass.tape().accumulate(bias))
      pass.pool().parallel_for(to.experts, [&](int64_t e) {
        for (int64_t row = to.order->first[static_cast<size_t>(e)]; row < to.order->first[static_cast<size_t>(e) + 1];
             ++row)
          kernels().add(db + e * n, dy + row * n, db + e * n, n);
      });
  });
  return y;
}

Tensor offer_rows(const Tensor& x, const Routing& to, std::string_view module, std::string_view end) {
  Pass& pass = *x.pass();
  if (!pass.listens()) return x;
  const int64_t n = x.width();
  Tensor result = x;
  for (int64_t e = 0; e < to.experts; ++e) {
    const int64_t first = to.order->first[static_cast<size_t>(e)], rows = to.rows_of(e);
    const std::string name = fmt::format(".{}.{}{}", e, module, end);
    const std::string path = std::string(pass.here()) + name;
    const auto wanted = [&](const Run& run) { return run.taps && run.taps->wants(path); };
    if (rows == 0 || std::ranges::none_of(pass.runs(), wanted)) continue;
    const size_t bytes = static_cast<size_t>(rows * n) * sizeof(float);
    std::vector<int32_t> tokens;
    for (int64_t row = first; row < first + rows; ++row) tokens.push_back(to.token_of(row));
    Tensor own = pass.empty({rows, n});
    std::memcpy(Pass::mutable_f32(own), result.f32() + first * n, bytes);
    const Tensor offered = pass.offer(own, name, tokens);
    if (offered.f32() == own.f32()) continue;
    if (result.f32() == x.f32()) {
      result = pass.empty(x.shape());
      std::memcpy(Pass::mutable_f32(result), x.f32(), x.bytes());
    }
    std::memcpy(Pass::mutable_f32(result) + first * n, offered.f32(), bytes);
  }
  return result;
}

Tensor clamped_swiglu(const Tensor& x, float alpha, float limit) {
  check(x.width() % 2 == 0, "clamped_swiglu: expected gate and up in turn");
  Pass& pass = *x.pass();
  const int64_t n = x.width() / 2, rows = x.rows();
  Tensor y = pass.empty({rows, n}), sigmoid = pass.empty({rows, n});  // of alpha gate
  pass.pool().parallel_ranges(rows, grain_of(n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* from = x.f32() + row * 2 * n;
      float *s = Pass::mutable_f32(sigmoid) + row * n, *to = Pass::mutable_f32(y) + row * n;
      for (int64_t i = 0; i < n; ++i) s[i] = -alpha * std::min(from[2 * i], limit);
      kernels().exp(s, s, n);
      for (int64_t i = 0; i < n; ++i) {
        s[i] = 1.0f / (1.0f + s[i]);
        const float gate = std::min(from[2 * i], limit), up = std::clamp(from[2 * i + 1], -limit, limit);
        to[i] = (up + 1.0f) * (gate * s[i]);
      }
    }
  });
  pass.tape().record(y, {&x}, [&pass, x, sigmoid, alpha, limit, n, rows](const float* dy) {
    float* dx = pass.tape().accumulate(x);
    pass.pool().parallel_ranges(rows, grain_of(n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * n; i < end * n; ++i) {
        const float gate = std::min(x.f32()[2 * i], limit), up = std::clamp(x.f32()[2 * i + 1], -limit, limit);
        const float s = sigmoid.f32()[i], slope = s + alpha * gate * s * (1 - s);
        if (x.f32()[2 * i] <= limit) dx[2 * i] += dy[i] * (up + 1) * slope;
        if (x.f32()[2 * i + 1] >= -limit && x.f32()[2 * i + 1] <= limit) dx[2 * i + 1] += dy[i] * gate * s;
      }
    });
  });
  return y;
}

}  // namespace glassbox
