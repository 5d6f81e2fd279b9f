// Weights opened to train: float32 masters, the copies the model computes with (in the dtype they will be saved in, so
// that training's logits are the served ones), and their gradients.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/threads.h"
#include "nn/weights.h"

namespace glassbox {

struct Parameter {
  std::string name;
  Shape shape;
  std::vector<float> master;
  std::shared_ptr<Gradient> gradient;  // float32, of the same size; zeroed by clear_gradients()
  std::shared_ptr<void> served;        // in Parameters::dtype()

  std::span<float> gradients() const { return {gradient->sum(), master.size()}; }
};

// A WeightSource that a model is built from once, in which every tensor it asks for becomes a Parameter, in that order.
// Must outlive nothing: the model's tensors share its memory.
class Parameters : public WeightSource {
 public:
  // Fresh: matrices normal(0, `deviation`), keyed by (seed, name); vectors (norms) one; biases and norms that are kept
  // as what they differ from one by, zero.
  Parameters(DType dtype, uint64_t seed, float deviation = 0.02f);
  // From a checkpoint: a tensor it lacks is an error.
  Parameters(DType dtype, Checkpoint from);

  bool has(const std::string& name) const override;
  Tensor get(const std::string& name, const Shape& shape) override;
  Tensor get_from_zero(const std::string& name, const Shape& shape) override;
  Copy copy_of(const std::string& name, const std::string& copy) override {
    return from_ ? from_->copy_of(name, copy) : Copy::none;
  }

  DType dtype() const { return dtype_; }
  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }
  int64_t count() const;  // numbers in all

  void publish(ThreadPool& pool);  // masters, rounded, into the copies the model computes with
  void clear_gradients(ThreadPool& pool);

  // The served copies by name, as they are saved: views, valid while *this lives.
  std::vector<RawTensor> tensors() const;

 private:
  DType dtype_;
  uint64_t seed_ = 0;
  float deviation_ = 0;
  std::optional<CheckpointWeights> from_;
  std::vector<Parameter> parameters_;
};

}  // namespace glassbox
