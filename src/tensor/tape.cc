#include "tensor/tape.h"

#include <cstring>

#include "base/error.h"

namespace glassbox {

void Tape::append(Tensor& y, std::initializer_list<const Tensor*> inputs, Backward backward) {
  bool wanted = false;
  for (const Tensor* input : inputs) wanted |= input->gradient() != nullptr;
  if (!wanted) return;
  y.gradient_ = std::make_shared<Gradient>();
  y.gradient_->size = y.shape().elements();
  steps_.push_back({y, std::move(backward)});
}

float* Tape::accumulate(const Tensor& t) {
  Gradient* gradient = t.gradient();
  if (!gradient) return nullptr;
  if (!gradient->memory) {
    gradient->memory = workspace_.arena.allocate(static_cast<size_t>(gradient->size) * sizeof(float));
    workspace_.pool.parallel_ranges(gradient->size, 1 << 16, [&](int64_t begin, int64_t end) {
      std::memset(gradient->sum() + begin, 0, static_cast<size_t>(end - begin) * sizeof(float));
    });
  }
  return gradient->sum();
}

bool Tape::move_gradient_to(const Tensor& t) {
  check(running_ && running_->size == t.gradient()->size, "Tape: a gradient is moved by a step of its size");
  if (t.gradient()->memory) return false;
  t.gradient()->memory = std::move(running_->memory);
  return true;
}

void Tape::backward(const Tensor& loss) {
  check(records_ && loss.gradient() && loss.shape().elements() == 1, "Tape: backward needs a recorded scalar");
  accumulate(loss)[0] = 1;
  while (!steps_.empty()) {
    Step step = std::move(steps_.back());
    steps_.pop_back();  // the values a step kept are free for reuse once it has run
    running_ = step.y.gradient();
    if (running_->memory) step.backward(running_->sum());
    running_ = nullptr;
  }
}

}  // namespace glassbox
