// Configurations as published, read whole: no key is left over, and the weights they ask for are as many as the
// published models have.
#include <gmock/gmock.h>

#include "models/models_testing.h"

namespace glassbox {
namespace {

using ::testing::HasSubstr;

struct Published {
  const char* file;    // under the data folder's configs
  int64_t parameters;  // a tied output matrix once
};

class PublishedConfig : public ::testing::TestWithParam<Published> {};

std::string test_name(const ::testing::TestParamInfo<Published>& info) {
  std::string name = info.param.file;
  name = name.substr(name.find('/') + 1);
  name = name.substr(0, name.find("_config"));
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

TEST_P(PublishedConfig, IsReadWholeAndHasItsParameters) {
  GLASSBOX_NEEDS_DATA();
  Config config = Config::open(testing::data_folder() / "configs" / GetParam().file);
  read_quantization(config);
  PlannedWeights weights(DType::bf16);
  const auto model = make_model(config, weights);
  int64_t parameters = 0;
  for (const TensorInfo* tensor : weights.tensors()) {
    int64_t count = 1;
    for (const int64_t size : tensor->shape) count *= size;
    parameters += count;
  }
  EXPECT_EQ(parameters, GetParam().parameters);
  EXPECT_EQ(model->memory_shape().with_dtype(DType::bf16).block_bytes(), model->memory_shape().block_bytes());
}

INSTANTIATE_TEST_SUITE_P(
    Dense, PublishedConfig,
    ::testing::Values(Published{"hf/meta-llama--Meta-Llama-3.1-8B_config.json", 8'030'261'248},
                      Published{"hf/meta-llama--Meta-Llama-3.1-70B_config.json", 70'553'706'496},
                      Published{"hf/meta-llama--Meta-Llama-3.1-405B_config.json", 405'853'388'800},
                      Published{"hf_transcribed/meta-llama--Llama-3.2-3B_config.json", 3'212'749'824},
                      Published{"hf_qwen2-1.5b-instruct/config.json", 1'543'714'304},
                      Published{"hf_transcribed/deepseek-ai--DeepSeek-R1-Distill-Qwen-1.5B_config.json", 1'777'088'000},
                      Published{"hf_transcribed/Qwen--Qwen2.5-3B_config.json", 3'085'938'688},
                      Published{"hf_transcribed/Qwen--Qwen2.5-7B_config.json", 7'615'616'512},
                      Published{"hf_transcribed/Qwen--Qwen2.5-14B_config.json", 14'770'033'664},
                      Published{"hf_transcribed/Qwen--Qwen2.5-32B_config.json", 32'763'876'352},
                      Published{"hf/Qwen--Qwen3-0.6B_config.json", 596'049'920},
                      Published{"hf/Qwen--Qwen3-1.7B_config.json", 1'720'574'976},
                      Published{"hf_transcribed/Qwen--Qwen3-4B_config.json", 4'022'468'096},
                      Published{"hf_transcribed/Qwen--Qwen3-4B-Thinking-2507_config.json", 4'022'468'096},
                      Published{"hf/Qwen--Qwen3-8B_config.json", 8'190'735'360},
                      Published{"hf_transcribed/Qwen--Qwen3-14B_config.json", 14'768'307'200},
                      Published{"hf/Qwen--Qwen3-32B_config.json", 32'762'123'264},
                      Published{"hf_transcribed/mistralai--Mistral-7B-Instruct-v0.1_config.json", 7'241'732'096},
                      Published{"hf_transcribed/mistralai--Mistral-Nemo-Base-2407_config.json", 12'247'782'400},
                      Published{"hf_transcribed/allenai--OLMo-2-1124-7B-Instruct_config.json", 7'298'617'344},
                      Published{"hf_transcribed/google--gemma-2-2b_config.json", 2'614'341'888},
                      Published{"hf_transcribed/google--gemma-2-9b_config.json", 9'241'705'984},
                      Published{"hf_transcribed/google--gemma-3-1b-it_config.json", 999'885'952}),
    test_name);

// R1's 671,026,419,200 and the layer that guesses further, with an embedding and an output matrix of its own.
INSTANTIATE_TEST_SUITE_P(
    Mixtures, PublishedConfig,
    ::testing::Values(Published{"hf/mistralai--Mixtral-8x7B-v0.1_config.json", 46'702'792'704},
                      Published{"hf/mistralai--Mixtral-8x22B-v0.1_config.json", 140'620'634'112},
                      Published{"hf/Qwen--Qwen3-30B-A3B_config.json", 30'532'122'624},
                      Published{"hf/Qwen--Qwen3-235B-A22B_config.json", 235'093'634'560},
                      Published{"hf/Qwen--Qwen3-Coder-480B-A35B-Instruct_config.json", 480'154'875'392},
                      Published{"hf/meta-llama--Llama-4-Scout-17B-16E-Instruct_config.json", 107'769'861'120},
                      Published{"hf/meta-llama--Llama-4-Maverick-17B-128E-Instruct_config.json", 400'711'848'960},
                      Published{"hf_deepseek-v2-lite/config.json", 15'706'484'224},
                      Published{"hf/Qwen--Qwen3-30B-A3B-FP8_config.json", 30'532'122'624},
                      Published{"hf/openai--gpt-oss-20b_config.json", 20'914'757'184},
                      Published{"hf/openai--gpt-oss-120b_config.json", 116'829'156'672},
                      Published{"hf/moonshotai--Kimi-K2-Instruct_config.json", 1'026'408'232'448},
                      Published{"hf/deepseek-ai--DeepSeek-V3_config.json", 671'026'419'200 + 13'463'426'304},
                      Published{"hf/deepseek-ai--DeepSeek-R1_config.json", 671'026'419'200 + 13'463'426'304}),
    test_name);

// A token's share: what is not an expert's, and of the experts those it chooses.
TEST(Published, ATokenUsesSomeOfAMixture) {
  GLASSBOX_NEEDS_DATA();
  const auto used = [](const char* file) {
    Config config = Config::open(testing::data_folder() / "configs" / file);
    read_quantization(config);
    PlannedWeights weights(DType::bf16);
    const auto model = make_model(config, weights);
    double sum = 0;
    for (const TensorInfo* tensor : weights.tensors()) {
      int64_t count = 1;
      for (const int64_t size : tensor->shape) count *= size;
      sum += model->shape().used_by_a_token(tensor->name, count);
    }
    return sum / 1e9;
  };
  EXPECT_NEAR(used("hf/mistralai--Mixtral-8x7B-v0.1_config.json"), 12.88, 0.01);
  EXPECT_NEAR(used("hf/Qwen--Qwen3-30B-A3B_config.json"), 3.35, 0.01);
  EXPECT_NEAR(used("hf_deepseek-v2-lite/config.json"), 2.66, 0.05);
  EXPECT_NEAR(used("hf/deepseek-ai--DeepSeek-R1_config.json"), 37.55, 0.01);
}

// Every published configuration of the data folder either reads whole or is refused in one line that says why.
TEST(Published, OthersAreRefusedByName) {
  GLASSBOX_NEEDS_DATA();
  int refused = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(testing::data_folder() / "configs")) {
    const std::string name = entry.path().filename();
    if (!name.ends_with("config.json") || name.ends_with("hf_quant_config.json")) continue;
    try {
      Config config = Config::open(entry.path());
      PlannedWeights weights(DType::bf16);
      make_model(config, weights);
    } catch (const Error& error) {
      ++refused;
      EXPECT_NE(error.kind(), ErrorKind::io) << name;
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  }
  EXPECT_GT(refused, 10);
}

TEST(Published, WhatComesLaterIsRefusedWithTheReason) {
  const auto refusal = [](const char* model_type) -> std::string {
    Config config(Json{{"model_type", model_type}}, "config.json");
    PlannedWeights weights(DType::bf16);
    try {
      make_model(config, weights);
      return "accepted";
    } catch (const Error& error) { return error.what(); }
  };
  EXPECT_THAT(refusal("deepseek_v32"), HasSubstr("attention is sparse"));
  EXPECT_THAT(refusal("deepseek_v4"), HasSubstr("attention is sparse"));
  EXPECT_THAT(refusal("qwen3_next"), HasSubstr("linear attention"));
  EXPECT_THAT(refusal("qwen3_5_moe"), HasSubstr("linear attention"));
  EXPECT_THAT(refusal("kimi_linear"), HasSubstr("linear attention"));
  EXPECT_THAT(refusal("something_new"), HasSubstr("this build runs"));
}

}  // namespace
}  // namespace glassbox
