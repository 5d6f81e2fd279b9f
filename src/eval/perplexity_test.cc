#include "eval/perplexity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/json.h"
#include "eval/importance.h"
#include "models/registry.h"
#include "nn/parameters.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using testing::fixture;

// A golden model with a tokenizer of its ids, that begins texts with <s> (5) or does not.
Model tiny(bool bos) {
  Json vocabulary = Json::object();
  for (int id = 0; id < 60; ++id)
    if (id != 5) vocabulary[std::string(1, static_cast<char>('!' + id))] = id;
  Json tokenizer = {{"added_tokens", {{{"id", 5}, {"content", "<s>"}, {"special", true}}}},
                    {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
                    {"decoder", {{"type", "ByteLevel"}}},
                    {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}}}};
  if (bos)
    tokenizer["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
        {"pair", Json::array()},
        {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {5}}, {"tokens", {"<s>"}}}}}}};
  const auto folder = fixture("models/llama32_tiny");
  Config config = Config::open(folder);
  CheckpointWeights weights(Checkpoint::open(folder));
  return {"tiny",
          FileSet::of_folder(folder),
          make_model(config, weights),
          Tokenizer::from_json(dump_json(tokenizer), "tokenizer.json", R"({"bos_token": "<s>"})"),
          std::nullopt,
          {}};
}

std::vector<int32_t> text() {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 230; ++i) tokens.push_back((i * i * 7 + i / 3) % 60);
  return tokens;
}

// tests/reference/make_perplexity.py
TEST(Perplexity, IsWhatTheReferenceCounts) {
  const Json expected = read_json(fixture("perplexity.json"));
  for (const char* way : {"plain", "with_bos"}) {
    const Model model = tiny(way == std::string("with_bos"));
    PerplexityOptions options;
    options.context = 32;
    options.threads = 1;
    int64_t heard = 0;
    const Perplexity result =
        measure_perplexity(model, text(), options, [&](const Perplexity&, int64_t windows) { heard += windows == 7; });
    EXPECT_EQ(heard, 7);
    EXPECT_EQ(result.tokens, expected[way]["tokens"].get<int64_t>());
    EXPECT_NEAR(result.perplexity / expected[way]["perplexity"].get<double>(), 1, 1e-5) << way;
    EXPECT_NEAR(result.error / expected[way]["error"].get<double>(), 1, 1e-4) << way;
  }
  EXPECT_NE(expected["plain"]["perplexity"], expected["with_bos"]["perplexity"]);
}

TEST(Perplexity, SaysWhereNumbersEnd) {
  Model model = tiny(false);
  Config config = Config::open(fixture("models/llama32_tiny"));
  Parameters parameters(DType::f32, Checkpoint::open(fixture("models/llama32_tiny")));
  model.network = make_model(config, parameters);
  for (Parameter& parameter : parameters.all())
    if (parameter.name == "model.norm.weight") parameter.master[3] = NAN;
  ThreadPool pool(1);
  parameters.publish(pool);
  PerplexityOptions options;
  options.context = 32;
  options.threads = 2;
  try {
    measure_perplexity(model, text(), options);
    FAIL() << "NaN counts as a perplexity";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("logits: expected numbers, got nan"), std::string::npos) << error.what();
  }
}

TEST(Perplexity, TakesOnlyTheFirstWindowsAndRefusesShortTexts) {
  const Model model = tiny(false);
  PerplexityOptions options;
  options.context = 32;
  options.windows = 2;
  EXPECT_EQ(measure_perplexity(model, text(), options).tokens, 30);
  const auto tokens = text();
  EXPECT_THROW(measure_perplexity(model, std::span(tokens).first(63), options), Error);
  options.context = 1 << 20;
  EXPECT_THROW(measure_perplexity(model, tokens, options), Error);
}

TEST(Perplexity, TextIsPlainAndItsLastNewlineIsNotRead) {
  const Model plain = tiny(false), bos = tiny(true);
  EXPECT_EQ(perplexity_tokens(plain.tokenizer, "#$%\n"), (std::vector<int32_t>{2, 3, 4}));
  EXPECT_EQ(perplexity_tokens(bos.tokenizer, "#$%"), (std::vector<int32_t>{5, 2, 3, 4}));
}

TEST(Importance, SumsTheSquaresOfInputs) {
  const Model model = tiny(false);
  ImportanceCollector collector(*model.network);
  Taps look;
  std::vector<float> seen;
  look.listen("model.layers.1.mlp.down_proj.in", [&](std::string_view, const Tensor& value) -> std::optional<Tensor> {
    const auto width = static_cast<size_t>(value.width());
    seen.assign(width, 0);
    for (size_t i = 0; i < value.values().size(); ++i) seen[i % width] += value.values()[i] * value.values()[i];
    return std::nullopt;
  });
  const auto tokens = text();
  for (const Taps* taps : {&collector.taps(), static_cast<const Taps*>(&look)}) {
    Workspace workspace(1);
    Pass pass(workspace, {taps});
    pass.add(std::span(tokens).first(50));
    (*model.network)(pass);
  }
  const auto& sums = collector.sums();
  ASSERT_TRUE(sums.contains("blk.1.ffn_down.weight"));
  EXPECT_EQ(sums.at("blk.1.ffn_down.weight").squares, seen);
  EXPECT_EQ(sums.at("blk.1.ffn_down.weight").rows, (std::vector<int64_t>{50}));
  EXPECT_TRUE(sums.contains("blk.0.attn_q.weight"));
  for (const auto& [name, sum] : sums) EXPECT_EQ(name.find("norm"), name.npos) << name;
}

// Numbered experts and stacked ones: each counts the tokens that chose it, and gate and up see the same.
TEST(Importance, ExpertsCountTheirOwn) {
  for (const char* name : {"qwen3_moe_tiny", "gpt_oss_tiny", "llama4_text_tiny", "deepseek_v3_tiny", "llama4_tiny"}) {
    const auto folder = testing::fixture(std::string("models/") + name);
    Config config = Config::open(folder);
    CheckpointWeights weights(Checkpoint::open(folder / "model.safetensors"));
    const auto model = make_model(config, weights);
    ImportanceCollector collector(*model);
    Workspace workspace(1);
    Pass pass(workspace, {&collector.taps()});
    std::vector<int32_t> tokens;
    for (int32_t i = 0; i < 50; ++i) tokens.push_back(i % 60);
    pass.add(tokens);
    (*model)(pass);
    const auto& sums = collector.sums();
    ASSERT_TRUE(sums.contains("blk.1.ffn_up_exps.weight")) << name;
    const ImportanceSums &up = sums.at("blk.1.ffn_up_exps.weight"), &gate = sums.at("blk.1.ffn_gate_exps.weight"),
                         &down = sums.at("blk.1.ffn_down_exps.weight");
    EXPECT_EQ(up.rows, gate.rows) << name;
    EXPECT_EQ(up.rows, down.rows) << name;
    EXPECT_EQ(up.squares, gate.squares) << name;
    const auto experts = static_cast<size_t>(model->shape().experts);
    ASSERT_EQ(up.rows.size(), experts) << name;
    EXPECT_EQ(std::accumulate(up.rows.begin(), up.rows.end(), int64_t{0}), 50 * model->shape().experts_per_token);
    EXPECT_EQ(up.squares.size(), experts * static_cast<size_t>(model->shape().hidden)) << name;
    for (size_t e = 0; e < experts; ++e) {
      const size_t width = down.squares.size() / experts;
      const std::span of(down.squares.data() + e * width, width);
      EXPECT_EQ(std::ranges::any_of(of, [](float x) { return x > 0; }), down.rows[e] > 0) << name << " " << e;
    }
  }
}

}  // namespace
}  // namespace glassbox
