#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "base/random.h"
#include "train/adamw.h"
#include "train/train_testing.h"

namespace glassbox {
namespace {

using testing::Tiny;

TEST(AdamW, FollowsThePaperAndDecaysMatricesOnly) {
  Tiny tiny(DType::f32);
  Workspace workspace(2);
  const AdamWOptions options{0.9, 0.99, 1e-8, 0.1};
  AdamW adamw(tiny.trainable.tensors(), options);
  std::vector<std::vector<double>> w, m, v;
  for (const Parameter& p : tiny.parameters.all()) {
    w.emplace_back(p.master.begin(), p.master.end());
    m.emplace_back(p.master.size());
    v.emplace_back(p.master.size());
  }
  for (int64_t step = 1; step <= 3; ++step) {
    const float rate = 1e-2f;
    for (size_t i = 0; i < w.size(); ++i) {
      Parameter& p = tiny.parameters.all()[i];
      const double decay = p.shape.rank() > 1 ? 0.1 : 0;
      for (size_t j = 0; j < w[i].size(); ++j) {
        const double g = p.gradients()[j] = uniform(static_cast<uint64_t>(step), j, i) - 0.4f;
        m[i][j] = 0.9 * m[i][j] + 0.1 * g;
        v[i][j] = 0.99 * v[i][j] + 0.01 * g * g;
        w[i][j] -=
            rate * (m[i][j] / (1 - std::pow(0.9, step)) / (std::sqrt(v[i][j] / (1 - std::pow(0.99, step))) + 1e-8) +
                    decay * w[i][j]);
      }
    }
    adamw.update({step, rate}, workspace.pool);
    for (size_t i = 0; i < w.size(); ++i)
      for (size_t j = 0; j < w[i].size(); ++j)
        ASSERT_NEAR(tiny.parameters.all()[i].master[j], w[i][j], 2e-6) << step << " " << i << " " << j;
  }
}

TEST(AdamW, KeepsTwoMomentsOfEachTensorByItsName) {
  Tiny tiny(DType::f32);
  Workspace workspace(1);
  AdamW adamw(tiny.trainable.tensors(), {});
  for (Parameter* tensor : tiny.trainable.tensors()) std::ranges::fill(tensor->gradients(), 0.5f);
  adamw.update({1, 1e-3f}, workspace.pool);
  std::set<std::string> names;
  for (const StateTensor& state : adamw.state()) {
    names.insert(state.name);
    EXPECT_EQ(state.dtype, DType::f32);
    ASSERT_EQ(state.bytes.size(), static_cast<size_t>(state.shape.elements()) * sizeof(float));
    float first;
    std::memcpy(&first, state.bytes.data(), sizeof first);
    EXPECT_FLOAT_EQ(first, state.name.starts_with("first.") ? 0.05f : 0.0125f) << state.name;
  }
  EXPECT_EQ(names.size(), 2 * tiny.trainable.tensors().size());
  EXPECT_TRUE(names.contains("second.model.norm.weight"));
}

TEST(Clipping, IsByTheNormOfAllGradientsTogether) {
  Workspace workspace(2);
  Tiny tiny(DType::f32);
  for (Parameter* tensor : tiny.trainable.tensors()) std::ranges::fill(tensor->gradients(), 0.5f);
  const double norm = gradient_norm(tiny.trainable.tensors(), workspace.pool);
  EXPECT_NEAR(norm, 0.5 * std::sqrt(static_cast<double>(tiny.trainable.count())), 1e-3);
  EXPECT_FLOAT_EQ(clip_scale(norm, 1), static_cast<float>(1 / norm));
  EXPECT_EQ(clip_scale(norm, 1e6), 1.0f);  // already shorter
  EXPECT_EQ(clip_scale(norm, 0), 1.0f);

  // The optimizer takes what is left of them.
  AdamW adamw(tiny.trainable.tensors(), {});
  adamw.update({1, 1e-3f, clip_scale(norm, 1)}, workspace.pool);
  float first;
  std::memcpy(&first, adamw.state()[0].bytes.data(), sizeof first);
  EXPECT_NEAR(first, 0.05 / norm, 1e-8);
}

}  // namespace
}  // namespace glassbox
