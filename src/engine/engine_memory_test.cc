// What sequences remember and forget, and what is seen of one among many.
#include "engine/engine.h"
#include "engine/engine_testing.h"

namespace glassbox {
namespace {

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

TEST(Engine, CheckpointsGiveWayToWhatIsNeeded) {
  const auto model = windowed_model();
  const auto request = ask(*model, std::string(900, 'q'), 60);
  const auto alone = Engine(model, {.threads = 1}).generate(request);
  // To the byte what such a sequence takes; its checkpoints have no room in the end.
  EngineOptions options{.threads = 1, .prefill_chunk = 64, .patience = std::chrono::milliseconds(200)};
  const int64_t remembered = model->network->memory_shape().bytes(960, 64);
  options.memory = std::make_shared<MemoryBudget>(promised_by(model, options) + remembered);
  Engine engine(model, options);
  // Where the two part is a checkpoint, too.
  engine.generate(ask(*model, std::string(100, 'q') + " the cat", 5));
  expect_same(engine.generate(request), alone);
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

TEST(Engine, AQuestionAskedOtherwiseGoesOnWhereTheFirstDid) {
  const auto model = windowed_model();
  Engine engine(model, {.threads = 1});
  auto story = ask(*model, "the cat sat on the mat. " + std::string(150, 'q'), 200);
  for (const TokenEvent& token : engine.generate(story).tokens) story.prompt.push_back(token.id);
  const auto known = static_cast<int64_t>(story.prompt.size()) - 1;  // the last token was not walked
  for (const char* question : {" what is 17 + 25?", " the dog sat on the mat"}) {
    auto request = ask(*model, question, 150);
    request.prompt.insert(request.prompt.begin(), story.prompt.begin(), story.prompt.end());
    const auto answer = engine.generate(request);
    EXPECT_GE(answer.finished.cached_tokens, known) << question;
    expect_same(answer, Engine(model, {.threads = 1}).generate(request));
  }
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

TEST(Engine, WhatIsReadAgainAfterGivingWayIsNotSeenTwice) {
  const auto model = tiny_model(256);
  auto watching = ask(*model, "the cat", 150);
  watching.watch = Watch{{"model.layers.0.mlp.out", "logits"}};
  const auto seen_alone = Engine(model, {.threads = 1}).generate(watching);
  // Of blocks of 64 positions each needs three in the end, and there are five: the youngest gives way.
  Engine engine(model, {.threads = 1, .cache_tokens = 300});
  Asked oldest(engine, ask(*model, "what is 17", 150)), older(engine, ask(*model, "the dog", 150));
  Asked watched(engine, watching);
  expect_same(watched.wait(), seen_alone);
  expect_same_evidence(watched.wait(), seen_alone);
  oldest.wait();
  older.wait();
  EXPECT_GT(engine.statistics().gave_way, 0);
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

}  // namespace
}  // namespace glassbox
