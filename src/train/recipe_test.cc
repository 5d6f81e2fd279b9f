#include "train/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "tests/testing.h"
#include "train/train_testing.h"

namespace glassbox {
namespace {

using ::testing::HasSubstr;

constexpr const char* kRecipe = R"(
name = "small"
[model]
model_type = "llama"
hidden_size = 32
rope_theta = 10000.0
[tokenizer]
vocab_size = 300
special_tokens = ["<|begin|>", "<|end|>"]
bos = "<|begin|>"
eos = "<|end|>"
[data]
source = "prism"
seed = 9
documents = 50
[train]
tokens = 1_000
batch_tokens = 100
micro_batch_tokens = 50
learning_rate = 2e-3
betas = [0.8, 0.9]
rest_weight = 0.25
)";

std::string error_of(const std::string& text) {
  try {
    parse_recipe(text, "small.toml", ".");
  } catch (const Error& error) { return error.what(); }
  return "no error";
}

TEST(Recipe, ReadsWhatIsThereAndKnowsTheRest) {
  const Recipe recipe = parse_recipe(kRecipe, "small.toml", ".");
  EXPECT_EQ(recipe.name, "small");
  EXPECT_EQ(recipe.model.config,
            (Json{{"model_type", "llama"}, {"hidden_size", 32}, {"rope_theta", 10000.0}, {"torch_dtype", "bfloat16"}}));
  EXPECT_EQ(recipe.tokenizer.vocab_size, 300);
  EXPECT_EQ(recipe.tokenizer.eos, "<|end|>");
  EXPECT_TRUE(recipe.tokenizer.split_digits);
  EXPECT_EQ(recipe.data.source, "prism");
  EXPECT_EQ(recipe.data.seed, 9u);
  EXPECT_EQ(recipe.train.tokens, 1000);
  EXPECT_EQ(recipe.train.trainer.schedule.steps, 0);
  EXPECT_EQ(recipe.train.trainer.micro_batch_tokens, 50);
  EXPECT_EQ(recipe.train.trainer.schedule.rate, 2e-3);
  EXPECT_EQ(recipe.train.trainer.schedule.min_rate, 2e-4);
  EXPECT_EQ(recipe.train.adamw.beta1, 0.8);
  EXPECT_EQ(recipe.train.loss.other_weight, 0.25);
  EXPECT_EQ(recipe.train.loss.assistant_weight, 1);
  EXPECT_EQ(recipe.checkpoint.keep, 2);
  EXPECT_EQ(recipe.json["train"]["clip"], 1);
  EXPECT_EQ(recipe.json["data"]["documents"], 50);
}

TEST(Recipe, UnknownKeysAreRefusedByName) {
  EXPECT_EQ(error_of(testing::with(kRecipe, "batch_tokens = 100", "batch_token = 100")),
            "small.toml:18: train.batch_token: not a key of [train]");
  EXPECT_THAT(error_of(std::string("nmae = 1\n") + kRecipe), HasSubstr("small.toml:1: nmae: not a key of a recipe"));
  EXPECT_THAT(error_of(std::string(kRecipe) + "[checkpiont]\nevery = 3\n"),
              HasSubstr("checkpiont: not a key of a recipe"));
  EXPECT_THAT(error_of(std::string(kRecipe) + "[evaluate]\nevry = 3\n"),
              HasSubstr("evaluate.evry: not a key of [evaluate]"));
}

TEST(Recipe, ValuesOutOfRangeOrOfAnotherTypeAreRefused) {
  const std::pair<const char*, const char*> wrong[] = {
      {"learning_rate = 2e-3", "learning_rate = -1"},
      {"learning_rate = 2e-3", "learning_rate = nan"},
      {"learning_rate = 2e-3", "learning_rate = \"fast\""},
      {"learning_rate = 2e-3", "min_learning_rate = 0.5"},
      {"betas = [0.8, 0.9]", "betas = [0.8, 1.0]"},
      {"betas = [0.8, 0.9]", "betas = [0.8]"},
      {"betas = [0.8, 0.9]", "betas = 0.8"},
      {"batch_tokens = 100", "batch_tokens = 0"},
      {"batch_tokens = 100", "batch_tokens = 100.0"},
      {"micro_batch_tokens = 50", "micro_batch_tokens = 101"},
      {"tokens = 1_000", "tokens = -5"},
      {"tokens = 1_000", "tokens = 10\nsteps = 10"},
      {"tokens = 1_000", "log_every = 10"},
      {"rest_weight = 0.25", "rest_weight = 0\nsaid_weight = 0"},
      {"vocab_size = 300", "vocab_size = 10"},
      {"special_tokens = [\"<|begin|>\", \"<|end|>\"]", "special_tokens = [1]"},
      {"eos = \"<|end|>\"", "eos = \"<|stop|>\""},
      {"\neos = \"<|end|>\"", ""},
      {"source = \"prism\"", "source = \"prism\"\nfiles = [\"a.jsonl\"]"},
      {"source = \"prism\"", "long_documents = \"skip\""},
      {"source = \"prism\"", "source = \"prism\"\nlong_documents = \"cut\""},
      {"documents = 50", "documents = 0"},
      {"name = \"small\"", ""},
      {"name = \"small\"", "name = [\"small\"]"},
      {"seed = 9", "seed = 1979-05-27"},
  };
  for (const auto& [from, to] : wrong)
    EXPECT_THAT(error_of(testing::with(kRecipe, from, to)), HasSubstr("small.toml")) << to;
  EXPECT_EQ(error_of(testing::with(kRecipe, "learning_rate = 2e-3", "learning_rate = 20")),
            "small.toml:20: train.learning_rate: expected 1e-09 to 10, got 20");
  EXPECT_EQ(error_of(testing::with(kRecipe, "batch_tokens = 100", "batch_tokens = 100.0")),
            "small.toml:18: train.batch_tokens: expected a whole number, got 100.0");
  EXPECT_EQ(error_of(testing::with(kRecipe, "betas = [0.8, 0.9]", "betas = [\n0.8\n]")),
            "small.toml:21: train.betas: expected a list of 2 numbers, got 1");
  EXPECT_EQ(error_of(testing::with(kRecipe, "[data]", "data = 3\n[data2]")),
            "small.toml:12: tokenizer.data: not a key of [tokenizer]");
  EXPECT_EQ(error_of(testing::with(kRecipe, "\n[data]\nsource", "\n[[data]]\nsource")),
            "small.toml:12: data: expected a table, got [...]");
  EXPECT_THAT(error_of("name = \"x\nsteps"), HasSubstr("small.toml:1"));
}

TEST(Recipe, WhatJsonHasNoWordForIsRefusedWhereItStands) {
  EXPECT_EQ(error_of(testing::with(kRecipe, "seed = 9", "seed = 1979-05-27")),
            "small.toml:14: data.seed: dates and times have no meaning here");
  EXPECT_EQ(error_of(testing::with(kRecipe, "rope_theta = 10000.0", "rope = {\"theta\" = [1,\n inf]}")),
            "small.toml:7: model.rope.theta: expected a finite number");
}

TEST(Recipe, PathsAreOfItsFolder) {
  testing::TemporaryFolder folder;
  std::ofstream(folder / "config.json") << R"({"model_type": "llama", "hidden_size": 64, "dtype": "float32"})";
  std::ofstream(folder / "chat.jinja") << "{{ messages }}";
  std::string text = testing::with(kRecipe, "model_type = \"llama\"\nhidden_size = 32\nrope_theta = 10000.0",
                                   "path = \"config.json\"");
  text = testing::with(text, "vocab_size = 300", "chat_template = \"chat.jinja\"");
  std::ofstream(folder / "recipe.toml") << text;
  const Recipe recipe = read_recipe(folder / "recipe.toml");
  EXPECT_EQ(recipe.model.config["hidden_size"], 64);
  EXPECT_FALSE(recipe.model.config.contains("torch_dtype"));  // it says dtype already
  EXPECT_EQ(recipe.tokenizer.chat_template, "{{ messages }}");
  std::ofstream(folder / "both.toml") << testing::with(text, "path = \"config.json\"",
                                                       "path = \"config.json\"\nhidden_size = 3");
  EXPECT_THROW(read_recipe(folder / "both.toml"), Error);
  EXPECT_THROW(read_recipe(folder / "none.toml"), Error);
}

TEST(Recipe, ThePublishedGenerationSettingsPassThrough) {
  const Recipe recipe =
      parse_recipe(std::string(kRecipe) + "[publish]\nlicense = \"mit\"\n[publish.generation]\ntemperature = 0.5\n",
                   "small.toml", ".");
  EXPECT_EQ(recipe.publish.generation, (Json{{"temperature", 0.5}}));
  EXPECT_EQ(recipe.publish.license, "mit");
}

}  // namespace
}  // namespace glassbox
