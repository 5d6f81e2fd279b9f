// The tape of a pass: what was computed, to be walked backwards for gradients.
#pragma once

#include <functional>
#include <initializer_list>
#include <utility>
#include <vector>

#include "tensor/tensor.h"
#include "tensor/workspace.h"

namespace glassbox {

class Tape {
 public:
  Tape(Workspace& workspace, bool records) : workspace_(workspace), records_(records) {}

  // If the tape records and any input has a gradient: y gets one, and `step` will be run with its sum, after everything
  // that used y. Gradients of inputs are added to through accumulate().
  using Backward = std::function<void(const float* dy)>;
  template <class Step>
  void record(Tensor& y, std::initializer_list<const Tensor*> inputs, Step&& step) {
    if (records_) append(y, inputs, std::forward<Step>(step));
  }
  // Where the gradient of `t` is summed, cleared the first time; null if none is wanted.
  float* accumulate(const Tensor& t);
  // While a step of the tape runs: lets `t` have the step's own gradient for its sum, which saves clearing and adding.
  // The step may not read it afterwards. False if `t` has a sum already: then it is for the step to add.
  bool move_gradient_to(const Tensor& t);

  // Runs the tape from a scalar: every weight opened to train has its gradient added to.
  void backward(const Tensor& loss);

 private:
  struct Step {
    Tensor y;
    Backward backward;
  };
  void append(Tensor& y, std::initializer_list<const Tensor*> inputs, Backward backward);

  Workspace& workspace_;
  bool records_;
  std::vector<Step> steps_;
  Gradient* running_ = nullptr;  // of the step that runs
};

}  // namespace glassbox
