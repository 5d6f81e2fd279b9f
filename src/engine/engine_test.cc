// The engine's promises: company, cutting and remembering change no bit; requests end as they were told to.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <future>

#include "base/error.h"
#include "base/random.h"
#include "models/registry.h"
#include "nn/parameters.h"
#include "text/bpe_trainer.h"

namespace glassbox {
namespace {

// A random Llama that speaks bytes and a few merges.
std::shared_ptr<const Model> tiny_model(int64_t context = 256) {
  const std::vector<std::string> texts = {"the cat sat on the mat and the dog sat on the cat",
                                          "what is 17 + 25? it is 42."};
  const std::string json = train_bpe(texts, {.vocab_size = 300, .special_tokens = {"<|end|>"}});
  Tokenizer tokenizer = Tokenizer::from_json(json, "tiny");
  Config config({{"model_type", "llama"},
                 {"vocab_size", 304},
                 {"hidden_size", 48},
                 {"intermediate_size", 96},
                 {"num_hidden_layers", 2},
                 {"num_attention_heads", 4},
                 {"num_key_value_heads", 2},
                 {"max_position_embeddings", context},
                 {"rms_norm_eps", 1e-5},
                 {"rope_theta", 1e4},
                 {"hidden_act", "silu"},
                 {"tie_word_embeddings", true}},
                "tiny");
  Parameters parameters(DType::bf16, 3, 0.3f);
  auto network = make_model(config, parameters);
  ThreadPool pool(1);
  parameters.publish(pool);
  GenerationConfig generation;
  generation.eos = {*tokenizer.id_of("<|end|>")};
  return std::make_shared<const Model>(Model{"tiny", {}, std::move(network), tokenizer, std::nullopt, generation});
}

GenerationRequest ask(const Model& model, const std::string& prompt, int64_t max_tokens = 20, uint64_t seed = 1) {
  GenerationRequest request;
  request.prompt = model.tokenizer.encode(prompt);
  request.max_tokens = max_tokens;
  request.sampling.seed = seed;
  request.ignore_eos = true;
  request.logprobs = 3;
  return request;
}

void expect_same(const Engine::Answer& a, const Engine::Answer& b) {
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

TEST(Engine, CompanyAndChunksChangeNothing) {
  const auto model = tiny_model();
  const std::string prompt =
      "the dog sat on the mat and the cat sat on the dog and the mat sat on the cat. what is 17?";
  const auto alone = Engine(model, {.threads = 1}).generate(ask(*model, prompt));
  ASSERT_EQ(alone.tokens.size(), 20u);

  Engine engine(model, {.threads = 2, .prefill_chunk = 7});
  std::vector<std::promise<void>> done(16);
  for (uint64_t i = 0; i < 16; ++i)
    engine.submit(
        ask(*model, "stranger " + std::to_string(i * i), 5 + static_cast<int64_t>(i) * 3, i), [](const TokenEvent&) {},
        [&done, i](const Finished&) { done[i].set_value(); });
  expect_same(engine.generate(ask(*model, prompt)), alone);
  for (auto& promise : done) promise.get_future().wait();
  EXPECT_EQ(engine.statistics().requests, 17);
}

TEST(Engine, ARememberedBeginningChangesNothing) {
  const auto model = tiny_model();
  const std::string prompt = "the cat sat on the mat and what is 25 + 17 and the dog and the cat and so on";
  const auto fresh = Engine(model, {.threads = 2}).generate(ask(*model, prompt));
  Engine engine(model, {.threads = 2});
  engine.generate(ask(*model, "the cat sat on the mat and what is the dog"));
  const auto again = engine.generate(ask(*model, prompt));
  EXPECT_GT(again.finished.cached_tokens, 5);
  expect_same(again, fresh);
  const auto third = engine.generate(ask(*model, prompt));
  EXPECT_EQ(third.finished.cached_tokens, third.finished.prompt_tokens - 1);
  expect_same(third, fresh);
}

TEST(Engine, SeedsAndChoicesTellAnswersApart) {
  const auto model = tiny_model();
  Engine engine(model, {.threads = 1});
  const auto one = engine.generate(ask(*model, "the", 30, 1)), two = engine.generate(ask(*model, "the", 30, 2));
  EXPECT_NE(one.text, two.text);
  GenerationRequest second_choice = ask(*model, "the", 30, 1);
  second_choice.choice = 1;
  EXPECT_NE(engine.generate(second_choice).text, one.text);
  GenerationRequest drawn = ask(*model, "the", 30);
  drawn.sampling.seed.reset();
  const auto told = engine.generate(drawn);
  expect_same(engine.generate(ask(*model, "the", 30, told.finished.seed)), told);
}

TEST(Engine, EndsWhereItWasTold) {
  const auto model = tiny_model(64);
  Engine engine(model, {.threads = 1});
  const auto full = engine.generate(ask(*model, "the cat", 30));
  EXPECT_EQ(full.finished.reason, FinishReason::length);
  EXPECT_EQ(full.finished.completion_tokens, 30);

  GenerationRequest stopped = ask(*model, "the cat", 30);
  size_t from = full.text.size() / 2;
  while (from > 0 && (static_cast<unsigned char>(full.text[from]) & 0xC0) == 0x80) --from;
  stopped.stop = {full.text.substr(from, 3)};
  const auto at_stop = engine.generate(stopped);
  EXPECT_EQ(at_stop.finished.reason, FinishReason::stop);
  EXPECT_EQ(at_stop.text, full.text.substr(0, full.text.find(stopped.stop[0])));

  const auto to_the_end = engine.generate(ask(*model, "the cat", -1));
  EXPECT_EQ(to_the_end.finished.reason, FinishReason::length);
  EXPECT_EQ(to_the_end.finished.prompt_tokens + to_the_end.finished.completion_tokens, 64);

  GenerationRequest ends = ask(*model, "the cat", 30);
  ends.ignore_eos = false;
  ends.sampling.logit_bias = {{model->generation.eos[0], 1000.0f}};
  const auto at_once = engine.generate(ends);
  EXPECT_EQ(at_once.finished.reason, FinishReason::stop);
  EXPECT_EQ(at_once.text, "");
  EXPECT_TRUE(at_once.tokens.empty());
}

TEST(Engine, RefusesByName) {
  const auto model = tiny_model(64);
  Engine engine(model, {.threads = 1});
  const auto kind_of = [&](GenerationRequest request) -> int {
    try {
      engine.generate(std::move(request));
    } catch (const Error& error) { return static_cast<int>(error.kind()); }
    return -1;
  };
  EXPECT_EQ(kind_of(ask(*model, "")), static_cast<int>(ErrorKind::bad_request));
  EXPECT_EQ(kind_of(ask(*model, std::string(1000, 'x'))), static_cast<int>(ErrorKind::full));
  GenerationRequest outside = ask(*model, "a");
  outside.prompt.push_back(304);
  EXPECT_EQ(kind_of(outside), static_cast<int>(ErrorKind::bad_request));
  GenerationRequest hot = ask(*model, "a");
  hot.sampling.temperature = -1;
  EXPECT_EQ(kind_of(hot), static_cast<int>(ErrorKind::bad_request));
  EXPECT_EQ(kind_of(ask(*model, "a", 5)), -1);
}

TEST(Engine, StopsWhenToldAndWhenItEnds) {
  const auto model = tiny_model(4096);
  std::promise<Finished> cancelled;
  std::atomic<int> finished = 0;
  {
    Engine engine(model, {.threads = 2, .max_batch = 2});
    std::promise<void> speaking;
    std::atomic<bool> told = false;
    const auto id = engine.submit(
        ask(*model, "the", -1),
        [&](const TokenEvent&) {
          if (!told.exchange(true)) speaking.set_value();
        },
        [&](const Finished& f) { cancelled.set_value(f); });
    speaking.get_future().wait();
    engine.cancel(id);
    const Finished result = cancelled.get_future().get();
    EXPECT_EQ(result.reason, FinishReason::cancelled);
    EXPECT_LT(result.completion_tokens, 4000);
    for (int i = 0; i < 6; ++i)  // some run, some wait
      engine.submit(ask(*model, "the", -1), [](const TokenEvent&) {}, [&](const Finished&) { ++finished; });
    engine.cancel(999999);
  }
  EXPECT_EQ(finished, 6);
}

TEST(Engine, RequestsWaitForRoomInTheCache) {
  const auto model = tiny_model(256);
  Engine engine(model, {.threads = 1, .cache_tokens = 300});
  std::vector<std::promise<Finished>> done(4);
  for (size_t i = 0; i < done.size(); ++i)
    engine.submit(
        ask(*model, "the cat", 150, i), [](const TokenEvent&) {},
        [&done, i](const Finished& f) { done[i].set_value(f); });
  for (auto& promise : done) EXPECT_EQ(promise.get_future().get().completion_tokens, 150);
}

// A random adapter over every projection named q_proj or down_proj.
std::shared_ptr<const Adapter> random_adapter(const Model& model, uint64_t seed) {
  Workspace workspace(1);
  AdapterConfig config;
  config.rank = 4;
  config.alpha = 16;
  config.targets = {"q_proj", "down_proj"};
  Parameters parameters(DType::f32, seed);
  const auto adapter = make_adapter(config, model.network->adaptable_weights(workspace), parameters, seed, workspace);
  for (Parameter& parameter : parameters.all())
    for (size_t i = 0; i < parameter.master.size(); ++i)
      parameter.master[i] = uniform(key_of(seed, parameter.name), i) - 0.5f;
  parameters.publish(workspace.pool);
  return adapter;
}

TEST(Engine, AdaptersAreChosenByRequestAndRememberApart) {
  const auto model = tiny_model();
  const std::shared_ptr<const Adapter> adapters[] = {nullptr, random_adapter(*model, 1), random_adapter(*model, 2)};
  const auto asked = [&](const std::shared_ptr<const Adapter>& adapter) {
    GenerationRequest request = ask(*model, "the cat sat on the mat and the dog");
    request.adapter = adapter;
    return request;
  };
  std::vector<Engine::Answer> alone;
  for (const auto& adapter : adapters) {
    Engine engine(model, {.threads = 1});
    alone.push_back(engine.generate(asked(adapter)));
  }
  EXPECT_NE(alone[0].tokens[0].logprob, alone[1].tokens[0].logprob);
  EXPECT_NE(alone[1].tokens[0].logprob, alone[2].tokens[0].logprob);

  Engine engine(model, {.threads = 2});
  for (int round = 0; round < 2; ++round) {  // the second finds the first's keys and values, its own only
    std::vector<std::promise<Engine::Answer>> done(3);
    std::vector<Engine::Answer> answers(3);
    for (size_t i = 0; i < 3; ++i)
      engine.submit(
          asked(adapters[i]),
          [&answers, i](const TokenEvent& event) {
            answers[i].text += event.text;
            answers[i].tokens.push_back(event);
          },
          [&answers, &done, i](const Finished& finished) {
            answers[i].text += finished.text;
            answers[i].finished = finished;
            done[i].set_value(answers[i]);
          });
    for (size_t i = 0; i < 3; ++i) {
      const Engine::Answer answer = done[i].get_future().get();
      expect_same(answer, alone[i]);
      EXPECT_EQ(answer.finished.cached_tokens, round == 0 ? 0 : answer.finished.prompt_tokens - 1);
    }
  }
}

}  // namespace
}  // namespace glassbox
