// Adapters, models and both at once: trained, saved, and served with the bits they were trained with.
#include "train/trainable.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/file.h"
#include "engine/engine.h"
#include "engine/model.h"
#include "tensor/distribution.h"
#include "tests/testing.h"
#include "train/train_testing.h"

namespace glassbox {
namespace {

using testing::expect_same_bits;
using testing::options_of;
using testing::patterns;
using testing::Tiny;
using testing::Training;

// A tiny model as published, without a tokenizer.
struct Published {
  testing::TemporaryFolder folder;
  std::shared_ptr<const Model> model;

  explicit Published(DType dtype) {
    Tiny tiny(dtype);
    Workspace workspace(1);
    tiny.trainable.publish(workspace.pool);
    tiny.trainable.save(folder.path());
    write_config(folder.path(), dtype);
    model = open_model(folder.path().string());
  }
  static void write_config(const std::filesystem::path& to, DType dtype) {
    Json config = testing::tiny_config();
    config["torch_dtype"] = dtype == DType::bf16 ? "bfloat16" : "float32";
    write_file(to / "config.json", dump_json(config));
  }
  std::vector<std::byte> weights(Workspace& workspace) const {
    std::vector<std::byte> all;
    for (const AdaptableWeight& weight : model->network->adaptable_weights(workspace))
      all.insert(all.end(), weight.weight.data<std::byte>(), weight.weight.data<std::byte>() + weight.weight.bytes());
    return all;
  }
};

AdapterConfig over(std::vector<std::string> targets) {
  AdapterConfig config;
  config.rank = 4;
  config.alpha = 8;
  config.targets = std::move(targets);
  return config;
}

double train(Trainable& trainable, const Corpus& corpus, int64_t steps, Workspace& workspace) {
  testing::TrainingOptions options = options_of(steps);
  options.trainer.schedule.rate = 2e-2;
  Training training(trainable, corpus, options, workspace);
  const double before = training.trainer.evaluate(corpus).loss;
  training.finish();
  return training.trainer.evaluate(corpus).loss / before;
}

std::vector<float> logits_of(const Policy& policy, std::span<const int32_t> tokens, Workspace& workspace) {
  Pass pass(workspace);
  policy.add_sequence(pass, tokens, std::vector<uint8_t>(tokens.size(), 1));
  const Tensor logits = policy(pass);
  return {logits.values().begin(), logits.values().end()};
}

// What the engine says of each token it chooses is what the trained logits say.
void expect_served(const std::shared_ptr<const Model>& model, const std::shared_ptr<const Adapter>& adapter,
                   const Policy& trained, Workspace& workspace) {
  GenerationRequest request;
  request.prompt = {3, 5, 7, 9, 11};
  request.max_tokens = 20;
  request.sampling.seed = 1;
  request.ignore_eos = true;
  request.logprobs = 1;
  request.adapter = adapter;
  Engine engine(model, {.threads = 1});
  std::vector<int32_t> tokens = request.prompt;
  const Engine::Answer answer = engine.generate(request);
  for (const TokenEvent& event : answer.tokens) tokens.push_back(event.id);
  ASSERT_EQ(tokens.size(), 25u);
  const std::vector<float> logits = logits_of(trained, tokens, workspace);
  const size_t vocabulary = logits.size() / tokens.size();
  for (size_t i = 0; i < answer.tokens.size(); ++i) {
    std::vector<float> expected(vocabulary);
    log_softmax(std::span(logits).subspan((i + 4) * vocabulary, vocabulary), expected);
    const TokenEvent& event = answer.tokens[i];
    EXPECT_EQ(event.logprob, expected[static_cast<size_t>(event.id)]) << i;
  }
}

TEST(Trainable, AnAdapterLearnsAndTheModelKeepsItsBits) {
  const Corpus corpus = patterns(12);
  Workspace workspace(2);
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const bool dora : {false, true}) {
      SCOPED_TRACE(fmt::format("{}{}", info(dtype).name, dora ? ", DoRA" : ""));
      const Published published(dtype);
      const auto before = published.weights(workspace);
      Trainable lora(*published.model->network);
      AdapterConfig config = over({"embed_tokens", "q_proj", "v_proj", "up_proj", "down_proj"});
      config.dora = dora;
      lora.adapt(config, 5, workspace);
      const std::vector<int32_t> tokens = {1, 2, 3, 4, 5, 6};
      expect_same_bits(logits_of(lora.policy(), tokens, workspace), logits_of(lora.base(), tokens, workspace));
      EXPECT_LT(train(lora, corpus, 40, workspace), 0.5);
      EXPECT_EQ(published.weights(workspace), before);

      const testing::TemporaryFolder folder;
      lora.save(folder.path());
      const auto adapter = open_adapter(folder.path(), *published.model);
      const Policy served{*published.model->network, adapter.get()};
      expect_same_bits(logits_of(served, tokens, workspace), logits_of(lora.policy(), tokens, workspace));
      EXPECT_NE(logits_of(served, tokens, workspace), logits_of(lora.base(), tokens, workspace));
      expect_served(published.model, adapter, lora.policy(), workspace);

      const auto snapshot = lora.snapshot();
      const Policy then{*published.model->network, snapshot.get()};
      train(lora, corpus, 1, workspace);
      expect_same_bits(logits_of(then, tokens, workspace), logits_of(served, tokens, workspace));
      EXPECT_NE(logits_of(lora.policy(), tokens, workspace), logits_of(served, tokens, workspace));
    }
}

std::vector<float> masters(const Trainable& trainable) {
  std::vector<float> all;
  for (const Parameter* p : trainable.tensors()) all.insert(all.end(), p->master.begin(), p->master.end());
  return all;
}

TEST(Trainable, AnAdapterHasTheSameBitsWithAnyNumberOfThreads) {
  const Published published(DType::bf16);
  const Corpus corpus = patterns(30, 90);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    Workspace workspace(threads);
    Trainable trainable(*published.model->network);
    AdapterConfig config = over({"embed_tokens", "q_proj", "up_proj", "down_proj", "lm_head"});
    config.dora = true;
    trainable.adapt(config, 5, workspace);
    testing::TrainingOptions options = options_of(4);
    options.batch_tokens = 900;
    options.trainer.micro_batch_tokens = 500;
    Training(trainable, corpus, options, workspace).finish();
    results.push_back(masters(trainable));
  }
  expect_same_bits(results[0], results[1]);
  expect_same_bits(results[0], results[2]);
}

// The expected reward, by what the engine samples with the adapter as it stands.
TEST(Trainable, AnAdapterLearnsFromRolloutsOfTheEngine) {
  const Published published(DType::bf16);
  Workspace workspace(2);
  Trainable lora(*published.model->network);
  lora.adapt(over({"q_proj", "v_proj", "down_proj", "lm_head"}), 5, workspace);
  const testing::GroupRewards objective;
  AdamW adamw(lora.tensors(), {.weight_decay = 0});
  TrainerOptions options;
  options.schedule = {2e-2, 2e-2, 0, 25};
  Trainer trainer(lora, objective, adamw, options, workspace);
  Engine engine(published.model, {.threads = 1});
  std::vector<double> rewards;
  while (trainer.steps_done() < trainer.steps()) {
    const std::shared_ptr<const Adapter> adapter = lora.snapshot();
    std::vector<Document> rollouts;
    for (uint64_t choice = 0; choice < 12; ++choice) {
      GenerationRequest request;
      request.prompt = {3, 5, 7};
      request.max_tokens = 4;
      request.sampling.seed = static_cast<uint64_t>(trainer.steps_done());
      request.choice = choice;
      request.ignore_eos = true;
      request.adapter = adapter;
      Document& rollout = rollouts.emplace_back(Document{request.prompt, {0, 0, 0}});
      for (const TokenEvent& event : engine.generate(request).tokens) {
        rollout.tokens.push_back(event.id);
        rollout.loss_mask.push_back(1);
        rollout.reward += event.id < 20 ? 0.25f : 0;
      }
    }
    Metrics metrics;
    trainer.step(std::vector<Example>{Example(rollouts.begin(), rollouts.end())}, &metrics);
    rewards.push_back(metrics.at("reward").value());
  }
  EXPECT_LT(rewards.front(), 0.8);
  EXPECT_GT(rewards.back(), 0.95);
}

TEST(Trainable, AnAdapterResumesToTheBit) {
  const Published published(DType::bf16);
  const Corpus corpus = patterns(40);
  Workspace workspace(2);
  const testing::TemporaryFolder folder;
  const auto fresh = [&](uint64_t seed) {
    auto trainable = std::make_unique<Trainable>(*published.model->network);
    trainable->adapt(over({"q_proj", "down_proj"}), seed, workspace);
    return trainable;
  };
  const auto whole = fresh(1), begun = fresh(1), resumed = fresh(2);
  Training uninterrupted(*whole, corpus, options_of(8), workspace);
  uninterrupted.finish();
  Training first(*begun, corpus, options_of(8), workspace);
  for (int i = 0; i < 3; ++i) first.step();
  first.trainer.save(folder / "checkpoint.safetensors", {});
  Training second(*resumed, corpus, options_of(8), workspace);
  second.trainer.load(folder / "checkpoint.safetensors");
  second.finish();
  expect_same_bits(masters(*resumed), masters(*whole));
}

TEST(Trainable, AModelAndItsAdapterLearnTogether) {
  Tiny tiny(DType::bf16);
  const Corpus corpus = patterns(12);
  Workspace workspace(2);
  tiny.trainable.adapt(over({"q_proj", "o_proj"}), 5, workspace);
  const std::vector<float> before = tiny.masters();
  EXPECT_EQ(before.size(), static_cast<size_t>(tiny.trainable.count()));
  EXPECT_LT(train(tiny.trainable, corpus, 40, workspace), 0.5);
  const std::vector<float> after = tiny.masters();
  size_t changed = 0;
  for (size_t i = 0; i < before.size(); ++i) changed += before[i] != after[i];
  EXPECT_GT(changed, before.size() * 9 / 10);

  const testing::TemporaryFolder folder;
  tiny.trainable.save(folder.path());
  Published::write_config(folder.path(), DType::bf16);
  const auto model = open_model(folder.path().string());
  const auto adapter = open_adapter(folder / "adapter", *model);
  expect_served(model, adapter, tiny.trainable.policy(), workspace);
}

// QLoRA's case: what is below the adapter is in blocks, and cannot be trained itself.
TEST(Trainable, AnAdapterLearnsOverQuantizedWeights) {
  Json json = testing::tiny_config();
  json["intermediate_size"] = 64;  // rows of whole blocks
  Config config(json, "tiny");
  RandomWeights weights(DType::q4_0);
  const auto model = make_model(config, weights);
  Workspace workspace(2);
  Trainable lora(*model);
  lora.adapt(
      over({"embed_tokens", "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"}), 5,
      workspace);
  EXPECT_LT(train(lora, patterns(12), 100, workspace), 0.6);
}

}  // namespace
}  // namespace glassbox
