// Mixtures of experts (arXiv:1701.06538): a router scores all experts for each token, a few are chosen, each chosen
// expert works on the rows of the tokens that chose it, and a token adds up its experts' answers.
//
//   const Routing to = route(gate(x), rule);                                      // [T, E]
//   const Tensor d = dispatch(x, to);                                             // [R, D]
//   combine(grouped_matmul(silu(grouped_matmul(d, to, gate)) * grouped_matmul(d, to, up), to, down), to)   // [T, D]
//
// T tokens, E experts, k of them chosen by each token, R = T k rows ordered by expert. A token's bits depend on its own
// values alone: its choice is made row by row, a row's product keeps the order of sums of matmul(), and experts are
// added in the order of their index.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace glassbox {

// How scores become a choice and its weights.
struct RouteRule {
  enum class Weights {
    softmax,            // over all experts, then the chosen are kept
    softmax_of_chosen,  // over the chosen alone
    sigmoid,            // of each score
  };
  enum class Groups { best, two_best };  // what a group of experts is worth: its best, or the sum of its two best

  Weights weights = Weights::softmax;
  int64_t experts = 0, chosen = 0;  // E, k
  bool normalised = false;          // the chosen weights are divided by their sum
  float scale = 1;                  // and then multiplied
  // Experts fall into `groups` of neighbours, of which only the `groups_used` worth most may be chosen from.
  int64_t groups = 1, groups_used = 1;
  Groups group_worth = Groups::best;
};

// Where each token goes. Cheap to copy; lives no longer than the pass.
struct Routing {
  int64_t experts = 0, chosen = 0;
  Tensor weights;  // [T, k], a token's experts by rising index

  struct Order {
    std::vector<int32_t> expert;  // of each (token, slot), rising within a token
    std::vector<int32_t> row;     // of each (token, slot): its place among the rows ordered by expert
    std::vector<int32_t> source;  // of each row: its (token, slot)
    std::vector<int64_t> first;   // of each expert: its first row; R at the end
  };
  std::shared_ptr<const Order> order;

  int64_t rows() const { return static_cast<int64_t>(order->row.size()); }
  int32_t token_of(int64_t row) const { return order->source[static_cast<size_t>(row)] / static_cast<int32_t>(chosen); }
  int64_t rows_of(int64_t expert) const {
    return order->first[static_cast<size_t>(expert) + 1] - order->first[static_cast<size_t>(expert)];
  }
};

// x w^T in float32 whatever the dtype of w, as routers are: widened exactly, x as it is. [T, k] and [n, k] -> [T, n].
Tensor matmul_in_float(const Tensor& x, const Tensor& w);

// Scores [T, E] choose: the k largest of score (or of its softmax or sigmoid, which is the same order) plus `bias`
// [E], which counts for the choice and not for the weight. Ties go to the lowest index. The gradient reaches the scores
// by way of the weights; the choice has none.
Routing route(const Tensor& scores, const RouteRule& rule, const std::optional<Tensor>& bias = std::nullopt);

// [T, D] -> [R, D]: a row for each token and expert of its choice, ordered by expert, then token.
Tensor dispatch(const Tensor& x, const Routing& to);

// How experts' matrices lie in memory: [n, k], a row for each output, or [k, n] as some checkpoints have them.
enum class ExpertLayout { rows, columns };

// Rows of expert e times the matrix of expert e: [R, k] -> [R, n]. Arithmetic and order of sums are matmul()'s.
// Matrices of experts that nobody chose are not read.
Tensor grouped_matmul(const Tensor& x, const Routing& to, std::span<const Tensor> experts,
                      ExpertLayout layout = ExpertLayout::rows);

// [R, n] + row e of bias [E, n].
Tensor grouped_bias(const Tensor& x, const Routing& to, const Tensor& bias);

// [R, n] times each row's weight.
Tensor weighted(const Tensor& x, const Routing& to);

// [R, D] -> [T, D]: a token's rows added up by rising index of expert, one chain of fused multiply-adds from zero.
// `weights` false: as they are (for weights that were applied before the experts).
Tensor combine(const Tensor& y, const Routing& to, bool weights = true);

// Offers every expert's rows [rows_of(e), n] to the taps, by the name of a module within the one being walked:
// "model.layers.3.mlp.experts" + ".7." + "gate_proj" + ".in". What comes back takes their place.
Tensor offer_rows(const Tensor& x, const Routing& to, std::string_view module, std::string_view end);

// gpt-oss's gate: columns of x [R, 2 I] are gate and up in turn; gate is cut at `limit` above, up at both ends;
// (up + 1) * gate / (1 + exp(-alpha gate)): [R, I].
Tensor clamped_swiglu(const Tensor& x, float alpha, float limit);

}  // namespace glassbox
