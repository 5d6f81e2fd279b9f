#include "engine/engine.h"

#include "engine/engine_testing.h"

namespace glassbox {
namespace {

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
