// Experts as modules: taps hear each by its path in the checkpoint.

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "models/models_testing.h"
#include "models/shape.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

using testing::alone;
using testing::Golden;
using testing::open_model;

TEST(Experts, AreHeardByTheirPaths) {
  const Golden golden("qwen3_moe_tiny");
  const auto model = open_model(golden.folder);
  const auto ids = golden.sequences()[0];
  Workspace workspace(2);
  std::map<std::string, int64_t> rows;
  Taps taps;
  taps.listen("model.layers.0.mlp.experts.*.up_proj.out", [&](std::string_view name, const Tensor& value) {
    EXPECT_EQ(value.width(), 12);
    rows[std::string(name)] += value.rows();
    return std::nullopt;
  });
  Pass pass(workspace, {.taps = &taps});
  pass.add(ids);
  const Tensor logits = (*model)(pass);
  int64_t sum = 0;
  for (const auto& [name, count] : rows) sum += count;
  EXPECT_EQ(sum, static_cast<int64_t>(ids.size()) * model->shape().experts_per_token);
  EXPECT_TRUE(rows.contains("model.layers.0.mlp.experts.3.up_proj.out"));
  testing::expect_same_bits(logits.values(), alone(*model, ids, workspace), "listening");
}

// An expert silenced: tokens before the first that chose it keep their bits.
TEST(Experts, AReplacedAnswerChangesOnlyWhoChoseIt) {
  const Golden golden("qwen3_moe_tiny");
  const auto model = open_model(golden.folder);
  const auto ids = golden.sequences()[0];
  Workspace workspace(2);
  const auto before = alone(*model, ids, workspace);
  std::vector<float> scores;
  Taps taps;
  taps.listen("model.layers.1.mlp.gate.out", [&](std::string_view, const Tensor& value) {
    scores.assign(value.values().begin(), value.values().end());
    return std::nullopt;
  });
  taps.listen("model.layers.1.mlp.experts.2.down_proj.out", [&](std::string_view, const Tensor& value) {
    Tensor silent = value.pass()->empty(value.shape());
    std::memset(Pass::mutable_f32(silent), 0, silent.bytes());
    return silent;
  });
  Pass pass(workspace, {.taps = &taps});
  pass.add(ids);
  const Tensor after = (*model)(pass);
  const auto experts = static_cast<size_t>(model->shape().experts);
  const auto vocabulary = static_cast<size_t>(model->shape().vocabulary);
  int changed = 0;
  for (size_t t = 0; t < ids.size(); ++t) {
    int better = 0;  // the last layer: what a token's experts say reaches its own logits alone
    for (size_t e = 0; e < experts; ++e) better += scores[t * experts + e] > scores[t * experts + 2];
    const bool chose = better < model->shape().experts_per_token;
    changed += chose;
    EXPECT_EQ(
        std::memcmp(after.f32() + t * vocabulary, before.data() + t * vocabulary, vocabulary * sizeof(float)) != 0,
        chose)
        << "token " << t;
  }
  EXPECT_GT(changed, 0);
  EXPECT_LT(changed, static_cast<int>(ids.size()));
}

TEST(Experts, ManyNamesOfTheirNumberMustAgree) {
  const auto read = [](const Json& json) { return read_experts(Config(json, "config.json")); };
  EXPECT_EQ(read({{"num_experts", 8}}), 8);
  EXPECT_EQ(read({{"num_experts", 8}, {"num_local_experts", 8}}), 8);
  EXPECT_THROW(read({{"num_experts", 8}, {"n_routed_experts", 9}}), Error);
  EXPECT_THROW(read(Json::object()), Error);
}

}  // namespace
}  // namespace glassbox
