#include "formats/generation_config.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "base/file.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

GenerationConfig read(const std::string& generation, const std::string& config = "null",
                      std::vector<int32_t> tokenizer = {}, std::vector<std::string> ignore = {}) {
  return read_generation_config(parse_json(generation, "g"), parse_json(config, "c"), tokenizer, ignore);
}
std::string refusal(const std::string& generation, const std::string& config = "null") {
  try {
    read(generation, config);
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "(no error)";
}

TEST(GenerationConfig, EndsAreTheUnion) {
  EXPECT_THAT(read(R"({"eos_token_id":[128001,128008,128009]})", R"({"eos_token_id":128001})", {128009, 7}).eos,
              ElementsAre(7, 128001, 128008, 128009));
  EXPECT_THAT(read(R"({"eos_token_id":2})").eos, ElementsAre(2));
  EXPECT_THAT(read("null", R"({"eos_token_id":[3,3]})").eos, ElementsAre(3));
  EXPECT_THAT(read("{}", R"({"eos_token_id":null})", {1}).eos, ElementsAre(1));
  EXPECT_TRUE(read("null").eos.empty());
}

TEST(GenerationConfig, NegativeIdsAreNone) {
  const GenerationConfig config =
      read(R"({"eos_token_id":-1,"pad_token_id":-1,"bos_token_id":1})", R"({"pad_token_id":0,"bos_token_id":5})");
  EXPECT_TRUE(config.eos.empty());
  EXPECT_EQ(config.pad, 0);
  EXPECT_EQ(config.bos, 1);  // the generation file is asked first
}

TEST(GenerationConfig, SamplingAsPublished) {
  const GenerationConfig config = read(
      R"({"bos_token_id":128000,"do_sample":true,"eos_token_id":2,"temperature":0.6,"top_p":0.9,"top_k":20,"min_p":0.05,
               "repetition_penalty":1.05,"max_new_tokens":2048,"max_length":4096,"transformers_version":"4.43",
               "stop_strings":["</s>"],"num_beams":1,"no_repeat_ngram_size":0,"_from_model_config":true})");
  EXPECT_EQ(config.do_sample, true);
  EXPECT_EQ(config.temperature, 0.6);
  EXPECT_EQ(config.top_p, 0.9);
  EXPECT_EQ(config.top_k, 20);
  EXPECT_EQ(config.min_p, 0.05);
  EXPECT_EQ(config.repetition_penalty, 1.05);
  EXPECT_EQ(config.max_new_tokens, 2048);
  EXPECT_THAT(config.stop_strings, ElementsAre("</s>"));
  EXPECT_EQ(read("{}").temperature, std::nullopt);
}

TEST(GenerationConfig, WhatWouldChangeTheTextIsRefusedByName) {
  EXPECT_THAT(refusal(R"({"num_beams":4})"),
              HasSubstr("generation_config.json: a key with a meaning this build does not know: \"num_beams\": 4"));
  EXPECT_THAT(refusal(R"({"penalty_alpha":0.6})"), HasSubstr("\"penalty_alpha\": 0.6"));
  EXPECT_THAT(refusal(R"({"suppress_tokens":[1,2]})"), HasSubstr("\"suppress_tokens\": [1,2]"));
  EXPECT_EQ(read(R"({"num_beams":4,"top_k":3})", "null", {}, {"num_beams"}).top_k, 3);
}

TEST(GenerationConfig, KeysThatNothingReadsAreAWarning) {
  const GenerationConfig config = read(R"({"top_k":3,"trainer_note":"x","sample_seed":7,"presence_penalty":0})");
  EXPECT_EQ(config.top_k, 3);
  EXPECT_THAT(config.warnings,
              ElementsAre("generation_config.json: \"sample_seed\", \"trainer_note\": read by nothing, "
                          "and by no published model that is known"));
  EXPECT_TRUE(read(R"({"top_k":3})").warnings.empty());
}

TEST(GenerationConfig, WrongTypes) {
  EXPECT_EQ(refusal(R"({"temperature":"hot"})"), "generation_config.json: temperature: expected a number, got \"hot\"");
  EXPECT_EQ(refusal(R"({"temperature":-1})"), "generation_config.json: temperature: expected 0 to 1000000, got -1");
  EXPECT_EQ(refusal(R"({"top_p":1.5})"), "generation_config.json: top_p: expected 0 to 1, got 1.5");
  EXPECT_EQ(refusal(R"({"eos_token_id":"</s>"})"),
            "generation_config.json: eos_token_id: expected a whole number, got \"</s>\"");
  EXPECT_EQ(refusal("{}", R"({"eos_token_id":[4294967296]})"),
            "config.json: eos_token_id: expected a token id, got 4294967296");
  EXPECT_EQ(refusal(R"({"stop_strings":[1]})"), "generation_config.json: stop_strings: expected strings, got 1");
  EXPECT_EQ(refusal("[]"), "generation_config.json: expected a JSON object, got []");
}

TEST(GenerationConfig, FolderWithEitherFileOrNone) {
  testing::TemporaryFolder folder;
  EXPECT_TRUE(read_generation_config(folder.path()).eos.empty());
  write_file(folder / "config.json", R"({"eos_token_id":2})");
  EXPECT_THAT(read_generation_config(folder.path()).eos, ElementsAre(2));
  write_file(folder / "generation_config.json", R"({"eos_token_id":3,"temperature":0.5})");
  EXPECT_THAT(read_generation_config(folder.path()).eos, ElementsAre(2, 3));
  write_file(folder / "generation_config.json", "{");
  EXPECT_THROW(read_generation_config(folder.path()), Error);
}

}  // namespace
}  // namespace glassbox
