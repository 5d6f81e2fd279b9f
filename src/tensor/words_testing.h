// For tests of words: leaves whose gradients are compared with finite differences.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include "base/random.h"
#include "tensor/words.h"

namespace glassbox {

// A float32 weight of random values between -1 and 1, opened to train.
struct Leaf {
  std::shared_ptr<std::vector<float>> values, sums;
  Tensor tensor;

  Leaf(Shape shape, uint64_t key) {
    const auto count = static_cast<size_t>(shape.elements());
    values = std::make_shared<std::vector<float>>(count);
    sums = std::make_shared<std::vector<float>>(count);
    for (size_t i = 0; i < count; ++i) (*values)[i] = 2 * uniform(key, i) - 1;
    auto gradient = std::make_shared<Gradient>();
    gradient->memory = {sums, sums->data()};
    gradient->size = static_cast<int64_t>(count);
    tensor = Tensor(shape, DType::f32, values, values->data()).opened(gradient);
  }
};

inline const std::vector<int32_t> kIds = {3, 1, 4, 1, 5, 0, 2};

// Words act on values of a pass: embedding rows of `table` brings a leaf into one.
using Function = std::function<Tensor(Pass&)>;

// A scalar of all outputs with different weights: cross entropy against fixed targets.
inline double loss_of(Workspace& workspace, const Function& function, bool record) {
  Pass pass(workspace, {nullptr, record});
  pass.add(std::span(kIds).first(4));
  pass.add(std::span(kIds).subspan(4));
  const Tensor y = function(pass);
  const Tensor flat = y.reshaped({y.rows(), y.width()});
  std::vector<int32_t> targets;
  std::vector<float> weights;
  for (int64_t row = 0; row < flat.rows(); ++row) {
    targets.push_back(static_cast<int32_t>(row * 5 % flat.width()));
    weights.push_back(0.25f + static_cast<float>(row % 3));
  }
  const Tensor loss = cross_entropy(flat, targets, weights);
  if (record) pass.backward(loss);
  return loss.f32()[0];
}

inline void check_gradients(const Function& function, std::vector<Leaf*> leaves) {
  Workspace workspace(2);
  for (Leaf* leaf : leaves) std::fill(leaf->sums->begin(), leaf->sums->end(), 0.0f);
  loss_of(workspace, function, true);
  for (size_t l = 0; l < leaves.size(); ++l) {
    Leaf& leaf = *leaves[l];
    double difference = 0, size = 0;
    for (size_t i = 0; i < leaf.values->size(); ++i) {
      const float before = (*leaf.values)[i];
      constexpr float kStep = 1.0f / 64;
      (*leaf.values)[i] = before + kStep;
      const double above = loss_of(workspace, function, false);
      (*leaf.values)[i] = before - kStep;
      const double below = loss_of(workspace, function, false);
      (*leaf.values)[i] = before;
      const double expected = (above - below) / (2 * kStep), got = (*leaf.sums)[i];
      difference += (expected - got) * (expected - got);
      size += expected * expected;
    }
    EXPECT_GT(size, 1e-4) << "leaf " << l << " does not matter: the test tests nothing";
    EXPECT_LT(std::sqrt(difference / size), 4e-3) << "leaf " << l;
  }
}

}  // namespace glassbox
