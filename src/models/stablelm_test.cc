#include <gmock/gmock.h>

#include "models/models_testing.h"
#include "models/registry.h"

namespace glassbox {
namespace {

using ::testing::HasSubstr;

TEST(StableLmRefuses, WhatItsBlocksDoNotCompute) {
  for (const char* key : {"qk_layernorm", "use_parallel_residual"}) {
    Json json = read_json(testing::fixture("models/stablelm_tiny") / "config.json");
    json[key] = true;
    Config config(json, "config.json");
    PlannedWeights weights(DType::f32);
    try {
      make_model(config, weights);
      ADD_FAILURE() << key << " was passed over";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unsupported);
      EXPECT_THAT(error.what(), HasSubstr(std::string(key) + "\": true, where only false is computed"));
    }
  }
}

}  // namespace
}  // namespace glassbox
