// A language model: tokens of a Pass in, logits out. One definition serves running, looking and training.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nn/peft.h"
#include "tensor/pass.h"
#include "tensor/sequence_memory.h"
#include "tensor/tensor.h"

namespace glassbox {

// What every family has, by the field's names.
struct ModelShape {
  std::string model_type;  // as config.json names the family
  int64_t vocabulary = 0, hidden = 0, intermediate = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0;
  int64_t context = 0;                         // longest sequence it was made for (max_position_embeddings)
  bool tied = false;                           // lm_head is the embedding
  int64_t experts = 0, experts_per_token = 0;  // of a layer that is a mixture; 0: none is
  std::string prefix;  // before the names of a text that is part of another model ("language_model."), else empty

  // Of the `parameters` of a tensor, how many one token uses: of an expert's (its name says ".experts.") the share of
  // experts a token chooses, of layers beyond the last, which only draft, none, of all others every one.
  double used_by_a_token(std::string_view tensor, int64_t parameters) const;
};

// A layer trained to guess one token further, for speculation. It has a memory of its own, of sequences without their
// first token.
class Draft {
 public:
  virtual ~Draft() = default;
  virtual const MemoryShape& memory_shape() const = 0;

  // Logits of what follows the pass's tokens, of the rows that want them, [R, vocabulary]. `hidden`: values of this
  // pass, [T, D]; for each of its tokens what the model's final norm gave (its tap `.out`) at the token before.
  virtual Tensor operator()(Pass& pass, const Tensor& hidden) const = 0;
};

// Immutable once built: many passes may walk it, one thread each.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;
  virtual const ModelShape& shape() const = 0;
  virtual const MemoryShape& memory_shape() const = 0;

  // Logits of the rows that want them, [R, vocabulary], float32.
  virtual Tensor operator()(Pass& pass) const = 0;

  // Null where the checkpoint has none.
  virtual const Draft* draft() const { return nullptr; }

  // Every name a tap may listen at, in the order a token meets them: found by walking one token through.
  std::vector<std::string> tap_names(Workspace& workspace) const;
  // Every weight that adapters can change, in the same order and found the same way.
  std::vector<AdaptableWeight> adaptable_weights(Workspace& workspace) const;
};

}  // namespace glassbox
