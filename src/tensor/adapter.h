// Adapters: small changes to a model's weights, kept beside them, so that one base serves many variants at once.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/mapped_file.h"
#include "tensor/tensor.h"

namespace glassbox {

class Pass;
struct Routing;

// W [n, k] acts as W + scale * B A (LoRA, arXiv:2106.09685). With a magnitude m every row of that sum is rescaled to
// the norm m says (DoRA, arXiv:2402.09353): y = m / |W + scale B A| * (W x + scale B A x), before the bias. The norms
// are constants to the gradient, as the paper has it. Of an embedding W is the table's transpose: k tokens, n features.
struct LowRank {
  Tensor a;  // [r, k]: f32, f16 or bf16, as b
  Tensor b;  // [n, r]
  float scale = 1;
  Tensor magnitude;  // [n], or none
  Tensor norms;      // [n], float32: |W + scale B A| by row; none where a and b are being trained: taken anew each pass
};

// A weight that adapters can change, where a pass meets it.
struct AdaptableWeight {
  enum class Kind {
    linear,          // [n, k]
    expert,          // [n, k] of a mixture whose experts are modules; not replaced
    embedding,       // a table [k, n]
    expert_rows,     // an expert's [n, k] of a tensor that stacks them; `path` is the stack's module, ".e.", its name
    expert_columns,  // the same, [k, n]
    latent,          // kv_b_proj of latent attention: as linear, but neither DoRA nor replaced
    vector,          // can be replaced, and that is all: of norms, biases
  };
  std::string path;  // of the module
  Tensor weight;
  Kind kind = Kind::linear;
  std::string parameter = "weight";  // its name in the module

  bool can_be_replaced() const { return kind == Kind::linear || kind == Kind::embedding || kind == Kind::vector; }
};
using WeightVisitor = std::function<void(AdaptableWeight)>;

// Immutable once passes use it. Changes are found by the module's path ("model.layers.3.self_attn.q_proj"), weights
// that stand in the place of the model's own by theirs ("model.norm.weight"); a change to a weight that was replaced is
// one to what stands there.
class Adapter {
 public:
  void add(std::string path, LowRank change) { changes_.insert_or_assign(std::move(path), std::move(change)); }
  const LowRank* find(std::string_view path) const {
    const auto found = changes_.find(path);
    return found == changes_.end() ? nullptr : &found->second;
  }
  const std::map<std::string, LowRank, std::less<>>& changes() const { return changes_; }

  void replace(std::string name, Tensor weight) { replacements_.insert_or_assign(std::move(name), std::move(weight)); }
  const Tensor* replacement(std::string_view name) const {
    const auto found = replacements_.find(name);
    return found == replacements_.end() ? nullptr : &found->second;
  }
  const std::map<std::string, Tensor, std::less<>>& replacements() const { return replacements_; }

  // The files it was read from. check_whole() throws Error(io) naming one that became shorter.
  void read_from(MappedFiles files) { files_ = std::move(files); }
  const MappedFiles& files() const { return files_; }
  void check_whole() const { files_.check_whole("the adapter"); }

 private:
  std::map<std::string, LowRank, std::less<>> changes_;
  std::map<std::string, Tensor, std::less<>> replacements_;
  MappedFiles files_;
};

// The words below have, of the runs of the pass, either all rows or those that want logits. Rows without an adapter
// keep their bits; those with one have the bits that they have alone.

// body(x, w) with `w`, the weight called `parameter` of the module being walked, or in the rows of runs whose adapter
// replaces it with what it put there. `body` makes each row of its result from that row of x.
Tensor with_weight(const Tensor& x, const Tensor& w, AdaptableWeight::Kind kind, std::string_view parameter,
                   const std::function<Tensor(const Tensor& x, const Tensor& w)>& body);

// y = x w^T with what the adapters of the pass's runs change of it, for the module being walked.
Tensor adapted(const Tensor& x, const Tensor& w, const Tensor& y);

// The same of latent attention (tensor/latent.h), for the module "HERE.kv_b_proj" of weight `w`, in both of its uses:
// y = absorb_queries(q, w), and y = expand_values(x, w, V).
Tensor adapted_queries(const Tensor& q, const Tensor& w, const Tensor& y);
Tensor adapted_values(const Tensor& x, const Tensor& y);

// Rows of the table for the pass's tokens, by way of adapters.
Tensor adapted_embed(Pass& pass, const Tensor& table);

// The same as the first for a product of rows ordered by expert (tensor/mixture.h): expert e is the module
// "HERE.e.`name`"; `kind` says how a checkpoint has it.
Tensor adapted(const Tensor& x, const Routing& to, std::span<const Tensor> experts, std::string_view name,
               const Tensor& y, AdaptableWeight::Kind kind = AdaptableWeight::Kind::expert);

// |W + scale B A| of every row, [n]: float32 sums in rising order of columns (of tokens, for an embedding's table). `w`
// of any dtype matmul() takes.
Tensor adapted_norms(Pass& pass, const Tensor& w, const LowRank& change);
Tensor adapted_table_norms(Pass& pass, const Tensor& table, const LowRank& change);

}  // namespace glassbox
