// What DeepSeek-V3 has beyond what every family is tested for: the layer that guesses one token further, and the size
// of its cache.
#include "models/deepseek_v3.h"

#include <cstring>

#include "models/models_testing.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

using testing::Golden;
using testing::largest_difference;
using testing::largest_of;
using testing::open_model;

// What the model's final norm gives for each token.
std::vector<float> hidden_of(const LanguageModel& model, std::span<const int32_t> ids, Workspace& workspace) {
  std::vector<float> hidden;
  Taps taps;
  taps.listen("model.norm.out", [&](std::string_view, const Tensor& value) {
    hidden.assign(value.values().begin(), value.values().end());
    return std::nullopt;
  });
  Pass pass(workspace, {.taps = &taps});
  pass.add(ids, nullptr, Logits::none);
  model(pass);
  return hidden;
}

Tensor entered(Pass& pass, std::span<const float> values, int64_t width) {
  Tensor x = pass.empty({static_cast<int64_t>(values.size()) / width, width});
  std::memcpy(Pass::mutable_f32(x), values.data(), values.size_bytes());
  return x;
}

TEST(DeepseekV3, DraftsWhatTheReferenceDrafts) {
  const Golden golden("deepseek_v3_tiny");
  const auto model = open_model(golden.folder);
  ASSERT_NE(model->draft(), nullptr);
  const int64_t width = model->shape().hidden;
  Workspace workspace(2);
  std::vector<float> logits;
  for (const auto& ids : golden.sequences()) {
    const auto hidden = hidden_of(*model, ids, workspace);
    Pass pass(workspace);
    pass.add(std::span(ids).subspan(1));
    const Tensor drafted = (*model->draft())(
        pass, entered(pass, std::span(hidden).first(hidden.size() - static_cast<size_t>(width)), width));
    logits.insert(logits.end(), drafted.values().begin(), drafted.values().end());
  }
  const auto expected = golden.values("mtp_logits");
  EXPECT_LT(largest_difference(logits, expected), 1e-4 * largest_of(expected));
}

// Token by token from a cache of its own, the same bits.
TEST(DeepseekV3, DraftsAlikeFromACache) {
  const Golden golden("deepseek_v3_tiny");
  const auto model = open_model(golden.folder);
  const int64_t width = model->shape().hidden;
  Workspace workspace(2);
  const auto ids = golden.sequences()[0];
  const auto hidden = hidden_of(*model, ids, workspace);
  Pass whole(workspace);
  whole.add(std::span(ids).subspan(1));
  const Tensor expected = (*model->draft())(
      whole, entered(whole, std::span(hidden).first(hidden.size() - static_cast<size_t>(width)), width));
  SequenceMemory memory(model->draft()->memory_shape());
  for (size_t t = 1; t < ids.size(); ++t) {
    Pass pass(workspace);
    pass.add(std::span(ids).subspan(t, 1), &memory);
    const auto at = (t - 1) * static_cast<size_t>(width);
    const Tensor got =
        (*model->draft())(pass, entered(pass, std::span(hidden).subspan(at, static_cast<size_t>(width)), width));
    testing::expect_same_bits(
        got.values(),
        expected.values().subspan((t - 1) * static_cast<size_t>(got.width()), static_cast<size_t>(got.width())),
        "token " + std::to_string(t));
  }
}

TEST(DeepseekV3, WithoutTheLayerItIsTheSameModel) {
  const Golden golden("deepseek_v3_tiny_bf16");
  EXPECT_EQ(open_model(golden.folder)->draft(), nullptr);
}

TEST(DeepseekV3, RemembersOneRowForAToken) {
  const auto model = open_model(Golden("deepseek_v3_tiny").folder);
  EXPECT_EQ(model->memory_shape().block_bytes(),
            64 * 2 * (12 + 8) * static_cast<int64_t>(sizeof(float)));  // layers * (C + P)
}

TEST(DeepseekV3, RefusesGroupsThatDoNotFit) {
  Json json = read_json(Golden("deepseek_v3_tiny").folder / "config.json");
  json["topk_group"] = 1;  // groups of two experts, of which three are to be chosen
  Config config(json, "config.json");
  PlannedWeights weights(DType::f32);
  EXPECT_THROW(make_model(config, weights), Error);
}

}  // namespace
}  // namespace glassbox
