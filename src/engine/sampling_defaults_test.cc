#include "engine/sampling_defaults.h"

#include <gtest/gtest.h>

namespace glassbox {
namespace {

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
