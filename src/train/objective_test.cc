// What an objective may be made of: groups, rewards, a reference model, metrics. The trainer knows of none of it.
#include "train/objective.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "tensor/words.h"
#include "train/train_testing.h"

namespace glassbox {
namespace {

using testing::Answer;
using testing::GroupRewards;
using testing::options_of;
using testing::patterns;
using testing::Tiny;
using testing::Training;
using testing::weighted_log_probabilities;

double log_probability(const Policy& policy, const Sequence& sequence, Workspace& workspace) {
  const Answer answer(sequence);
  Pass pass(workspace);
  policy.add_sequence(pass, sequence.tokens, answer.logit_mask);
  return -cross_entropy(policy(pass), answer.targets, std::vector<float>(answer.targets.size(), 1)).f32()[0];
}

// Direct preference optimization (arXiv:2305.18290): the first of two answers is to gain on the second more than it
// does in the reference.
struct Preference : Objective {
  Policy reference;
  Workspace& workspace;
  double beta;

  Preference(Policy reference, Workspace& workspace, double beta)
      : reference(reference), workspace(workspace), beta(beta) {}

  double weight(std::span<const Example> part) const override { return static_cast<double>(part.size()); }
  Tensor loss(const Policy& policy, std::span<const Example> part, double weight, Pass& pass,
              Metrics* metrics) const override {
    std::vector<float> factors;
    double loss = 0;
    for (const Example& pair : part) {
      check(pair.size() == 2, "Preference: expected pairs");
      const auto gain = [&](const Sequence& answer) {
        return log_probability(policy, answer, workspace) - log_probability(reference, answer, workspace);
      };
      const double margin = beta * (gain(pair[0]) - gain(pair[1]));
      loss += std::log1p(std::exp(-margin)) / weight;
      const auto slope = static_cast<float>(-beta / (1 + std::exp(margin)) / weight);
      factors.insert(factors.end(), {slope, -slope});
      if (metrics) {
        Mean& preferred = (*metrics)["preferred"];
        preferred.sum += margin > 0;
        preferred.count += 1;
      }
    }
    return weighted_log_probabilities(policy, part, factors, loss, pass);
  }
};

// Documents whose prompts are alike for all, answers that differ.
std::vector<Document> answers(int32_t prompt, const std::vector<int32_t>& said, const std::vector<float>& rewards) {
  std::vector<Document> list;
  for (size_t i = 0; i < said.size(); ++i)
    list.push_back({{prompt, 1, 2, said[i], said[i]}, {0, 0, 0, 1, 1}, rewards[i]});
  return list;
}

TEST(Objective, OfPairsAgainstAReferenceTrainsAnAdapter) {
  const auto frozen = [] {  // weights that nobody opened
    Config config(testing::tiny_config(), "tiny");
    RandomWeights weights(DType::f32);
    return make_model(config, weights);
  }();
  Workspace workspace(2);
  Trainable lora(*frozen);
  AdapterConfig config;
  config.targets = {"q_proj", "v_proj", "down_proj", "lm_head"};
  lora.adapt(config, 3, workspace);
  Corpus corpus;
  for (int32_t prompt = 10; prompt < 18; ++prompt) {
    const auto pair = answers(prompt, {prompt + 1, prompt + 9}, {1, 0});
    corpus.add_group({pair[0], pair[1]});
  }
  const Preference objective(lora.base(), workspace, 0.5);
  AdamW adamw(lora.tensors(), {.weight_decay = 0});
  TrainerOptions options;
  options.micro_batch_tokens = 25;  // two pairs and a half: pairs stay whole
  options.schedule = {2e-2, 2e-2, 0, 30};
  Trainer trainer(lora, objective, adamw, options, workspace);
  Batches batches(corpus, 1, 40);
  Metrics metrics;
  const Trainer::Step first = trainer.step(batches.examples(0), &metrics);
  EXPECT_EQ(first.tokens, 40);
  EXPECT_NEAR(first.loss, std::log(2), 1e-6);  // the policy is the reference still
  EXPECT_EQ(metrics.at("preferred").count, 4);
  while (trainer.steps_done() < trainer.steps()) trainer.step(batches.examples(trainer.steps_done()));
  const auto after = trainer.evaluate(corpus);
  EXPECT_LT(after.loss, 0.1);
  EXPECT_EQ(after.metrics.at("preferred").value(), 1);
  EXPECT_EQ(after.metrics.at("preferred").count, 8);
}

// The scalar that backward() begins at has the gradient of the loss that is reported.
TEST(Objective, OfPairsHasTheGradientOfItsLoss) {
  Tiny tiny(DType::f32), reference(DType::f32, true, 0.2f);
  Workspace workspace(1);
  reference.trainable.publish(workspace.pool);
  const auto pair = answers(4, {7, 9}, {1, 0});
  const std::vector<Example> part = {{pair[0], pair[1]}};
  const Preference objective(reference.trainable.policy(), workspace, 0.7);
  const auto loss = [&](bool backward) {
    tiny.trainable.publish(workspace.pool);
    Pass pass(workspace, {nullptr, backward});
    const Tensor scalar = objective.loss(tiny.trainable.policy(), part, 1, pass, nullptr);
    if (backward) pass.backward(scalar);
    return scalar.f32()[0];
  };
  tiny.trainable.clear_gradients(workspace.pool);
  loss(true);
  Parameter& norm = **std::ranges::find(tiny.trainable.tensors(), "model.norm.weight", &Parameter::name);
  double expected = 0;
  for (const float g : norm.gradients()) expected += g;
  constexpr float kStep = 1.0f / 64;
  for (float& w : norm.master) w += kStep;
  const double above = loss(false);
  for (float& w : norm.master) w -= 2 * kStep;
  const double below = loss(false);
  EXPECT_GT(std::abs(expected), 1e-2);
  EXPECT_NEAR((above - below) / (2 * kStep), expected, 5e-3 * std::abs(expected));
}

TEST(Objective, OfRewardsLearnsFromExamplesThatNoCorpusHolds) {
  Tiny tiny(DType::f32);
  Workspace workspace(2);
  const GroupRewards objective;
  AdamW adamw(tiny.trainable.tensors(), {.weight_decay = 0});
  TrainerOptions options;
  options.schedule = {2e-3, 2e-3, 0, 20};
  Trainer trainer(tiny.trainable, objective, adamw, options, workspace);
  const auto rollouts = answers(5, {11, 12, 13}, {1, 0.5f, 0});
  const auto probabilities = [&] {
    std::vector<double> list;
    for (const Document& rollout : rollouts)
      list.push_back(log_probability(tiny.trainable.policy(), rollout, workspace));
    return list;
  };
  const std::vector<double> before = probabilities();
  Metrics metrics;
  while (trainer.steps_done() < trainer.steps())
    trainer.step(std::vector<Example>{Example(rollouts.begin(), rollouts.end())}, &metrics);
  EXPECT_EQ(metrics.at("reward").value(), 0.5);
  const std::vector<double> after = probabilities();
  EXPECT_GT(after[0], before[0] + 1);
  EXPECT_LT(after[2], before[2] - 1);
}

TEST(NextToken, WeighsWhatTheMaskMarksAndWhatItDoesNot) {
  const Document document{{1, 2, 3, 4}, {1, 0, 1, 1}}, other{{5}, {1}};
  const std::vector<Example> part = {{document}, {other}};
  EXPECT_EQ(NextToken({1, 0.25}).weight(part), 2.25);
  EXPECT_EQ(NextToken({1, 0}).weight(part), 2);
  EXPECT_EQ(NextToken({1, 1}).weight(std::span(part).last(1)), 0) << "nothing foretells a first token";

  Tiny tiny(DType::f32);
  Workspace workspace(1);
  tiny.trainable.publish(workspace.pool);
  const Policy policy = tiny.trainable.policy();
  const auto alone = [&](std::vector<uint8_t> mask) {
    return -log_probability(policy, {document.tokens, mask}, workspace);
  };
  Pass pass(workspace);
  Metrics metrics;
  const Tensor loss = NextToken({1, 0.25}).loss(policy, part, 2.25, pass, &metrics);
  EXPECT_NEAR(loss.f32()[0], (alone({0, 0, 1, 1}) + 0.25 * alone({0, 1, 0, 0})) / 2.25, 1e-5);
  EXPECT_EQ(metrics.at("accuracy").count, 2);  // of what the mask marks
}

TEST(NextToken, TellsAccuracyWhereItIsAsked) {
  Tiny tiny(DType::f32);
  const Corpus corpus = patterns(12);
  Workspace workspace(1);
  Training training(tiny.trainable, corpus, options_of(2), workspace);
  Metrics metrics;
  const auto batch = training.batches.examples(0);
  training.trainer.step(batch, &metrics);
  int64_t marked = 0;
  for (const Example& example : batch) marked += std::ranges::count(example[0].loss_mask, 1);
  EXPECT_EQ(metrics.at("accuracy").count, static_cast<double>(marked));
}

}  // namespace
}  // namespace glassbox
