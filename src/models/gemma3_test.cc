// Gemma 3 as published: a language model within a model that also sees pictures.

#include <gmock/gmock.h>

#include "models/models_testing.h"
#include "nn/parameters.h"

namespace glassbox {
namespace {

using testing::alone;
using testing::expect_same_bits;
using testing::Golden;
using ::testing::HasSubstr;
using testing::open_model;
using testing::stranger;

// The fixture with a tower that sees: its configuration and one of its tensors.
struct Sighted {
  testing::TemporaryFolder folder;
  Golden golden{"gemma3_tiny"};
  Json json = read_json(golden.folder / "config.json");

  Sighted() {
    json["vision_config"] = {{"hidden_size", 8}, {"model_type", "siglip_vision_model"}};
    const Checkpoint checkpoint = golden.checkpoint();
    std::vector<RawTensor> tensors;
    for (const std::string_view name : checkpoint.names()) tensors.push_back(checkpoint.find(name).value());
    RawTensor seen = tensors[0];
    seen.name = "vision_tower.vision_model.embeddings.patch_embedding.weight";
    tensors.push_back(seen);
    write_safetensors(folder / "model.safetensors", tensors);
  }
  std::unique_ptr<LanguageModel> open(const std::vector<std::string>& ignored) const {
    Config config(json, "config.json", ignored);
    CheckpointWeights weights(Checkpoint::open(folder / "model.safetensors"));
    return make_model(config, weights);
  }
};

TEST(Gemma3, ItsTowerIsRefusedByName) {
  try {
    Sighted().open({});
    FAIL() << "vision_config was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    EXPECT_THAT(error.what(), HasSubstr("\"vision_config\""));
  }
}

TEST(Gemma3, WhoGoesOnWithoutTheTowerHasTheLanguageModel) {
  const Sighted sighted;
  const auto model = sighted.open({"vision_config"}), plain = open_model(sighted.golden.folder);
  Workspace workspace(1);
  const auto prompt = stranger(1, 50, plain->shape().vocabulary);
  expect_same_bits(alone(*model, prompt, workspace), alone(*plain, prompt, workspace), "beside a tower");
}

TEST(Gemma3, TensorsOfNoPartAreStillRefused) {
  const Sighted sighted;
  Json changed = sighted.json;
  changed["text_config"]["num_hidden_layers"] = 1;
  changed["text_config"]["layer_types"] = {"sliding_attention"};
  Config config(changed, "config.json", std::vector<std::string>{"vision_config"});
  CheckpointWeights weights(Checkpoint::open(sighted.folder / "model.safetensors"));
  try {
    make_model(config, weights);
    FAIL() << "a layer was left over";
  } catch (const Error& error) { EXPECT_THAT(error.what(), HasSubstr("language_model.model.layers.1.")); }
}

// The 4B model's file leaves out all that is a default. Its language model has as many parameters as the whole
// (4,300,079,472) less the tower's 416,866,032 and the projector's 2,950,272.
TEST(Gemma3, WhatItsFileLeavesOutIsTheDefault) {
  Config config(Json{{"model_type", "gemma3"},
                     {"text_config",
                      {{"hidden_size", 2560},
                       {"intermediate_size", 10240},
                       {"model_type", "gemma3_text"},
                       {"num_hidden_layers", 34},
                       {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}},
                       {"sliding_window", 1024}}}},
                "config.json");
  PlannedWeights weights(DType::bf16);
  make_model(config, weights);
  int64_t parameters = 0;
  for (const TensorInfo* tensor : weights.tensors()) parameters += static_cast<int64_t>(tensor->bytes / 2);
  EXPECT_EQ(parameters, 4'300'079'472 - 416'866'032 - 2'950'272);
}

// Its norms are kept as what they differ from one by, so they begin at zero; other families' begin at one.
TEST(Gemma3, FreshNormsMultiplyByOne) {
  for (const char* name : {"gemma3_text_tiny", "gemma2_tiny", "qwen3_tiny"}) {
    Config config = Golden(name).config();
    Parameters fresh(DType::f32, 3);
    make_model(config, fresh);
    size_t norms = 0;
    for (const Parameter& parameter : fresh.all()) {
      if (!parameter.name.ends_with("norm.weight")) continue;
      ++norms;
      const float start = std::string_view(name).starts_with("gemma") ? 0.0f : 1.0f;
      for (const float value : parameter.master) ASSERT_EQ(value, start) << name << " " << parameter.name;
    }
    EXPECT_GE(norms, 9u) << name;
  }
}

}  // namespace
}  // namespace glassbox
