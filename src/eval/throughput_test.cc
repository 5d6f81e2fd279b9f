// Cutting a configuration to fewer layers keeps it one of its family.
#include "eval/throughput.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "models/registry.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

TEST(WithLayers, CutsListsThatHaveAnEntryALayer) {
  const Json cut = with_layers({{"num_hidden_layers", 4},
                                {"layer_types", {"a", "b", "c", "d"}},
                                {"mlp_only_layers", {1, 3}},
                                {"eos_token_id", {7, 8}},
                                {"num_nextn_predict_layers", 1}},
                               2);
  EXPECT_EQ(cut, Json({{"num_hidden_layers", 2},
                       {"layer_types", {"a", "b"}},
                       {"mlp_only_layers", {1}},
                       {"eos_token_id", {7, 8}},
                       {"num_nextn_predict_layers", 0}}));
}

TEST(WithLayers, KeepsAMixtureBehindDenseLayers) {
  const Json shape = {{"num_hidden_layers", 61}, {"first_k_dense_replace", 3}};
  EXPECT_EQ(with_layers(shape, 2)["first_k_dense_replace"], 1);
  EXPECT_EQ(with_layers(shape, 1)["first_k_dense_replace"], 0);
  EXPECT_EQ(with_layers(shape, 10)["first_k_dense_replace"], 3);
}

TEST(WithLayers, LooksIntoTheTextModelAndLeavesSmallerOnesAlone) {
  const Json nested = {{"text_config", {{"num_hidden_layers", 8}}}};
  EXPECT_EQ(with_layers(nested, 3)["text_config"]["num_hidden_layers"], 3);
  EXPECT_EQ(with_layers(nested, 9), nested);
}

// Every configuration that this build runs, cut to two layers.
TEST(WithLayers, WhatIsLeftIsAModelOfTheFamily) {
  GLASSBOX_NEEDS_DATA();
  int cut = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(testing::data_folder() / "configs")) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with("config.json")) continue;
    Json json;
    try {
      json = read_json(entry.path());
      Config whole(json, name);
      PlannedWeights plan(DType::bf16);
      make_model(whole, plan);
    } catch (const Error&) { continue; }  // not a model this build runs
    Config config(with_layers(json, 2), name);
    PlannedWeights plan(DType::bf16);
    EXPECT_EQ(make_model(config, plan)->shape().layers, 2) << name;
    ++cut;
  }
  EXPECT_GE(cut, 8);
}

}  // namespace
}  // namespace glassbox
