// What tests of training share: a small random model, documents it can learn, and comparisons.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "base/random.h"
#include "models/registry.h"
#include "tensor/words.h"
#include "train/adamw.h"
#include "train/next_token.h"
#include "train/trainer.h"

namespace glassbox::testing {

// A text with a passage of it replaced.
inline std::string with(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

inline Json tiny_config(bool tied = true) {
  return {{"model_type", "llama"},    {"hidden_size", 32},
          {"num_hidden_layers", 2},   {"num_attention_heads", 4},
          {"num_key_value_heads", 2}, {"intermediate_size", 48},
          {"vocab_size", 40},         {"max_position_embeddings", 128},
          {"rms_norm_eps", 1e-5},     {"tie_word_embeddings", tied},
          {"torch_dtype", "float32"}};
}

inline std::unique_ptr<LanguageModel> tiny_model(bool tied, WeightSource& weights) {
  Config config(tiny_config(tied), "tiny");
  return make_model(config, weights);
}

struct Tiny {
  Parameters parameters;
  std::unique_ptr<LanguageModel> model;
  Trainable trainable;

  explicit Tiny(DType dtype, bool tied = true, float deviation = 0.1f)
      : parameters(dtype, 7, deviation), model(tiny_model(tied, parameters)), trainable(*model) {
    trainable.open(parameters);
  }
  std::vector<float> masters() const {
    std::vector<float> all;
    for (const Parameter* p : trainable.tensors()) all.insert(all.end(), p->master.begin(), p->master.end());
    return all;
  }
};

// Documents with something to learn: tokens that follow from those before them, the second half to be said.
inline Corpus patterns(int64_t documents, int64_t length = 20) {
  Corpus corpus;
  for (int64_t d = 0; d < documents; ++d) {
    Document document;
    const auto draw = philox(3, static_cast<uint64_t>(d));
    for (int64_t t = 0; t < length + static_cast<int64_t>(draw[2] % 7); ++t) {
      document.tokens.push_back(
          static_cast<int32_t>((draw[0] % 40 + static_cast<uint64_t>(t) * (1 + draw[1] % 3)) % 40));
      document.loss_mask.push_back(t * 2 >= length);
    }
    corpus.add(document);
  }
  return corpus;
}

struct TrainingOptions {
  int64_t batch_tokens = 200;
  NextTokenOptions loss{1, 0.25};
  AdamWOptions adamw;
  TrainerOptions trainer;
};

inline TrainingOptions options_of(int64_t steps) {
  TrainingOptions options;
  options.trainer.micro_batch_tokens = 64;
  options.trainer.schedule = {5e-3, 5e-4, 3, steps};
  return options;
}

// A trainer, what it is made of, and what it reads.
struct Training {
  NextToken objective;
  AdamW adamw;
  Trainer trainer;
  Batches batches;

  Training(Trainable& trainable, const Corpus& corpus, const TrainingOptions& options, Workspace& workspace)
      : objective(options.loss),
        adamw(trainable.tensors(), options.adamw),
        trainer(trainable, objective, adamw, options.trainer, workspace),
        batches(corpus, 0, options.batch_tokens) {}
  Trainer::Step step() { return trainer.step(batches.examples(trainer.steps_done())); }
  void finish() {
    while (trainer.steps_done() < trainer.steps()) step();
  }
};

// Tokens to say, and those before them: rows of logits and what they are to give.
struct Answer {
  std::vector<uint8_t> logit_mask;
  std::vector<int32_t> targets;

  explicit Answer(const Sequence& sequence) : logit_mask(sequence.tokens.size(), 0) {
    for (size_t i = 1; i < sequence.tokens.size(); ++i) {
      if (!sequence.loss_mask[i]) continue;
      logit_mask[i - 1] = 1;
      targets.push_back(sequence.tokens[i]);
    }
  }
};

// sum of factor[s] * log p(answer s) over the sequences of a part, on the tape, as a scalar whose value is `value`.
inline Tensor weighted_log_probabilities(const Policy& policy, std::span<const Example> part,
                                         const std::vector<float>& factors, double value, Pass& pass) {
  std::vector<int32_t> targets;
  std::vector<float> weights;
  size_t s = 0;
  for (const Example& example : part)
    for (const Sequence& sequence : example) {
      const Answer answer(sequence);
      policy.add_sequence(pass, sequence.tokens, answer.logit_mask);
      targets.insert(targets.end(), answer.targets.begin(), answer.targets.end());
      weights.insert(weights.end(), answer.targets.size(), -factors[s++]);
    }
  const Tensor sum = cross_entropy(policy(pass), targets, weights);
  const Tensor rest = pass.empty(sum.shape());
  *Pass::mutable_f32(rest) = static_cast<float>(value) - sum.f32()[0];
  return sum + rest;
}

// Policy gradient with the mean reward of the group as its baseline (GRPO's, arXiv:2402.03300, for one step).
struct GroupRewards : Objective {
  double weight(std::span<const Example> part) const override {
    double rollouts = 0;
    for (const Example& group : part) rollouts += static_cast<double>(group.size());
    return rollouts;
  }
  Tensor loss(const Policy& policy, std::span<const Example> part, double weight, Pass& pass,
              Metrics* metrics) const override {
    std::vector<float> factors;
    for (const Example& group : part) {
      float mean = 0;
      for (const Sequence& rollout : group) mean += rollout.reward / static_cast<float>(group.size());
      for (const Sequence& rollout : group) {
        factors.push_back(static_cast<float>(-(rollout.reward - mean) / weight));
        if (!metrics) continue;
        (*metrics)["reward"].sum += rollout.reward;
        (*metrics)["reward"].count += 1;
      }
    }
    return weighted_log_probabilities(policy, part, factors, 0, pass);
  }
};

inline void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

}  // namespace glassbox::testing
