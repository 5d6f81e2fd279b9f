// What is Llama's alone: values at its taps against what the reference's modules returned, patterns put in place of
// others, and refusals. All that families share is family_test.cc's.
#include "models/llama.h"

#include <map>

#include "kernels/kernels.h"
#include "models/models_testing.h"
#include "nn/parameters.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

using testing::alone;
using testing::expect_same_bits;
using testing::fixture;
using testing::Golden;
using testing::largest_difference;
using testing::largest_of;
using testing::open_model;
using testing::stranger;

TEST(LlamaTaps, HoldWhatTheReferencesModulesReturned) {
  const Golden golden("llama32_tiny");
  const auto model = open_model(golden.folder);
  Workspace workspace(2);
  std::map<std::string, std::vector<float>> heard;  // run after run
  Taps taps;
  taps.listen("*", [&](std::string_view name, const Tensor& value) {
    auto& numbers = heard[std::string(name)];
    numbers.insert(numbers.end(), value.values().begin(), value.values().end());
    return std::nullopt;
  });
  Pass pass(workspace, {&taps});
  for (const auto& ids : golden.sequences()) pass.add(ids);
  (*model)(pass);
  int compared = 0;
  for (const auto& [name, numbers] : heard) {
    if (!golden.file.find("taps/" + name)) continue;
    const auto expected = golden.values("taps/" + name);
    EXPECT_LT(largest_difference(numbers, expected), 1e-4 * largest_of(expected)) << name;
    ++compared;
  }
  EXPECT_GE(compared, 3);
}

// A Llama of odd sizes with weights of its own.
std::unique_ptr<LanguageModel> odd_model(DType dtype) {
  Json json = {{"model_type", "llama"},      {"vocab_size", 301},      {"hidden_size", 72},
               {"intermediate_size", 106},   {"num_hidden_layers", 2}, {"num_attention_heads", 6},
               {"num_key_value_heads", 2},   {"head_dim", 20},         {"max_position_embeddings", 512},
               {"rms_norm_eps", 1e-5},       {"rope_theta", 1e4},      {"hidden_act", "silu"},
               {"tie_word_embeddings", true}};
  Config config(json, "odd model");
  Parameters parameters(dtype, 7, 0.2f);
  auto model = make_model(config, parameters);
  ThreadPool pool(1);
  parameters.publish(pool);
  return model;
}

TEST(LlamaTaps, AReplacedPatternChangesOnlyItsRow) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const auto model = odd_model(dtype);
    const auto prompt = stranger(1, 150, 301);
    Workspace two(2);
    const auto reference = alone(*model, prompt, two);
    Taps taps;
    taps.listen("model.layers.1.self_attn.pattern", [&](std::string_view, const Tensor& pattern) {
      Tensor changed = pattern.pass()->empty(pattern.shape());
      std::memcpy(Pass::mutable_f32(changed), pattern.f32(), pattern.bytes());
      const int64_t row = 149 * 6 + 2;  // the last token's third head looks at the first token only
      float* weights = Pass::mutable_f32(changed) + row * pattern.width();
      std::fill_n(weights, pattern.width(), 0.0f);
      weights[0] = 1;
      return changed;
    });
    Pass pass(two, {&taps});
    pass.add(prompt);
    const Tensor logits = (*model)(pass);
    expect_same_bits(logits.values().first(149 * 301), std::span(reference).first(149 * 301), "the other tokens");
    EXPECT_NE(std::memcmp(logits.f32() + 149 * 301, reference.data() + 149 * 301, 301 * sizeof(float)), 0);
  }
}

// --- what is refused ---

TEST(LlamaRefuses, WeightsOfAnotherShapeAndWeightsOverAndAbove) {
  Config config = Config::open(fixture("models/llama2_tiny"));
  CheckpointWeights other(Checkpoint::open(fixture("models/llama32_tiny") / "model.safetensors"));
  EXPECT_THROW(make_model(config, other), Error);

  Json fewer = read_json(fixture("models/llama2_tiny") / "config.json");
  fewer["num_hidden_layers"] = 1;
  Config smaller(fewer, "config.json");
  CheckpointWeights weights(Checkpoint::open(fixture("models/llama2_tiny") / "model.safetensors"));
  try {
    make_model(smaller, weights);
    FAIL() << "nine tensors were left over";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("model.layers.1."), std::string::npos) << error.what();
  }
}

TEST(LlamaRefuses, FamiliesAndKeysItDoesNotKnow) {
  Json json = read_json(fixture("models/llama2_tiny") / "config.json");
  const auto message = [&](const Json& changed) -> std::string {
    try {
      Config config(changed, "config.json");
      CheckpointWeights weights(Checkpoint::open(fixture("models/llama2_tiny") / "model.safetensors"));
      make_model(config, weights);
      return "accepted";
    } catch (const Error& error) { return error.what(); }
  };
  Json changed = json;
  changed["attention_multiplier"] = 2.5;
  EXPECT_NE(message(changed).find("attention_multiplier"), std::string::npos) << message(changed);
  changed = json;
  changed["model_type"] = "mamba";
  EXPECT_NE(message(changed).find("mamba"), std::string::npos) << message(changed);
  changed = json;
  changed["hidden_act"] = "gelu";
  EXPECT_NE(message(changed).find("gelu"), std::string::npos) << message(changed);
  changed = json;
  changed["num_key_value_heads"] = 3;
  EXPECT_NE(message(changed).find("num_key_value_heads"), std::string::npos) << message(changed);
}

}  // namespace
}  // namespace glassbox
