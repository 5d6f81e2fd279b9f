#include "engine/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/threads.h"
#include "tokenizer/stop_text.h"

namespace glassbox {
namespace {

Sampling seeded(uint64_t seed = 1) {
  Sampling sampling;
  sampling.seed = seed;
  return sampling;
}

// How often each token is drawn at positions 0, 1, 2, ...
std::vector<double> frequencies(const Sampling& sampling, const std::vector<float>& logits,
                                std::vector<int32_t> prompt = {}, int draws = 20000) {
  Sampler sampler(sampling, prompt, 0);
  std::vector<double> counts(logits.size());

  for (int position = 0; position < draws; ++position)
    counts[static_cast<size_t>(sampler.sample(logits, position))] += 1.0 / draws;
  return counts;
}

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f};

std::vector<double> softmax(const std::vector<float>& logits, double temperature = 1) {
  std::vector<double> p;
  double sum = 0;
  for (const float logit : logits) sum += p.emplace_back(std::exp(logit / temperature));
  for (double& share : p) share /= sum;
  return p;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(got[i], expected[i], 0.015) << "token " << i;
}

TEST(Sampler, DrawsFromTheSoftmax) {
  expect_near(frequencies(seeded(), kLogits), softmax(kLogits));
  Sampling warm = seeded();
  warm.temperature = 2.5f;
  expect_near(frequencies(warm, kLogits), softmax(kLogits, 2.5));
}

TEST(Sampler, TakesTheFirstOfEqualsAtTemperatureZero) {
  Sampling greedy = seeded();
  greedy.temperature = 0;
  EXPECT_NEAR(frequencies(greedy, kLogits)[1], 1, 1e-9);
}

TEST(Sampler, KeepsTheMostLikely) {
  Sampling two = seeded();
  two.top_k = 2;
  expect_near(frequencies(two, kLogits), {0, 0.5, 0, 0.5, 0});
  Sampling one = seeded();
  one.top_k = 1;  // ties go to the lowest id
  EXPECT_NEAR(frequencies(one, kLogits)[1], 1, 1e-9);
  Sampling nucleus = seeded();
  nucleus.top_p = 0.5f;  // the two at 0.40 each are needed to reach it
  expect_near(frequencies(nucleus, kLogits), {0, 0.5, 0, 0.5, 0});
  Sampling likely = seeded();
  likely.min_p = 0.3f;  // exp(-1) = 0.37 of the largest stays, exp(-2) goes
  const double e = std::exp(-1.0), sum = 2 + e;
  expect_near(frequencies(likely, kLogits), {0, 1 / sum, e / sum, 1 / sum, 0});
}

TEST(Sampler, OrdersManyCandidatesLazilyButRightly) {
  std::vector<float> logits(5000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = -static_cast<float>((i * 7919) % 5000) * 0.001f;
  Sampling nucleus = seeded();
  nucleus.top_p = 0.3f;
  std::vector<double> p = softmax(logits), sorted = p;
  std::ranges::sort(sorted, std::greater());
  double sum = 0, least = 1;
  for (size_t i = 0; sum < 0.3f; ++i) sum += least = sorted[i];
  const auto counts = frequencies(nucleus, logits, {}, 500);
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] < least * 0.9999) { EXPECT_EQ(counts[i], 0) << i; }
  }
}

TEST(Sampler, PenaltiesCountWhatWasSaid) {
  Sampling bias = seeded();
  bias.temperature = 0;
  bias.logit_bias = {{4, 10.0f}};
  EXPECT_NEAR(frequencies(bias, kLogits)[4], 1, 1e-9);

  Sampling repeat = seeded();
  repeat.temperature = 0;
  repeat.repetition_penalty = 2;
  EXPECT_NEAR(frequencies(repeat, kLogits, {1})[3], 1, 1e-9);
  EXPECT_NEAR(frequencies(repeat, {-1.0f, -1.5f}, {0})[1], 1, 1e-9) << "a negative logit is multiplied, not divided";

  Sampling presence = seeded();
  presence.temperature = 0;
  presence.presence_penalty = 0.5f;
  Sampler sampler(presence, std::vector<int32_t>{1}, 0);
  EXPECT_EQ(sampler.sample(kLogits, 0), 1) << "the prompt does not count";
  sampler.accept(1);
  EXPECT_EQ(sampler.sample(kLogits, 1), 3);
  sampler.accept(3);
  EXPECT_EQ(sampler.sample(kLogits, 2), 1);

  Sampling frequency = seeded();
  frequency.temperature = 0;
  frequency.frequency_penalty = 0.4f;
  Sampler counting(frequency, {}, 0);
  for (int i = 0; i < 3; ++i) counting.accept(1), counting.accept(3);
  EXPECT_EQ(counting.sample(kLogits, 9), 2);
}

TEST(Sampler, ADrawDependsOnSeedChoiceAndPositionAlone) {
  const std::vector<float> flat(1000, 0.0f);
  Sampler first(seeded(), {}, 0), second(seeded(), {}, 0), other(seeded(), {}, 1), reseeded(seeded(2), {}, 0);
  first.sample(flat, 3);
  EXPECT_EQ(first.sample(flat, 8), second.sample(flat, 8));
  EXPECT_NE(first.sample(flat, 8), other.sample(flat, 8));
  EXPECT_NE(first.sample(flat, 8), reseeded.sample(flat, 8));
}

// What floats can be at their edges: denormal, tiny, negative zero, huge.
const std::vector<float> kOdd = {-0.0f, 0.0f, 1e-45f, 1e-40f, 1e-38f, 1.2e-38f, 1e-30f, 1e-7f, 1.0f, 3.4e38f};

TEST(Sampler, AnyTemperatureGivesAToken) {
  for (const bool flushed : {false, true}) {
    std::optional<FlushDenormals> flush;
    if (flushed) flush.emplace();
    for (const float temperature : {1e-45f, 1e-40f, 1e-38f, 1.2e-38f, 1e-30f, 1e-7f}) {
      Sampling cold = seeded();
      cold.temperature = temperature;
      cold.validate(kLogits.size());
      expect_near(frequencies(cold, kLogits), {0, 0.5, 0, 0.5, 0});  // the two that are most likely, and no other
    }
    Sampling hot = seeded();
    hot.temperature = 1e6f;
    expect_near(frequencies(hot, kLogits), {0.2, 0.2, 0.2, 0.2, 0.2});
  }
}

TEST(Sampler, NoOptionsAndNoLogitsLeaveItWithoutAToken) {
  const std::vector<std::vector<float>> rows = {{3.4e38f, -3.4e38f, 1, 3.4e38f},
                                                {-3.4e38f, -3.4e38f, -3.4e38f, -3.4e38f},
                                                {INFINITY, 1, -INFINITY, NAN},
                                                {NAN, NAN, NAN, NAN},
                                                {-INFINITY, -INFINITY, -INFINITY, -INFINITY},
                                                {1e-45f, 0, -0.0f, -1e-45f},
                                                {5}};
  int tried = 0;
  const auto draw = [&](const Sampling& sampling) {
    try {
      sampling.validate(1);
    } catch (const Error&) { return; }  // out of range: refused before
    for (const std::vector<float>& logits : rows) {
      Sampler sampler(sampling, std::vector<int32_t>{0}, 0);
      for (int64_t position = 0; position < 3; ++position) {
        const int32_t token = sampler.sample(logits, position);
        ASSERT_GE(token, 0);
        ASSERT_LT(token, static_cast<int32_t>(logits.size()));
        sampler.accept(token);
        ++tried;
      }
    }
  };
  using Field = float Sampling::*;
  const Field fields[] = {&Sampling::temperature,
                          &Sampling::top_p,
                          &Sampling::min_p,
                          &Sampling::repetition_penalty,
                          &Sampling::presence_penalty,
                          &Sampling::frequency_penalty};
  for (const Field field : fields)
    for (const Field other : fields)
      for (const float value : kOdd)
        for (const float beside : kOdd) {
          Sampling sampling = seeded();
          sampling.*field = value;
          sampling.*other = beside;
          draw(sampling);
        }
  for (const float value : {1e-6f, 1e6f, 100.0f, -100.0f, 1e4f, -1e4f})
    for (const Field field : fields) {
      Sampling sampling = seeded(~uint64_t{0});
      sampling.*field = value;
      sampling.logit_bias = {{0, std::clamp(value, -1e4f, 1e4f)}};
      draw(sampling);
    }
  for (const int top_k : {0, 1, 2, 1'000'000'000}) {
    Sampling sampling = seeded(0);
    sampling.top_k = top_k;
    sampling.top_p = 1e-45f;
    draw(sampling);
  }
  EXPECT_GT(tried, 2000);
}

TEST(Sampler, PenaltiesThatOverflowStillOrder) {
  Sampling sampling = seeded();
  sampling.repetition_penalty = 1e-6f;  // the token of the prompt becomes infinitely likely
  expect_near(frequencies(sampling, {1e35f, 1e38f, 0}, {0}), {1, 0, 0});
  sampling.repetition_penalty = 1e6f;
  expect_near(frequencies(sampling, {-1e35f, -1e38f, 0}, {0}), {0, 0, 1});
}

TEST(Sampling, NamesTheFieldThatIsOutOfRange) {
  const auto message = [](auto change) -> std::string {
    Sampling sampling;
    change(sampling);
    try {
      sampling.validate(100);
    } catch (const Error& error) { return error.what(); }
    return "accepted";
  };
  EXPECT_EQ(message([](Sampling&) {}), "accepted");
  EXPECT_NE(message([](Sampling& s) { s.temperature = -1; }).find("temperature"), std::string::npos);
  for (const float wrong : {NAN, INFINITY, -INFINITY, 3.4e38f, -1e-30f}) {
    EXPECT_NE(message([&](Sampling& s) { s.temperature = wrong; }).find("temperature"), std::string::npos);
    EXPECT_NE(message([&](Sampling& s) { s.repetition_penalty = wrong; }).find("repetition_penalty"),
              std::string::npos);
  }
  EXPECT_NE(message([](Sampling& s) { s.top_p = 1.5f; }).find("top_p"), std::string::npos);
  EXPECT_NE(message([](Sampling& s) { s.min_p = NAN; }).find("min_p"), std::string::npos);
  EXPECT_NE(message([](Sampling& s) { s.logit_bias = {{100, 1.0f}}; }).find("logit_bias"), std::string::npos);
}

TEST(StopText, IsFoundWhereverTheTextIsCut) {
  const std::string text = "one two STOP three";
  for (size_t cut = 0; cut <= text.size(); ++cut)
    for (size_t second = cut; second <= text.size(); ++second) {
      StopText stop({"STOP", "never"});
      std::string got = stop.push(text.substr(0, cut));
      got += stop.push(text.substr(cut, second - cut));
      got += stop.push(text.substr(second));
      got += stop.finish();
      ASSERT_TRUE(stop.stopped());
      ASSERT_EQ(got, "one two ");
    }
}

TEST(StopText, GivesBackWhatOnlyBeganLikeOne) {
  StopText stop({"\n\nUser:"});
  EXPECT_EQ(stop.push("a\n\nUs"), "a");
  EXPECT_EQ(stop.push("eless"), "\n\nUseless");
  EXPECT_EQ(stop.push("\n"), "");
  EXPECT_EQ(stop.finish(), "\n");
}

TEST(StopText, SilentPiecesEndAndNeverComeOut) {
  StopText stop({"<|x|>\nUser:"});
  EXPECT_EQ(stop.push("a"), "a");
  EXPECT_EQ(stop.push("<|x|>", true), "");
  EXPECT_EQ(stop.push("\nUs"), "");
  EXPECT_EQ(stop.push("e"), "");
  EXPECT_EQ(stop.push("d<|x|>"), "\nUsed");  // spelled out, it is text
  EXPECT_EQ(stop.push("<|y|>", true), "<|x|>");
  EXPECT_EQ(stop.push("b<|x|>\n"), "b");
  EXPECT_EQ(stop.push("User:"), "");
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.finish(), "");
}

TEST(StopText, TheFirstOneCounts) {
  StopText stop({"bc", "a"});
  EXPECT_EQ(stop.push("xabc"), "x");
}

// "temperature 0.7 glassbox, ..." of all five.
std::string told(const GenerationConfig& published) {
  std::string all;
  for (const auto& [name, value, source] : sampling_defaults(published).settings)
    all += fmt::format("{}{} {} {}", all.empty() ? "" : ", ", name, value, source);
  return all;
}

TEST(SamplingDefaults, OursWhereThePublisherSaysNothing) {
  const std::string ours =
      "temperature 0.7 glassbox, top_k 40 glassbox, top_p 0.9 glassbox, min_p 0.05 glassbox, repetition_penalty 1 "
      "glassbox";
  EXPECT_EQ(told({}), ours);
  GenerationConfig published;
  published.do_sample = true;  // that it is sampled, not how
  EXPECT_EQ(told(published), ours);
  const Sampling sampling = sampling_defaults(published).sampling;
  EXPECT_EQ(sampling.temperature, 0.7f);
  EXPECT_EQ(sampling.top_k, 40);
  EXPECT_EQ(sampling.top_p, 0.9f);
  EXPECT_EQ(sampling.min_p, 0.05f);
  EXPECT_EQ(sampling.repetition_penalty, 1);
  EXPECT_FALSE(sampling.seed);
}

TEST(SamplingDefaults, APenaltyDoesNotChooseADistribution) {
  GenerationConfig published;
  published.repetition_penalty = 1.1;
  EXPECT_EQ(told(published),
            "temperature 0.7 glassbox, top_k 40 glassbox, top_p 0.9 glassbox, min_p 0.05 glassbox, repetition_penalty "
            "1.1 model");
}

TEST(SamplingDefaults, WhatAPublisherLeavesOutIsPlain) {
  GenerationConfig published;
  published.temperature = 0.3;
  EXPECT_EQ(
      told(published),
      "temperature 0.3 model, top_k 0 glassbox, top_p 1 glassbox, min_p 0 glassbox, repetition_penalty 1 glassbox");
  published = {};
  published.top_p = 0.95;
  EXPECT_EQ(told(published),
            "temperature 1 glassbox, top_k 0 glassbox, top_p 0.95 model, min_p 0 glassbox, repetition_penalty 1 "
            "glassbox");
}

TEST(SamplingDefaults, GreedyPublishersAreTaken) {
  GenerationConfig published;
  published.do_sample = false;
  published.temperature = 0.6;  // left over: the reference passes over it, too
  EXPECT_EQ(told(published),
            "temperature 0 model, top_k 0 glassbox, top_p 1 glassbox, min_p 0 glassbox, repetition_penalty 1 glassbox");
}

}  // namespace
}  // namespace glassbox
