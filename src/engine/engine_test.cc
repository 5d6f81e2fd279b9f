// The engine's promises: company, cutting and remembering change no bit; requests end as they were told to.
#include "engine/engine.h"

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
#include "models/registry.h"
#include "nn/parameters.h"
#include "tokenizer/bpe_trainer.h"

namespace glassbox {
namespace {

// A random Llama that speaks bytes and a few merges. `damage` may change its numbers.
Model tiny(int64_t context, const std::function<void(Parameters&)>& damage = {}, const Json& more = Json::object()) {
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

std::shared_ptr<const Model> tiny_model(int64_t context = 256, const std::function<void(Parameters&)>& damage = {}) {
  return std::make_shared<const Model>(tiny(context, damage));
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

// One number of the parameter.
void damage(Parameters& parameters, const std::string& name, size_t at, float value) {
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

std::shared_ptr<const Model> watched_model(int64_t context, Watched::Watch watch) {
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

TEST(Engine, CompanyAndChunksChangeNothing) {
  const auto model = tiny_model();
  const std::string prompt =
      "the dog sat on the mat and the cat sat on the "
      "dog and the mat sat on the cat. what is 17?";
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
  const std::string prompt =
      "the cat sat on the mat and what is 25 + 17 and "
      "the dog and the cat and so on";
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

TEST(Engine, SpecialTokensAreLeftOutOfTheText) {
  const auto model = tiny_model();
  Engine engine(model, {.threads = 1});
  const int32_t end = *model->tokenizer.id_of("<|end|>");
  GenerationRequest written = ask(*model, "the cat", 60);
  written.sampling.logit_bias = {{end, 4.0f}};
  const auto with = engine.generate(written);
  std::vector<int32_t> ids;
  for (const TokenEvent& event : with.tokens)
    if (static_cast<size_t>(event.id) < model->tokenizer.size()) ids.push_back(event.id);  // the rest is padding
  const auto first = std::ranges::find(with.tokens, end, &TokenEvent::id);
  ASSERT_GT(std::ranges::count(ids, end), 2);
  ASSERT_LT(std::ranges::count(ids, end), 50);
  ASSERT_EQ(with.text, model->tokenizer.decode(ids));

  GenerationRequest skipped = written;
  skipped.skip_special = true;
  const auto without = engine.generate(skipped);
  EXPECT_EQ(without.text, model->tokenizer.decode(ids, true));
  ASSERT_EQ(without.tokens.size(), with.tokens.size());
  for (size_t i = 0; i < with.tokens.size(); ++i) EXPECT_EQ(without.tokens[i].id, with.tokens[i].id);
  skipped.kept_special = {end};
  EXPECT_EQ(engine.generate(skipped).text, with.text);
  // A stop text may still name one.
  skipped.kept_special = {};
  skipped.stop = {"<|end|>"};
  const auto stopped = engine.generate(skipped);
  EXPECT_EQ(stopped.tokens.size(), static_cast<size_t>(first - with.tokens.begin()) + 1);
  EXPECT_EQ(stopped.text.find("<|end|>"), std::string::npos);
  EXPECT_EQ(stopped.finished.reason, FinishReason::stop);
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

TEST(Engine, WhoGivesWayGoesOnWithTheSameBits) {
  const auto model = tiny_model(256);
  std::vector<GenerationRequest> requests;
  for (uint64_t i = 0; i < 5; ++i) {
    requests.push_back(ask(*model, i % 2 ? "the cat sat on the mat and the dog" : "what is 17", 150, i));
    if (i == 3) requests.back().stop = {"never said"};  // holds text back across a gap
  }
  std::vector<Engine::Answer> alone;
  for (const auto& request : requests) alone.push_back(Engine(model, {.threads = 1}).generate(request));
  for (const int64_t chunk : {7, 256}) {
    // Of blocks of 64 positions each needs three in the end, and there are five.
    Engine engine(model, {.threads = 2, .cache_tokens = 300, .prefill_chunk = chunk});
    std::list<Asked> all;
    for (const auto& request : requests) all.emplace_back(engine, request);
    for (size_t i = 0; auto& asked : all) expect_same(asked.wait(), alone[i++]);
    const EngineStatistics statistics = engine.statistics();
    EXPECT_GT(statistics.gave_way, 0);
    EXPECT_LE(statistics.cache_bytes, 5 * model->network->memory_shape().block_bytes());
  }
}

TEST(Engine, OnlyWhatIsSaidTakesMemory) {
  // Chats without a limit may each fill the context, and there is room for two such. A short request does not wait.
  std::promise<void> enough;
  std::atomic<int> passes = 0;
  const auto model = watched_model(2048, [&](const Pass&) {
    if (++passes == 1) enough.get_future().wait();
  });
  Engine engine(model, {.threads = 2, .cache_tokens = 4096});
  std::list<Asked> chats;
  for (uint64_t i = 0; i < 20; ++i) chats.emplace_back(engine, ask(*model, "the cat", -1, i));
  std::atomic<int> passes_of_small = 0;
  Asked small(engine, ask(*model, "the dog", 10), [&](const TokenEvent&) { passes_of_small = passes.load(); });
  enough.set_value();
  EXPECT_EQ(small.wait().tokens.size(), 10u);
  EXPECT_LT(passes_of_small, 20);
  for (Asked& chat : chats) engine.cancel(chat.id);
  for (Asked& chat : chats) EXPECT_EQ(chat.wait().finished.reason, FinishReason::cancelled);
}

TEST(Engine, ACrowdThatComesAndGoesInLittleMemory) {
  // 64 requests, a third of which leave, sooner or later; memory for few of them at once; common
  // beginnings.
  const auto model = tiny_model(256);
  std::vector<GenerationRequest> requests;
  std::vector<Engine::Answer> alone;
  Engine solo(model, {.threads = 1});
  for (uint64_t i = 0; i < 64; ++i) {
    const std::string begin = i % 4 == 0 ? "the cat sat on the mat and the dog " : i % 4 == 1 ? "what is 17 " : "";
    requests.push_back(ask(*model, begin + std::string(i * 7 % 60, 'q') + std::to_string(i),
                           5 + static_cast<int64_t>(i * 29 % 100), i));
    alone.push_back(solo.generate(requests.back()));
  }
  for (const int64_t blocks : {6, 14}) {
    std::list<Asked> all;  // outlives the engine that calls into it, though the test may end early
    Engine engine(model, {.threads = 2, .cache_tokens = blocks * 64, .max_batch = 16, .prefill_chunk = 32});
    for (const GenerationRequest& request : requests) all.emplace_back(engine, request);
    for (size_t i = 0; auto& asked : all) {
      if (i % 6 == 3) std::this_thread::sleep_for(std::chrono::milliseconds(3));  // some have begun, some wait
      if (i++ % 3 == 0) engine.cancel(asked.id);
    }
    for (size_t i = 0; auto& asked : all) {
      const Engine::Answer& answer = asked.wait();
      ASSERT_FALSE(answer.finished.failure) << answer.finished.failure->what();
      if (answer.finished.reason != FinishReason::cancelled) {
        expect_same(answer, alone[i]);
      } else {
        ASSERT_EQ(i % 3, 0u);
        ASSERT_LE(answer.tokens.size(), alone[i].tokens.size());
        for (size_t t = 0; t < answer.tokens.size(); ++t) ASSERT_EQ(answer.tokens[t].id, alone[i].tokens[t].id);
        // What was held back at the end may be half a character, which is told as U+FFFD.
        const size_t certain = answer.text.size() - answer.finished.text.size();
        ASSERT_EQ(alone[i].text.substr(0, certain), answer.text.substr(0, certain));
      }
      ++i;
    }
    EXPECT_LE(engine.statistics().cache_bytes, blocks * model->network->memory_shape().block_bytes());
  }
}

// What an engine keeps for intermediates, and so many blocks for keys and values.
std::shared_ptr<MemoryBudget> memory_for(const std::shared_ptr<const Model>& model, int64_t blocks, int engines = 1) {
  constexpr int64_t kPlenty = int64_t{1} << 40;
  EngineOptions options{.threads = 1};
  options.memory = std::make_shared<MemoryBudget>(kPlenty);
  const Engine probe(model, options);
  const int64_t promised = kPlenty - options.memory->left();
  const auto block = model->network->memory_shape().block_bytes();
  return std::make_shared<MemoryBudget>(engines * promised + blocks * block);
}

TEST(Engine, WhatEndedIsForgottenBeforeAnybodyGivesWay) {
  const auto model = tiny_model(256);
  Engine engine(model, {.threads = 1, .cache_tokens = 5 * 64});
  for (uint64_t i = 0; i < 6; ++i) {
    const GenerationRequest request = ask(*model, std::string(1, static_cast<char>('a' + i)) + " cat", 120, i);
    EXPECT_EQ(engine.generate(request).tokens.size(), 120u);
  }
  EXPECT_EQ(engine.statistics().gave_way, 0);
  EXPECT_LE(engine.statistics().cache_bytes, 5 * model->network->memory_shape().block_bytes());
  EXPECT_GT(engine.statistics().cache_bytes, 0) << "the last is remembered";
}

// The first layer looks through a window of 40, the second sees all.
std::shared_ptr<const Model> windowed_model() {
  return std::make_shared<const Model>(tiny(
      2048, {},
      {{"model_type", "olmo3"}, {"sliding_window", 40}, {"layer_types", {"sliding_attention", "full_attention"}}}));
}

TEST(Engine, LayersThatForgetTakeLittleMemory) {
  const auto model = windowed_model();
  const int64_t block = model->network->memory_shape().block_bytes();
  const auto request = ask(*model, std::string(900, 'q'), 60);
  const auto alone = Engine(model, {.threads = 1}).generate(request);
  // 15 blocks of one layer; of the other a window and a chunk, and what a checkpoint keeps of it.
  EngineOptions options{.threads = 2, .prefill_chunk = 64};
  options.memory = memory_for(model, 15 * 2);
  Engine engine(model, options);
  expect_same(engine.generate(request), alone);
  EXPECT_LE(engine.statistics().cache_bytes, (15 + 4 + 2) * block / 2);
}

TEST(Engine, ATurnGoesOnFromTheOneBeforeThoughLayersForget) {
  const auto model = windowed_model();
  Engine engine(model, {.threads = 2, .prefill_chunk = 100});
  const std::string story = "the cat sat on the mat and the dog sat on the cat. " + std::string(150, 'q');
  const auto one = engine.generate(ask(*model, story, 200));
  EXPECT_EQ(one.finished.cached_tokens, 0);
  // The answer is told otherwise, as templates do with reasoning: the prompt is still known up to its last block.
  const auto request = ask(*model, story + " what is 17 + 25?", 30);
  const auto two = engine.generate(request);
  EXPECT_GE(two.finished.cached_tokens, one.finished.prompt_tokens - 16 - 64);
  expect_same(two, Engine(model, {.threads = 1}).generate(request));
  // As it was told: from its end.
  auto whole = ask(*model, story, 30);
  for (const TokenEvent& token : one.tokens) whole.prompt.push_back(token.id);
  const auto three = engine.generate(whole);
  EXPECT_GE(three.finished.cached_tokens, one.finished.prompt_tokens + 190);
  expect_same(three, Engine(model, {.threads = 1}).generate(whole));
}

TEST(Engine, WhereTwoPromptsPartedAThirdGoesOn) {
  const auto model = windowed_model();
  Engine engine(model, {.threads = 1});
  const std::string rules(400, 'q');
  std::vector<int64_t> cached;
  for (const char* question : {" the cat", " what is 17", " the dog"}) {
    const auto request = ask(*model, rules + question + std::string(300, 'z'), 20);
    const auto answer = engine.generate(request);
    expect_same(answer, Engine(model, {.threads = 1}).generate(request));
    cached.push_back(answer.finished.cached_tokens);
  }
  EXPECT_EQ(cached[0], 0);
  EXPECT_EQ(cached[1], 0) << "what the rules' end needs was forgotten";
  EXPECT_GE(cached[2], 390) << "and was kept the second time";
}

const WatchedValue& value_at(const Engine::Answer& answer, const std::string& place) {
  for (const WatchedValue& value : answer.finished.evidence->values)
    if (value.place == place) return value;
  throw std::logic_error("nothing seen at " + place);
}

void expect_same_evidence(const Engine::Answer& a, const Engine::Answer& b) {
  ASSERT_TRUE(a.finished.evidence && b.finished.evidence);
  ASSERT_EQ(a.finished.evidence->values.size(), b.finished.evidence->values.size());
  for (const WatchedValue& value : a.finished.evidence->values) {
    const WatchedValue& other = value_at(b, value.place);
    EXPECT_EQ(value.positions, other.positions) << value.place;
    EXPECT_EQ(value.shape, other.shape) << value.place;
    EXPECT_EQ(value.numbers, other.numbers) << value.place;
  }
}

TEST(Engine, OneOfManyIsLookedInto) {
  const auto model = tiny_model(256);
  auto watching = ask(*model, "the cat sat on the mat and the dog", 30);
  watching.watch = Watch{{"model.layers.*.mlp.out", "model.layers.0.self_attn.q_proj.out", "logits"}};
  const auto prompt = static_cast<int64_t>(watching.prompt.size());
  const auto seen_alone = Engine(model, {.threads = 1}).generate(watching);
  const WatchedValue& mlp = value_at(seen_alone, "model.layers.1.mlp.out");
  EXPECT_EQ(mlp.shape, (std::vector<int64_t>{prompt + 29, 48})) << "the last token was not walked";
  for (int64_t i = 0; i < prompt + 29; ++i) EXPECT_EQ(mlp.positions[static_cast<size_t>(i)], i);
  const WatchedValue& logits = value_at(seen_alone, "logits");
  EXPECT_EQ(logits.shape, (std::vector<int64_t>{30, 304}));
  EXPECT_EQ(logits.positions[0], prompt - 1);
  EXPECT_EQ(seen_alone.finished.evidence->dropped_bytes, 0);
  EXPECT_TRUE(seen_alone.finished.evidence->unheard.empty());
  EXPECT_EQ(seen_alone.finished.evidence->values.size(), 4u);

  std::vector<GenerationRequest> others;
  std::vector<Engine::Answer> alone;
  for (uint64_t i = 0; i < 6; ++i) {
    others.push_back(ask(*model, i % 2 ? "the cat sat on the mat and the dog" : "what is 17", 40, i));
    alone.push_back(Engine(model, {.threads = 1}).generate(others.back()));
    EXPECT_EQ(alone.back().finished.evidence, nullptr);
  }
  // Much room; and so little that sequences give way and are read again; and short passes.
  for (const EngineOptions& options : {EngineOptions{.threads = 2}, EngineOptions{.threads = 2, .cache_tokens = 256},
                                       EngineOptions{.threads = 1, .prefill_chunk = 3}}) {
    Engine engine(model, options);
    engine.generate(others[1]);  // remembered, and not used: what is watched is computed
    std::list<Asked> all;
    for (size_t i = 0; i < 3; ++i) all.emplace_back(engine, others[i]);
    Asked watched(engine, watching);
    for (size_t i = 3; i < 6; ++i) all.emplace_back(engine, others[i]);
    for (size_t i = 0; Asked & asked : all) expect_same(asked.wait(), alone[i++]);
    expect_same(watched.wait(), seen_alone);
    expect_same_evidence(watched.wait(), seen_alone);
    EXPECT_EQ(watched.wait().finished.cached_tokens, 0);
  }
}

TEST(Engine, EvidenceKeepsWithinItsBudget) {
  const auto model = tiny_model(256);
  auto request = ask(*model, "the cat sat on the mat", 20);
  const auto without = Engine(model, {.threads = 1}).generate(request);
  request.watch = Watch{{"model.layers.0.mlp.out"}, 25 * 48 * 4};
  const auto answer = Engine(model, {.threads = 1, .prefill_chunk = 1}).generate(request);
  expect_same(answer, without);
  const auto tokens = static_cast<int64_t>(request.prompt.size()) + 19;
  EXPECT_EQ(value_at(answer, "model.layers.0.mlp.out").positions.size(), 25u);
  EXPECT_EQ(answer.finished.evidence->dropped_bytes, (tokens - 25) * 48 * 4);
}

TEST(Engine, APlaceThatTheModelLacksIsRefusedByName) {
  const auto model = tiny_model(256);
  Engine engine(model, {.threads = 1});
  auto request = ask(*model, "the cat", 3);
  const auto refusal = [&](Watch watch) -> std::string {
    request.watch = std::move(watch);
    try {
      engine.generate(request);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_request);
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal({{"logits", "model.layers.7.mlp.out"}}), "watch: no place is named model.layers.7.mlp.out");
  EXPECT_EQ(refusal({{}}), "watch: expected places, got none");
  EXPECT_EQ(refusal({{"logits"}, 0}), "watch: expected a positive number of bytes, got 0");
  request.watch = Watch{{"logits", "model.layers.0.mlp.experts.3.up_proj.out"}};
  EXPECT_EQ(engine.generate(request).finished.evidence->unheard,
            (std::vector<std::string>{"model.layers.0.mlp.experts.3.up_proj.out"}));
}

TEST(Engine, TheContextIsWhatMemoryHolds) {
  const auto model = tiny_model(4096);
  EngineOptions options{.threads = 1};
  options.memory = memory_for(model, 3);
  {
    Engine engine(model, options);
    EXPECT_EQ(engine.context(), 192);
    const auto full = engine.generate(ask(*model, "the cat", -1));
    EXPECT_EQ(full.finished.reason, FinishReason::length);
    EXPECT_EQ(full.finished.prompt_tokens + full.finished.completion_tokens, 192);
    try {
      engine.generate(ask(*model, std::string(1000, 'q')));
      FAIL() << "there is no room for it";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::full);
      EXPECT_NE(std::string(error.what()).find("in a context of 192 (the model's is 4096, but only"), std::string::npos)
          << error.what();
    }
  }
  options.context = 256;
  EXPECT_THROW(Engine(model, options), Error) << "asked for, and not there";
  options.context = 0;
  options.memory = std::make_shared<MemoryBudget>(1 << 16);
  EXPECT_THROW(Engine(model, options), Error) << "no room for anything";
}

TEST(Engine, EnginesShareOneBudget) {
  const auto model = tiny_model(256);
  EngineOptions options{.threads = 1};
  const auto alone = Engine(model, options).generate(ask(*model, "the cat", 150));
  options.memory = memory_for(model, 4, 2);
  Engine one(model, options), two(model, options);
  for (int round = 0; round < 3; ++round) {  // what one remembers is in the way of the other
    expect_same(one.generate(ask(*model, "the cat", 150)), alone);
    expect_same(two.generate(ask(*model, "the cat", 150)), alone);
  }
  std::list<Asked> all;
  for (int i = 0; i < 6; ++i) all.emplace_back(i % 2 ? one : two, ask(*model, "the cat", 150));
  for (Asked& asked : all) expect_same(asked.wait(), alone);
  EXPECT_LE(options.memory->taken(), 4 * model->network->memory_shape().block_bytes());
}

TEST(Engine, ARequestThatFindsNoMemoryFailsByName) {
  const auto model = tiny_model(256);
  EngineOptions options{.threads = 1, .patience = std::chrono::milliseconds(60)};
  options.memory = memory_for(model, 4);
  const auto alone = Engine(model, {.threads = 1}).generate(ask(*model, "the cat", 150));
  Engine engine(model, options);
  const int64_t all = options.memory->left(), block = all / 4;
  options.memory->promise(all);  // something else has it
  try {
    engine.generate(ask(*model, "the cat", 150));
    FAIL() << "no memory at all";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::full);
    EXPECT_EQ(std::string(error.what()).find("prompt: 2 tokens take "), 0u) << error.what();
  }
  options.memory->promise(-block);  // enough to begin with
  Asked asked(engine, ask(*model, "the cat", 150));
  const auto& failure = asked.wait().finished.failure;
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind(), ErrorKind::full);
  EXPECT_EQ(std::string(failure->what()).find("memory: keys and values of 65 tokens take "), 0u) << failure->what();
  EXPECT_EQ(asked.answer.tokens.size(), 65 - static_cast<size_t>(asked.answer.finished.prompt_tokens));
  options.memory->promise(block - all);
  expect_same(engine.generate(ask(*model, "the cat", 150)), alone);
}

TEST(Engine, MemoryThatComesBackIsUsed) {
  const auto model = tiny_model(256);
  EngineOptions options{.threads = 1};
  options.memory = memory_for(model, 4);
  const auto alone = Engine(model, {.threads = 1}).generate(ask(*model, "the cat", 150));
  Engine engine(model, options);
  const int64_t all = options.memory->left();
  ASSERT_TRUE(options.memory->take(all));
  Asked asked(engine, ask(*model, "the cat", 150));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(engine.statistics().completion_tokens, 0);
  options.memory->give(all);
  expect_same(asked.wait(), alone);
}

TEST(Engine, AllMemoryComesBack) {
  const auto model = tiny_model(256);
  EngineOptions options{.threads = 2};
  options.memory = std::make_shared<MemoryBudget>(int64_t{1} << 30);
  {
    Engine engine(model, options);
    std::list<Asked> all;
    for (uint64_t i = 0; i < 9; ++i) all.emplace_back(engine, ask(*model, "the cat", i < 6 ? 100 : -1, i));
    for (Asked& asked : all) engine.cancel(asked.id), asked.wait();
  }
  EXPECT_EQ(options.memory->taken(), 0);
  EXPECT_EQ(options.memory->left(), int64_t{1} << 30);
}

TEST(Engine, ThatHasNothingToDoDoesNothing) {
  const auto model = tiny_model(256);
  Engine one(model, {.threads = 4}), two(model, {.threads = 4});
  one.generate(ask(*model, "the cat", 20));
  two.generate(ask(*model, "the cat", 20));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto spent = [] { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
  const double before = spent();
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));  // memory goes back to the system meanwhile
  EXPECT_LT(spent() - before, 0.1);
}

TEST(Engine, NumbersThatEndAreTheErrorOfTheirRequestAlone) {
  // The embedding of one token is damaged: requests that have it fail, those beside them go on as if alone.
  const auto damaged = tiny_model()->tokenizer.encode("z");
  ASSERT_EQ(damaged.size(), 1u);
  const auto asked_for = [&](const Model& model, const std::string& prompt) {
    GenerationRequest request = ask(model, prompt);
    request.sampling.logit_bias = {{damaged[0], -1000.0f}};  // nor is it said
    return request;
  };
  for (const float value : {NAN, INFINITY, -INFINITY, 3.4e38f}) {
    const auto model = tiny_model(256, [&](Parameters& parameters) {
      damage(parameters, "model.embed_tokens.weight", static_cast<size_t>(damaged[0]) * 48 + 5, value);
    });
    const auto sound = tiny_model(256, [](Parameters&) {});
    const auto alone = Engine(sound, {.threads = 1}).generate(asked_for(*sound, "the cat sat on"));
    Engine engine(model, {.threads = 2, .prefill_chunk = 16});
    std::list<Asked> good, bad;
    for (int i = 0; i < 4; ++i) {
      bad.emplace_back(engine, asked_for(*model, "the cat z sat"));
      good.emplace_back(engine, asked_for(*model, "the cat sat on"));
    }
    for (Asked& asked : bad) {
      const auto& failure = asked.wait().finished.failure;
      ASSERT_TRUE(failure);
      EXPECT_EQ(failure->kind(), ErrorKind::not_finite);
      EXPECT_EQ(std::string(failure->what()).find("logits: expected numbers, got "), 0u) << failure->what();
      EXPECT_TRUE(asked.answer.tokens.empty());
    }
    for (Asked& asked : good) {
      asked.wait();
      EXPECT_FALSE(asked.answer.finished.failure);
      expect_same(asked.answer, alone);
    }
    for (int again = 0; again < 2; ++again)  // nothing of them is remembered
      EXPECT_THROW(engine.generate(asked_for(*model, "the cat z sat")), Error);
    expect_same(engine.generate(asked_for(*model, "the cat sat on")), alone);
  }
}

TEST(Engine, OddOptionsGiveAnswersOrErrors) {
  const auto model = tiny_model();
  Engine engine(model, {.threads = 1});
  for (const double value : {-0.0, 1e-320, 1e-45, 1e-38, 1e-20, 0.5, 1.0, 1e20, 1e38, 1e308})
    for (const auto field : {&Sampling::temperature, &Sampling::top_p, &Sampling::min_p, &Sampling::repetition_penalty,
                             &Sampling::presence_penalty, &Sampling::frequency_penalty}) {
      GenerationRequest request = ask(*model, "the", 3);
      request.sampling.*field = static_cast<float>(std::min(value, 3.4e38));
      request.sampling.logit_bias = {{5, static_cast<float>(value)}};
      try {
        EXPECT_EQ(engine.generate(request).tokens.size(), 3u);
      } catch (const Error& error) { EXPECT_EQ(error.kind(), ErrorKind::bad_request) << error.what(); }
    }
  for (const int64_t most : {int64_t{1}, int64_t{1} << 40, std::numeric_limits<int64_t>::max()}) {
    GenerationRequest request = ask(*model, "the cat", most);
    EXPECT_EQ(engine.generate(request).tokens.size(), most == 1 ? 1u : 256u - request.prompt.size());
  }
  for (const uint64_t seed : {uint64_t{0}, ~uint64_t{0}, uint64_t{1} << 63})
    EXPECT_EQ(engine.generate(ask(*model, "the", 3, seed)).finished.seed, seed);
}

TEST(Engine, APassThatFailsEndsOnlyWhomItFailsFor) {
  // As a system without memory does: whoever reads more than ten tokens at once, or is in a pass with them, fails.
  std::atomic<int> failures = 0;
  const auto model = watched_model(256, [&](const Pass& pass) {
    for (const auto& run : pass.runs())
      if (run.end - run.begin > 10) {
        ++failures;
        throw std::bad_alloc();
      }
  });
  const auto sound = tiny_model();
  std::vector<Engine::Answer> alone;
  for (uint64_t i = 0; i < 4; ++i)
    alone.push_back(Engine(sound, {.threads = 1}).generate(ask(*sound, "the cat", 30, i)));
  Engine engine(model, {.threads = 2, .prefill_chunk = 256});
  std::list<Asked> good;
  for (uint64_t i = 0; i < 4; ++i) good.emplace_back(engine, ask(*model, "the cat", 30, i));
  for (int i = 0; i < 3; ++i) {
    Asked large(engine, ask(*model, std::string(100, 'q')));
    const auto& failure = large.wait().finished.failure;
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->kind(), ErrorKind::full);
  }
  for (uint64_t i = 0; Asked & asked : good) expect_same(asked.wait(), alone[i++]);
  EXPECT_GE(failures, 3);
}

TEST(Engine, AShortPromptIsNotHeldUpByALongOne) {
  std::promise<void> first_pass, go_on;
  std::atomic<int> passes = 0;
  const auto model = watched_model(4096, [&](const Pass&) {
    if (++passes > 1) return;
    first_pass.set_value();
    go_on.get_future().wait();
  });
  const std::string long_prompt(3000, 'q');
  const auto sound = tiny_model(4096);
  const auto long_alone = Engine(sound, {.threads = 2}).generate(ask(*sound, long_prompt, 5));
  const auto short_alone = Engine(sound, {.threads = 2}).generate(ask(*sound, "the cat sat", 5));

  Engine engine(model, {.threads = 2, .prefill_chunk = 64});
  int passes_of_short = 0, passes_of_long = 0;
  Asked large(engine, ask(*model, long_prompt, 5), [&](const TokenEvent&) {
    if (!passes_of_long) passes_of_long = passes;
  });
  first_pass.get_future().wait();
  Asked small(engine, ask(*model, "the cat sat", 5), [&](const TokenEvent&) {
    if (!passes_of_short) passes_of_short = passes;
  });
  go_on.set_value();
  expect_same(small.wait(), short_alone);
  expect_same(large.wait(), long_alone);
  EXPECT_EQ(passes_of_short, 2) << "the pass that ran, and one more";
  // 64 at first, then 16 a pass while the short one is there, then 64 again.
  EXPECT_GE(passes_of_long, 1 + (3000 - 64) / 64);
  EXPECT_LE(passes_of_long, 10 + (3000 - 64) / 64);
}

TEST(Engine, ManyPromptsAreReadTogether) {
  // Behind 12 long ones a short one still has its answer begun after a few passes, and the first of the long ones is
  // not held up by those behind it more than by half.
  std::promise<void> first_pass, go_on;
  std::atomic<int> passes = 0;
  const auto model = watched_model(1024, [&](const Pass& pass) {
    EXPECT_LE(pass.tokens().size(), 32u + 13 * 8);
    if (++passes > 1) return;
    first_pass.set_value();
    go_on.get_future().wait();
  });
  Engine engine(model, {.threads = 2, .prefill_chunk = 64});
  std::vector<int> begun(14);
  std::list<Asked> all;
  for (size_t i = 0; i < 14; ++i) {
    all.emplace_back(engine, ask(*model, i == 13 ? std::string("the cat sat") : std::string(600, 'q'), 2, i),
                     [&begun, &passes, i](const TokenEvent&) {
                       if (!begun[i]) begun[i] = passes;
                     });
    if (i == 0) first_pass.get_future().wait();
  }
  go_on.set_value();
  for (Asked& asked : all) asked.wait();
  EXPECT_LE(begun[13], 3);
  EXPECT_LE(begun[0], 2 + 600 / 8);
  for (size_t i = 0; i < 12; ++i) EXPECT_LE(begun[i], begun[i + 1]) << "oldest first";
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
