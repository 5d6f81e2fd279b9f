// Pieces of mixtures of experts that own weights (tensor/mixture.h has the words).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/modules.h"
#include "tensor/mixture.h"

namespace glassbox {

// Scores every expert for every token, in float32 whatever the dtype of its weights: [T, D] -> [T, E]. What scores mean
// (softmax, sigmoid, groups) is route()'s affair.
struct Router {
  Tensor weight;               // [E, D]
  std::optional<Tensor> bias;  // [E]

  Router(const Weights& w, int64_t experts, int64_t width, bool has_bias = false)
      : weight(w.tensor("weight", {experts, width})) {
    if (has_bias) bias = w.tensor("bias", {experts});
  }
  Tensor operator()(const Tensor& x) const {
    using Kind = AdaptableWeight::Kind;
    const Tensor scores = adapted(x, weight, with_weight(x, weight, Kind::linear, "weight", matmul_in_float));
    return bias ? with_weight(scores, *bias, Kind::vector, "bias", add_bias) : scores;
  }
};

// One projection of every expert, where experts are modules of their own: experts.7.NAME.weight, [outputs, inputs].
// Rows that dispatch() ordered by expert, [R, inputs] -> [R, outputs]; taps hear each expert by its number.
struct ExpertLinear {
  std::string name;
  std::vector<Tensor> weight;  // of each expert

  ExpertLinear(const Weights& experts, std::string_view name, int64_t count, int64_t outputs, int64_t inputs)
      : name(name) {
    for (int64_t e = 0; e < count; ++e) weight.push_back(experts[e][name].tensor("weight", {outputs, inputs}));
  }
  Tensor operator()(const Tensor& x, const Routing& to) const {
    const Tensor seen = offer_rows(x, to, name, ".in");
    return offer_rows(adapted(seen, to, weight, name, grouped_matmul(seen, to, weight)), to, name, ".out");
  }
};

// One projection of every expert, where one tensor holds them all: NAME [E, inputs, outputs], or where the source has
// that form not (blocks lie along inputs) [E, outputs, inputs]; NAME_bias [E, outputs].
struct StackedExperts {
  std::string name;
  ExpertLayout layout = ExpertLayout::columns;
  std::vector<Tensor> weight;  // of each expert
  std::optional<Tensor> bias;

  StackedExperts(const Weights& experts, std::string_view name, int64_t count, int64_t outputs, int64_t inputs,
                 bool has_bias = false)
      : name(name) {
    if (!experts.has(this->name)) layout = ExpertLayout::rows;
    const bool rows = layout == ExpertLayout::rows;
    const Tensor all = experts.tensor(name, rows ? Shape{count, outputs, inputs} : Shape{count, inputs, outputs});
    for (int64_t e = 0; e < count; ++e) weight.push_back(all.select(e));
    if (has_bias) bias = experts.tensor(std::string(name) + "_bias", {count, outputs});
  }
  Tensor operator()(const Tensor& x, const Routing& to) const {
    using Kind = AdaptableWeight::Kind;
    const Kind kind = layout == ExpertLayout::rows ? Kind::expert_rows : Kind::expert_columns;
    const Tensor seen = offer_rows(x, to, name, ".in");
    const Tensor y = adapted(seen, to, weight, name, grouped_matmul(seen, to, weight, layout), kind);
    return offer_rows(bias ? grouped_bias(y, to, *bias) : y, to, name, ".out");
  }
};

}  // namespace glassbox
