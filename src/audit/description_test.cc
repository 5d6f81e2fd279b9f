// What is said of real configurations: sizes as their publishers give them, and for what this build cannot run the key
// that stops it.
#include "audit/description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using testing::data_folder;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::filesystem::path> configurations() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data_folder() / "configs"))
    if (entry.is_regular_file() && entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(Description, SaysWhatEveryConfigurationIsOrWhyNot) {
  GLASSBOX_NEEDS_DATA();
  int runs = 0, refused = 0;
  for (const auto& file : configurations()) {
    const OrderedJson said = describe(file.string(), {});
    if (said.contains("weights") && !said.contains("architecture")) continue;  // an index of shards
    ASSERT_TRUE(said.contains("architecture")) << file << ": " << said;
    const OrderedJson& a = said["architecture"];
    if (a["supported"].get<bool>()) {
      ++runs;
      EXPECT_GT(a["parameters"]["active"], 0) << file;
      EXPECT_LE(a["parameters"]["active"], a["parameters"]["total"]) << file;
      for (const char* precision : {"as_published", "f32", "bf16", "f8_e4m3", "q8_0", "q4_k"}) {
        EXPECT_GT(a["memory"][precision]["weights_bytes"], 0) << file << " " << precision;
        EXPECT_GT(a["memory"][precision]["cache_bytes"], 0) << file << " " << precision;
      }
      EXPECT_LT(a["memory"]["q4_k"]["weights_bytes"], a["memory"]["q8_0"]["weights_bytes"]) << file;
    } else {
      ++refused;
      const auto why = a["why"].get<std::string>();
      EXPECT_THAT(why, HasSubstr(file.filename().string())) << file;
      EXPECT_THAT(why, Not(HasSubstr("\n"))) << file;
    }
  }
  EXPECT_GE(runs, 10);
  EXPECT_GE(refused, 40);
}

struct Published {
  const char* file;
  int64_t total, active;
};

// Totals to the unit as the checkpoints' headers add up; active ones where publishers say "about".
constexpr Published kPublished[] = {
    {"hf/meta-llama--Meta-Llama-3.1-8B_config.json", 8'030'261'248, 8'030'261'248},
    {"hf/meta-llama--Meta-Llama-3.1-70B_config.json", 70'553'706'496, 70'553'706'496},
    {"hf_transcribed/meta-llama--Llama-3.2-3B_config.json", 3'212'749'824, 3'212'749'824},
    {"hf/mistralai--Mixtral-8x7B-v0.1_config.json", 46'702'792'704, 12'879'925'248},
    {"hf/Qwen--Qwen3-30B-A3B_config.json", 30'532'122'624, 3'353'032'704},
    {"hf/Qwen--Qwen3-235B-A22B_config.json", 235'093'634'560, 22'190'763'520},
    {"hf/deepseek-ai--DeepSeek-R1_config.json", 684'489'845'504, 37'552'297'472},  // with the layer that drafts
};

TEST(Description, CountsParametersAsTheyWerePublished) {
  GLASSBOX_NEEDS_DATA();
  for (const Published& model : kPublished) {
    const OrderedJson a = describe((data_folder() / "configs" / model.file).string(), {})["architecture"];
    ASSERT_TRUE(a.contains("parameters")) << model.file << ": " << a;
    EXPECT_EQ(a["parameters"]["total"], model.total) << model.file;
    EXPECT_EQ(a["parameters"]["active"], model.active) << model.file;
  }
}

TEST(Description, NamesTheArithmeticOfMostWeights) {
  GLASSBOX_NEEDS_DATA();
  // R1's largest matrix in a layer is the drafting layer's embedding, in bf16; its experts are in FP8.
  const auto r1 = data_folder() / "configs/hf/deepseek-ai--DeepSeek-R1_config.json";
  EXPECT_THAT(describe(r1.string(), {})["architecture"]["arithmetic"].get<std::string>(), HasSubstr("scaled block by"));
}

TEST(Description, ReckonsMemoryByPrecisionAndContext) {
  const auto folder = testing::fixture("models/llama2_tiny");  // 2 layers of 4 key/value heads of 8
  const OrderedJson full = describe(folder.string(), {})["architecture"]["memory"];
  const OrderedJson ten = describe(folder.string(), {.ignore_keys = {}, .context = 10})["architecture"]["memory"];
  EXPECT_EQ(full["f32"]["cache_bytes"], 128 * 2 * 2 * 4 * 8 * 4);
  EXPECT_EQ(ten["f32"]["cache_bytes"], 10 * 2 * 2 * 4 * 8 * 4);
  EXPECT_EQ(ten["bf16"]["cache_bytes"], 10 * 2 * 2 * 4 * 8 * 2);
  EXPECT_EQ(full["f32"]["weights_bytes"], full["as_published"]["weights_bytes"]);
  EXPECT_EQ(full["bf16"]["weights_bytes"], full["f32"]["weights_bytes"].get<double>() / 2);
}

TEST(Description, SaysWhatIsKnownWhereOnlyAKeyStopsIt) {
  const testing::TemporaryFolder folder;
  std::filesystem::copy(testing::fixture("models/llama2_tiny"), folder.path(),
                        std::filesystem::copy_options::recursive);
  Json config = read_json(folder / "config.json");
  config["attention_multiplier"] = 2.5;
  std::ofstream(folder / "config.json") << config.dump();
  for (const auto& path : {folder.path(), folder.path() / "config.json"}) {
    const OrderedJson a = describe(path.string(), {})["architecture"];
    EXPECT_EQ(a["supported"], false);
    EXPECT_THAT(a["why"].get<std::string>(), HasSubstr("attention_multiplier"));
    EXPECT_GT(a["parameters"]["total"], 0);
  }
  const OrderedJson ignoring = describe(folder.path().string(), {.ignore_keys = {"attention_multiplier"}});
  EXPECT_EQ(ignoring["architecture"]["supported"], true);
  EXPECT_EQ(ignoring["architecture"]["ignored_keys"], OrderedJson({"attention_multiplier"}));
}

TEST(Description, NamesKeysThatNothingReads) {
  const testing::TemporaryFolder folder;
  std::filesystem::copy(testing::fixture("models/llama2_tiny"), folder.path(),
                        std::filesystem::copy_options::recursive);
  Json config = read_json(folder / "config.json");
  config["_model_name_or_path"] = "x";
  config["unk_token_id"] = 0;
  std::ofstream(folder / "config.json") << config.dump();
  const OrderedJson said = describe(folder.path().string(), {});
  EXPECT_EQ(said["architecture"]["supported"], true);
  ASSERT_EQ(said["architecture"]["warnings"].size(), 1u);
  EXPECT_THAT(said["architecture"]["warnings"][0].get<std::string>(),
              HasSubstr("\"_model_name_or_path\", \"unk_token_id\": read by nothing"));
  EXPECT_THAT(said["text"]["why"].get<std::string>(), HasSubstr("no tokenizer here: expected tokenizer.json"));
}

// How its numbers are written is unknown, not how many there are.
TEST(Description, CountsWhatIsWrittenInAWayUnknown) {
  const testing::TemporaryFolder folder;
  Json config = read_json(testing::fixture("models/llama2_tiny") / "config.json");
  const auto describe_this = [&] {
    std::ofstream(folder / "config.json") << config.dump();
    return describe((folder / "config.json").string(), {});
  };
  const OrderedJson plain = describe_this()["architecture"];
  config["quantization_config"] = {{"quant_method", "new"}};
  const OrderedJson said = describe_this();
  const OrderedJson& a = said["architecture"];
  EXPECT_EQ(a["supported"], false);
  EXPECT_THAT(a["why"].get<std::string>(), HasSubstr("quantization_config.quant_method"));
  EXPECT_EQ(a["parameters"], plain["parameters"]);
  EXPECT_EQ(a["memory"]["q4_k"], plain["memory"]["q4_k"]);
  EXPECT_FALSE(a["memory"].contains("as_published"));
  EXPECT_FALSE(said.contains("weights"));
  config["model_type"] = "none";  // the more telling key
  EXPECT_THAT(describe_this()["architecture"]["why"].get<std::string>(), HasSubstr("model_type"));
}

TEST(Description, WhatIsNotThere) { EXPECT_THROW(describe("no/such/model", {}), Error); }

}  // namespace
}  // namespace glassbox
