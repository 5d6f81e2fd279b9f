// What a run trains: a model's own parameters, an adapter's over a model that stays as it is, or both.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/threads.h"
#include "models/language_model.h"
#include "nn/parameters.h"
#include "nn/peft.h"
#include "tensor/pass.h"

namespace glassbox {

// A model as passes walk it: with an adapter, or as it is. Views both.
struct Policy {
  const LanguageModel& model;
  const Adapter* adapter = nullptr;

  // Adds a sequence to the pass, with logits for the tokens that `logit_mask` marks (0 or 1 for each).
  void add_sequence(Pass& pass, std::span<const int32_t> tokens, std::span<const uint8_t> logit_mask) const {
    pass.add(tokens, nullptr, logit_mask, adapter);
  }
  // Logits of the rows that want them, [R, vocabulary].
  Tensor operator()(Pass& pass) const { return model(pass); }
};

// Named tensors, each with a float32 master, the copy that passes read and the sum of its gradients. One thread at a
// time.
class Trainable {
 public:
  // Nothing of the model yet, which must outlive this.
  explicit Trainable(const LanguageModel& model) : model_(model) {}

  // The model's own parameters: those it was built over, all of them. They must outlive this.
  void open(Parameters& parameters);
  // A new adapter, in float32, of random numbers that are a function of `seed`; it changes nothing yet. Weights of any
  // dtype can be below it. A model that is to stay as it is should not be built over Parameters, whose gradients would
  // be computed for nothing. Throws as make_adapter().
  void adapt(AdapterConfig config, uint64_t seed, Workspace& workspace);

  Policy policy() const { return {model_, adapted_ ? adapted_->adapter.get() : nullptr}; }
  // Without the adapter: what it began as, if the model stays as it is.
  Policy base() const { return {model_}; }

  // The adapter as it stands, in memory of its own, null without one: for engines, which remember what an adapter made
  // of a prompt, while training goes on.
  std::shared_ptr<const Adapter> snapshot() const;

  // In an order that checkpoints and sums rest on: the model's as it asked for them, then the adapter's by module.
  std::span<Parameter* const> tensors() const { return tensors_; }
  int64_t count() const;  // numbers in all

  void publish(ThreadPool& pool);  // masters, rounded, into the copies that passes read
  void clear_gradients(ThreadPool& pool);

  // Writes the copies that passes read, so that what is opened from the folder has the trained logits:
  // model.safetensors of the model's parameters; of the adapter's both files of PEFT's layout, in a folder "adapter" of
  // their own where the model is beside them.
  void save(const std::filesystem::path& folder) const;

 private:
  struct Adapted {
    AdapterConfig config;
    Parameters parameters;
    std::shared_ptr<const Adapter> adapter;
  };
  void take(Parameters& parameters);

  const LanguageModel& model_;
  Parameters* opened_ = nullptr;
  std::unique_ptr<Adapted> adapted_;
  std::vector<Parameters*> sets_;
  std::vector<Parameter*> tensors_;
};

}  // namespace glassbox
