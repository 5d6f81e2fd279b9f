#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "base/random.h"
#include "tensor/words.h"
#include "tests/testing.h"
#include "train/train_testing.h"

namespace glassbox {
namespace {

using testing::expect_same_bits;
using testing::options_of;
using testing::patterns;
using testing::Tiny;
using testing::Training;

// The loss of some documents in float32, and its gradient by the tape.
double loss_of(Tiny& tiny, Workspace& workspace, const Corpus& corpus, bool backward) {
  tiny.trainable.publish(workspace.pool);
  if (backward) tiny.trainable.clear_gradients(workspace.pool);
  const Policy policy = tiny.trainable.policy();
  Pass pass(workspace, {nullptr, backward});
  std::vector<int32_t> targets;
  std::vector<float> weights;
  for (size_t d = 0; d < corpus.size(); ++d) {
    const Sequence document = corpus[d][0];
    std::vector<uint8_t> wanted(document.tokens.size());
    for (size_t i = 0; i + 1 < document.tokens.size(); ++i) {
      if (i % 3 == 2) continue;  // rows without logits
      wanted[i] = 1;
      targets.push_back(document.tokens[i + 1]);
      weights.push_back(document.loss_mask[i + 1] ? 0.05f : 0.01f);
    }
    policy.add_sequence(pass, document.tokens, wanted);
  }
  const Tensor logits = policy(pass);
  const Tensor loss = cross_entropy(logits, targets, weights);
  if (backward) pass.backward(loss);
  // In double, from the logits: differences of a float32 sum would drown in its rounding.
  double sum = 0;
  for (int64_t row = 0; row < logits.rows(); ++row) {
    const float* z = logits.f32() + row * logits.width();
    double largest = -1e30, total = 0;
    for (int64_t i = 0; i < logits.width(); ++i) largest = std::max(largest, static_cast<double>(z[i]));
    for (int64_t i = 0; i < logits.width(); ++i) total += std::exp(z[i] - largest);
    sum += weights[static_cast<size_t>(row)] * (largest + std::log(total) - z[targets[static_cast<size_t>(row)]]);
  }
  EXPECT_NEAR(sum, loss.f32()[0], 1e-5 * std::abs(sum));
  return sum;
}

// Along a random direction in each tensor: one number that every one of its gradients enters.
void expect_gradients_of_finite_differences(Tiny& tiny, const std::string& what) {
  Workspace workspace(2);
  const Corpus corpus = patterns(3, 70);  // beyond a block of attention
  loss_of(tiny, workspace, corpus, true);
  for (Parameter* parameter : tiny.trainable.tensors()) {
    const auto count = parameter->master.size();
    const std::vector<float> before = parameter->master;
    const uint64_t key = key_of(11, parameter->name);
    double expected = 0;
    std::vector<float> direction(count);
    for (size_t i = 0; i < count; ++i) {
      direction[i] = uniform(key, i) - 0.5f;
      expected += static_cast<double>(parameter->gradients()[i]) * direction[i];
    }
    const float h = 4e-3f / std::sqrt(static_cast<float>(count) / 64);
    const auto at = [&](float step) {
      for (size_t i = 0; i < count; ++i) parameter->master[i] = before[i] + step * direction[i];
      return loss_of(tiny, workspace, corpus, false);
    };
    const double measured = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * static_cast<double>(h));
    parameter->master = before;
    EXPECT_NEAR(measured, expected, 2e-3 * std::abs(expected) + 2e-4) << parameter->name << what;
  }
}

TEST(Gradient, OfAWholeLlamaEqualsFiniteDifferences) {
  for (const bool tied : {true, false}) {
    Tiny tiny(DType::f32, tied);
    expect_gradients_of_finite_differences(tiny, tied ? ", tied" : "");
  }
}

TEST(Gradient, OfALlamaAndItsAdapterEqualsFiniteDifferences) {
  Tiny tiny(DType::f32);
  Workspace workspace(1);
  AdapterConfig config;
  config.rank = 3;
  config.targets = {"embed_tokens", "q_proj", "v_proj", "o_proj", "down_proj", "lm_head"};
  tiny.trainable.adapt(config, 5, workspace);
  for (Parameter* parameter : tiny.trainable.tensors())  // a new one is half zeros
    if (parameter->name.find(".lora_") != std::string::npos)
      for (size_t i = 0; i < parameter->master.size(); ++i)
        parameter->master[i] = 0.5f * uniform(key_of(3, parameter->name), i) - 0.25f;
  expect_gradients_of_finite_differences(tiny, ", adapted");
}

TEST(Trainer, LearnsASmallCorpusByHeart) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Tiny tiny(dtype);
    const Corpus corpus = patterns(12);
    Workspace workspace(2);
    testing::TrainingOptions options = options_of(150);
    options.loss.other_weight = 0;
    options.adamw.weight_decay = 0;
    Training training(tiny.trainable, corpus, options, workspace);
    const double before = training.trainer.evaluate(corpus).loss;
    training.finish();
    const auto after = training.trainer.evaluate(corpus);
    EXPECT_NEAR(before, std::log(40.0), 0.7);
    EXPECT_LT(after.loss, 0.03);
    EXPECT_EQ(after.metrics.at("accuracy").value(), 1.0);
    EXPECT_GT(after.metrics.at("accuracy").count, 100);
  }
}

TEST(Trainer, TheSameBitsWithOneThreadAndTwo) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    std::vector<std::vector<float>> results;
    for (const int threads : {1, 2, 3}) {
      Tiny tiny(dtype);
      const Corpus corpus = patterns(30, 90);
      Workspace workspace(threads);
      testing::TrainingOptions options = options_of(6);
      options.batch_tokens = 900;
      options.trainer.micro_batch_tokens = 500;
      Training training(tiny.trainable, corpus, options, workspace);
      training.finish();
      results.push_back(tiny.masters());
    }
    expect_same_bits(results[0], results[1]);
    expect_same_bits(results[0], results[2]);
  }
}

TEST(Trainer, ResumesToTheBit) {
  testing::TemporaryFolder folder;
  const Corpus corpus = patterns(40);
  Workspace workspace(2);
  Tiny whole(DType::bf16);
  Training uninterrupted(whole.trainable, corpus, options_of(12), workspace);
  std::vector<double> losses;
  while (uninterrupted.trainer.steps_done() < 12) losses.push_back(uninterrupted.step().loss);

  Tiny begun(DType::bf16);
  Training first(begun.trainable, corpus, options_of(12), workspace);
  for (int i = 0; i < 5; ++i) first.step();
  first.trainer.save(folder / "checkpoint.safetensors", {{"mood", "good"}});

  Tiny other(DType::bf16, true, 0.3f);  // nothing of the fresh weights may survive
  Training second(other.trainable, corpus, options_of(12), workspace);
  second.step();
  EXPECT_EQ(second.trainer.load(folder / "checkpoint.safetensors")["mood"], "good");
  EXPECT_EQ(second.trainer.steps_done(), 5);
  for (size_t i = 5; i < 12; ++i) EXPECT_EQ(second.step().loss, losses[i]);
  expect_same_bits(other.masters(), whole.masters());
}

TEST(Trainer, WhereABatchIsCutChangesNoMoreThanRounding) {
  std::vector<std::vector<float>> gradients;
  for (const int64_t micro : {400, 100, 30}) {
    Tiny tiny(DType::f32);
    const Corpus corpus = patterns(30);
    Workspace workspace(1);
    testing::TrainingOptions options = options_of(1);
    options.batch_tokens = 400;
    options.trainer.micro_batch_tokens = micro;
    Training training(tiny.trainable, corpus, options, workspace);
    training.step();
    std::vector<float> all;
    for (const Parameter& p : tiny.parameters.all()) all.insert(all.end(), p.gradients().begin(), p.gradients().end());
    gradients.push_back(all);
  }
  float largest = 0;
  for (const float g : gradients[0]) largest = std::max(largest, std::abs(g));
  ASSERT_GT(largest, 1e-3f);
  for (size_t i = 0; i < gradients[0].size(); ++i) {
    EXPECT_NEAR(gradients[1][i], gradients[0][i], 1e-6f * largest + 1e-5f * std::abs(gradients[0][i]));
    EXPECT_NEAR(gradients[2][i], gradients[0][i], 1e-6f * largest + 1e-5f * std::abs(gradients[0][i]));
  }
}

TEST(Trainer, RefusesCheckpointsOfOtherModels) {
  testing::TemporaryFolder folder;
  const Corpus corpus = patterns(10);
  Workspace workspace(1);
  Tiny tied(DType::f32), untied(DType::f32, false);
  Training one(tied.trainable, corpus, options_of(3), workspace);
  Training two(untied.trainable, corpus, options_of(3), workspace);
  one.trainer.save(folder / "one.safetensors", {});
  const std::vector<float> before = untied.masters();
  EXPECT_THROW(two.trainer.load(folder / "one.safetensors"), Error);
  EXPECT_THROW(two.trainer.load(folder / "none.safetensors"), Error);
  std::ofstream(folder / "cut.safetensors") << "not a checkpoint";
  EXPECT_THROW(two.trainer.load(folder / "cut.safetensors"), Error);
  expect_same_bits(untied.masters(), before);
}

TEST(Trainer, RefusesGradientsThatAreNotFinite) {
  Tiny tiny(DType::f32);
  for (Parameter& p : tiny.parameters.all()) {
    const float factor = p.name.ends_with("v_proj.weight") ? 1e25f : p.name.ends_with("o_proj.weight") ? 1e-25f : 1.0f;
    for (float& w : p.master) w *= factor;  // no matter to the logits, but to the gradient of o_proj
  }
  const Corpus corpus = patterns(10);
  Workspace workspace(1);
  Training training(tiny.trainable, corpus, options_of(3), workspace);
  const std::vector<float> before = tiny.masters();
  try {
    training.step();
    FAIL() << "an endless gradient was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("step 1: the gradients' norm is inf"), std::string::npos) << error.what();
  }
  EXPECT_EQ(training.trainer.steps_done(), 0);
  expect_same_bits(tiny.masters(), before);
}

}  // namespace
}  // namespace glassbox
