// Adapters: small changes to a model's weights, kept beside them, so that one base serves many variants at once.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace glassbox {

class Pass;
struct Routing;

// W [n, k] acts as W + scale * B A (LoRA, arXiv:2106.09685). With a magnitude m every row of that sum is rescaled to
// the norm m says (DoRA, arXiv:2402.09353): y = m / |W + scale B A| * (W x + scale B A x), before the bias. The norms
// are constants to the gradient, as the paper has it.
struct LowRank {
  Tensor a;  // [r, k]: f32, f16 or bf16, as b
  Tensor b;  // [n, r]
  float scale = 1;
  Tensor magnitude;  // [n], or none
  Tensor norms;      // [n], float32: |W + scale B A| by row; none where a and b are being trained: taken anew each pass
};

// Immutable once passes use it; changes are found by the module's path ("model.layers.3.self_attn.q_proj").
class Adapter {
 public:
  void add(std::string path, LowRank change) { changes_.insert_or_assign(std::move(path), std::move(change)); }
  const LowRank* find(std::string_view path) const {
    const auto found = changes_.find(path);
    return found == changes_.end() ? nullptr : &found->second;
  }
  const std::map<std::string, LowRank, std::less<>>& changes() const { return changes_; }

 private:
  std::map<std::string, LowRank, std::less<>> changes_;
};

// Told of every weight that adapters could change, where a pass meets it: its module's path and W.
using WeightVisitor = std::function<void(std::string_view path, const Tensor& w)>;

// y = x w^T with what the adapters of the pass's runs change of it, each in the rows of its own runs, for the module
// being walked. Rows without an adapter keep their bits.
Tensor adapted(const Tensor& x, const Tensor& w, const Tensor& y);

// The same for a product of rows ordered by expert (tensor/mixture.h): expert e is the module "HERE.e.`name`".
Tensor adapted(const Tensor& x, const Routing& to, std::span<const Tensor> experts, std::string_view name,
               const Tensor& y);

// |W + scale B A| of every row, [n]: float32 sums in rising order of columns. `w` of any dtype matmul() takes.
Tensor adapted_norms(Pass& pass, const Tensor& w, const LowRank& change);

}  // namespace glassbox
