// For tests of the engine: small random models, requests, answers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <ctime>
#include <functional>
#include <future>
#include <limits>
#include <list>
#include <thread>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "engine/engine.h"
#include "models/registry.h"
#include "nn/parameters.h"
#include "tokenizer/bpe_trainer.h"

namespace glassbox {

// A random Llama that speaks bytes and a few merges. `damage` may change its numbers.
inline Model tiny(int64_t context, const std::function<void(Parameters&)>& damage = {},
                  const Json& more = Json::object()) {
  const std::vector<std::string> texts = {"the cat sat on the mat and the dog sat on the cat",
                                          "what is 17 + 25? it is 42."};
  const std::string json = train_bpe(texts, {.vocab_size = 300, .special_tokens = {"<|end|>"}});
  Tokenizer tokenizer = Tokenizer::from_json(json, "tiny");
  Json shape = {{"model_type", "llama"},    {"vocab_size", 304},
                {"hidden_size", 48},        {"intermediate_size", 96},
                {"num_hidden_layers", 2},   {"num_attention_heads", 4},
                {"num_key_value_heads", 2}, {"max_position_embeddings", context},
                {"rms_norm_eps", 1e-5},     {"rope_theta", 1e4},
                {"hidden_act", "silu"},     {"tie_word_embeddings", !damage}};
  shape.update(more);
  Config config(shape, "tiny");
  Parameters parameters(DType::bf16, 3, 0.3f);
  auto network = make_model(config, parameters);
  if (damage) damage(parameters);
  ThreadPool pool(1);
  parameters.publish(pool);
  GenerationConfig generation;
  generation.eos = {*tokenizer.id_of("<|end|>")};
  return {"tiny", FileSet::of_folder("tiny"), std::move(network), tokenizer, std::nullopt, generation};
}

inline std::shared_ptr<const Model> tiny_model(int64_t context = 256,
                                               const std::function<void(Parameters&)>& damage = {}) {
  return std::make_shared<const Model>(tiny(context, damage));
}

inline GenerationRequest ask(const Model& model, const std::string& prompt, int64_t max_tokens = 20,
                             uint64_t seed = 1) {
  GenerationRequest request;
  request.prompt = model.tokenizer.encode(prompt);
  request.max_tokens = max_tokens;
  request.sampling.seed = seed;
  request.ignore_eos = true;
  request.logprobs = 3;
  return request;
}

inline void expect_same(const Engine::Answer& a, const Engine::Answer& b) {
  ASSERT_EQ(a.tokens.size(), b.tokens.size());
  for (size_t i = 0; i < a.tokens.size(); ++i) {
    ASSERT_EQ(a.tokens[i].id, b.tokens[i].id) << i;
    ASSERT_EQ(std::memcmp(&a.tokens[i].logprob, &b.tokens[i].logprob, sizeof(float)), 0) << i;
    ASSERT_EQ(a.tokens[i].alternatives.size(), b.tokens[i].alternatives.size());
    for (size_t j = 0; j < a.tokens[i].alternatives.size(); ++j)
      ASSERT_EQ(a.tokens[i].alternatives[j].id, b.tokens[i].alternatives[j].id) << i;
  }
  ASSERT_EQ(a.text, b.text);
}

// One number of the parameter.
inline void damage(Parameters& parameters, const std::string& name, size_t at, float value) {
  for (Parameter& parameter : parameters.all())
    if (parameter.name == name) parameter.master[at] = value;
}

// A model whose passes a test is told of, and may hold up or break, before they end: caches have grown by then.
class Watched : public LanguageModel {
 public:
  using Watch = std::function<void(const Pass&)>;
  Watched(std::unique_ptr<LanguageModel> model, Watch watch) : model_(std::move(model)), watch_(std::move(watch)) {}
  const ModelShape& shape() const override { return model_->shape(); }
  const MemoryShape& memory_shape() const override { return model_->memory_shape(); }
  Tensor operator()(Pass& pass) const override {
    Tensor logits = (*model_)(pass);
    watch_(pass);
    return logits;
  }

 private:
  std::unique_ptr<LanguageModel> model_;
  Watch watch_;
};

inline std::shared_ptr<const Model> watched_model(int64_t context, Watched::Watch watch) {
  Model model = tiny(context);
  model.network = std::make_unique<Watched>(std::move(model.network), std::move(watch));
  return std::make_shared<const Model>(std::move(model));
}

// A request that runs, and its answer.
struct Asked {
  std::promise<void> done;
  Engine::Answer answer;
  Engine::RequestId id = 0;

  Asked(Engine& engine, GenerationRequest request, std::function<void(const TokenEvent&)> on_token = {}) {
    id = engine.submit(
        std::move(request),
        [this, on_token = std::move(on_token)](const TokenEvent& event) {
          answer.text += event.text;
          answer.tokens.push_back(event);
          if (on_token) on_token(event);
        },
        [this](const Finished& finished) {
          answer.text += finished.text;
          answer.finished = finished;
          done.set_value();
        });
  }
  const Engine::Answer& wait() {
    if (!waited_) done.get_future().wait();
    waited_ = true;
    return answer;
  }

 private:
  bool waited_ = false;
};

// What an engine keeps free for intermediates.
inline int64_t promised_by(const std::shared_ptr<const Model>& model, EngineOptions options) {
  constexpr int64_t kPlenty = int64_t{1} << 40;
  options.memory = std::make_shared<MemoryBudget>(kPlenty);
  const Engine probe(model, options);
  return kPlenty - options.memory->left();
}

// That, and so many blocks for keys and values.
inline std::shared_ptr<MemoryBudget> memory_for(const std::shared_ptr<const Model>& model, int64_t blocks,
                                                int engines = 1) {
  const int64_t promised = promised_by(model, {.threads = 1}), block = model->network->memory_shape().block_bytes();
  return std::make_shared<MemoryBudget>(engines * promised + blocks * block);
}

}  // namespace glassbox
