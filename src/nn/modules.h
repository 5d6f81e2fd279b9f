// Modules: pieces that own weights. Fields are named as the checkpoint's keys, and Named gives them their path, which
// is the name of their taps: `model.layers.3.self_attn.in` and `.out`.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nn/weights.h"
#include "tensor/adapter.h"
#include "tensor/words.h"

namespace glassbox {

// While it lives, the pass walks the module at `path`.
struct Inside {
  Inside(Pass& in, std::string_view path) : pass(in), before(in.enter(path)) {}
  ~Inside() { pass.enter(before); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  Pass& pass;
  std::string_view before;
};

// A module at its place: made of the weights there, and called as the module is. A module is anything that is
// constructed from Weights and what else it needs, and called with a value [T, ...] of the pass, or with the pass
// itself where it begins one. Immutable once built; errors of its weights are Error(bad_file | unsupported) naming the
// tensor.
template <class Module>
class Named {
 public:
  template <class... Arguments>
  explicit Named(const Weights& w, Arguments&&... arguments)
      : path_(w.path()), module_(w, std::forward<Arguments>(arguments)...) {}

  // Offers what goes in and what comes out to the taps of runs.
  template <class... More>
  Tensor operator()(const Tensor& x, const More&... more) const {
    Pass& pass = *x.pass();
    const Inside inside(pass, path_);
    return pass.offer(module_(pass.offer(x, ".in"), more...), ".out");
  }
  Tensor operator()(Pass& pass) const {
    const Inside inside(pass, path_);
    return pass.offer(module_(pass), ".out");
  }

  const std::string& path() const { return path_; }
  const Module& operator*() const { return module_; }
  const Module* operator->() const { return &module_; }

 private:
  std::string path_;
  Module module_;
};

// x weight^T + bias: [T, inputs] -> [T, outputs]. Arithmetic by the weight's dtype (tensor/words.h, matmul); what the
// run's adapter changes is added for its rows alone.
struct Linear {
  Tensor weight;               // [outputs, inputs]
  std::optional<Tensor> bias;  // [outputs]

  Linear(const Weights& w, int64_t outputs, int64_t inputs, bool has_bias = false)
      : weight(w.tensor("weight", {outputs, inputs})) {
    if (has_bias) bias = w.tensor("bias", {outputs});
  }
  Tensor operator()(const Tensor& x) const {
    const Tensor y = adapted(x, weight, with_weight(x, weight, AdaptableWeight::Kind::linear, "weight", matmul));
    return bias ? with_weight(y, *bias, AdaptableWeight::Kind::vector, "bias", add_bias) : y;
  }
};

// What each of these makes of the same input, in one loop where nobody looks at them one by one.
template <class... Linears>
std::array<Tensor, sizeof...(Linears)> project(const Tensor& x, const Linears&... linears) {
  Pass& pass = *x.pass();
  if ((pass.listens_around(linears.path()) || ...) || pass.adapts() || pass.visitor()) return {linears(x)...};
  const Tensor* const weights[] = {&linears->weight...};
  const std::vector<Tensor> products = matmul_each(x, weights);
  const Tensor* y = products.data();
  const auto biased = [&](const Linear& linear) { return linear.bias ? add_bias(*y++, *linear.bias) : *y++; };
  return {biased(*linears)...};
}

// The output matrix: of its own, or the embedding's, whose place `w` then is. Adapters know it as lm_head either way.
struct LmHead : Linear {
  std::string path;

  LmHead(const Weights& w, int64_t vocabulary, int64_t width) : Linear(w, vocabulary, width), path(w.path()) {
    constexpr std::string_view kTied = "model.embed_tokens";
    if (path.ends_with(kTied)) path.replace(path.size() - kTied.size(), kTied.size(), "lm_head");
  }
  Tensor operator()(const Tensor& x) const {
    const Inside inside(*x.pass(), path);
    return Linear::operator()(x);
  }
};

// x / sqrt(mean(x^2) + eps) * weight over the last dimension (arXiv:1910.07467), which is a width of the model or, for
// norms of heads, of a head.
struct RmsNorm {
  Tensor weight;  // [D]
  float eps;

  RmsNorm(const Weights& w, int64_t width, float epsilon) : RmsNorm(w.tensor("weight", {width}), epsilon) {}
  Tensor operator()(const Tensor& x) const { return normed(x, 0); }

 protected:
  RmsNorm(Tensor w, float epsilon) : weight(std::move(w)), eps(epsilon) {}
  Tensor normed(const Tensor& x, float offset) const {
    return with_weight(x, weight, AdaptableWeight::Kind::vector, "weight",
                       [this, offset](const Tensor& rows, const Tensor& w) { return rms_norm(rows, w, eps, offset); });
  }
};

// (x - mean) / deviation * weight + bias (arXiv:1607.06450).
struct LayerNorm {
  Tensor weight;               // [D]
  std::optional<Tensor> bias;  // [D]
  float eps;

  LayerNorm(const Weights& w, int64_t width, float epsilon, bool has_bias = true)
      : weight(w.tensor("weight", {width})), eps(epsilon) {
    if (has_bias) bias = w.tensor("bias", {width});
  }
  Tensor operator()(const Tensor& x) const {
    using enum AdaptableWeight::Kind;
    const Tensor y = with_weight(layer_norm(x, eps), weight, vector, "weight", scale_columns);
    return bias ? with_weight(y, *bias, vector, "bias", add_bias) : y;
  }
};

// down(activation(gate(x)) * up(x)) (arXiv:2002.05202): [T, D] -> [T, D] by way of [T, inner].
struct GatedMlp {
  using Activation = Tensor (*)(const Tensor&);
  Named<Linear> gate_proj, up_proj, down_proj;
  Activation activation;

  GatedMlp(const Weights& w, int64_t width, int64_t inner, Activation activation, bool has_bias = false)
      : gate_proj(w["gate_proj"], inner, width, has_bias),
        up_proj(w["up_proj"], inner, width, has_bias),
        down_proj(w["down_proj"], width, inner, has_bias),
        activation(activation) {}
  Tensor operator()(const Tensor& x) const {
    const auto [up, gate] = project(x, up_proj, gate_proj);  // in the order in which x's gradient has summed them
    return down_proj(activation(gate) * up);
  }
};

// The table's rows for the tokens of the pass: [T, D], in float32 whatever the table's dtype.
struct Embedding {
  Tensor weight;  // [V, D]

  Embedding(const Weights& w, int64_t vocabulary, int64_t width) : weight(w.tensor("weight", {vocabulary, width})) {}
  Tensor operator()(Pass& pass) const { return adapted_embed(pass, weight); }
};

}  // namespace glassbox
