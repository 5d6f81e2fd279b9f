// Models as they are published: experts in FP8 and MXFP4, a latent's kv_b_proj packed in bf16, few bits. Beside the
// same weights widened to float32, and with bits that do not depend on company.
#include <gtest/gtest.h>

#include "models/models_testing.h"
#include "tensor/product.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

using testing::alone;
using testing::root_mean_square;
using testing::stranger;

// The numbers of another source, exactly, as float32; stacked experts as rows, which is how blocks lie.
class WidenedWeights : public WeightSource {
 public:
  explicit WidenedWeights(RandomWeights& from) : from_(from) {}
  bool has(const std::string& name) const override {
    return !name.ends_with("experts.gate_up_proj") && !name.ends_with("experts.down_proj") && from_.has(name);
  }
  Tensor get(const std::string& name, const Shape& shape) override {
    const Tensor w = from_.get(name, shape);
    auto wide = std::make_shared<std::vector<float>>(static_cast<size_t>(shape.elements()));
    if (shape.rank() == 3)
      for (int64_t e = 0; e < shape[0]; ++e) widen(w.select(e), 0, shape[1], wide->data() + e * shape[1] * shape[2]);
    else
      widen(w, 0, w.rows(), wide->data());
    const void* data = wide->data();
    return Tensor(shape, DType::f32, std::move(wide), data);
  }

 private:
  RandomWeights& from_;
};

const Json kCommon = {{"vocab_size", 64},        {"hidden_size", 256},       {"intermediate_size", 256},
                      {"num_hidden_layers", 2},  {"num_attention_heads", 4}, {"max_position_embeddings", 512},
                      {"rms_norm_eps", 1e-6},    {"rope_theta", 10000.0},    {"tie_word_embeddings", false},
                      {"num_experts_per_tok", 2}};

Json with(Json json, const Json& more) {
  json.update(more);
  return json;
}

struct Case {
  const char* name;
  Json config;
  DType dtype;
};

const Case kCases[] = {
    {"DeepSeekInFp8",
     with(kCommon, {{"model_type", "deepseek_v3"},
                    {"n_routed_experts", 6},
                    {"n_group", 1},
                    {"topk_group", 1},
                    {"n_shared_experts", 1},
                    {"moe_intermediate_size", 128},
                    {"first_k_dense_replace", 1},
                    {"q_lora_rank", 128},
                    {"kv_lora_rank", 128},
                    {"qk_nope_head_dim", 32},
                    {"qk_rope_head_dim", 16},
                    {"v_head_dim", 32}}),
     DType::f8_e4m3},
    {"DeepSeekInQ4K",
     with(kCommon, {{"model_type", "deepseek_v2"},
                    {"n_routed_experts", 6},
                    {"n_shared_experts", 1},
                    {"moe_intermediate_size", 256},
                    {"first_k_dense_replace", 1},
                    {"kv_lora_rank", 256},
                    {"qk_nope_head_dim", 32},
                    {"qk_rope_head_dim", 16},
                    {"v_head_dim", 64}}),
     DType::q4_k},
    {"GptOssInMxfp4",
     with(kCommon, {{"model_type", "gpt_oss"}, {"num_local_experts", 6}, {"num_key_value_heads", 2}, {"head_dim", 32}}),
     DType::mxfp4},
    {"Qwen3InFp8",
     with(kCommon, {{"model_type", "qwen3_moe"},
                    {"num_experts", 6},
                    {"num_key_value_heads", 2},
                    {"head_dim", 32},
                    {"moe_intermediate_size", 128},
                    {"hidden_act", "silu"}}),
     DType::f8_e4m3}};

// A dense model in each type that is read and not written.
std::vector<Case> read_types() {
  std::vector<Case> cases;
  for (const auto& [name, type] : std::initializer_list<std::pair<const char*, DType>>{{"Iq1S", DType::iq1_s},
                                                                                       {"Iq1M", DType::iq1_m},
                                                                                       {"Iq2Xxs", DType::iq2_xxs},
                                                                                       {"Iq2Xs", DType::iq2_xs},
                                                                                       {"Iq2S", DType::iq2_s},
                                                                                       {"Iq3Xxs", DType::iq3_xxs},
                                                                                       {"Iq3S", DType::iq3_s},
                                                                                       {"Tq1", DType::tq1_0},
                                                                                       {"Tq2", DType::tq2_0},
                                                                                       {"Nvfp4", DType::nvfp4},
                                                                                       {"Q1", DType::q1_0},
                                                                                       {"Q2", DType::q2_0}}) {
    Json config = with(kCommon, {{"model_type", "llama"}, {"num_key_value_heads", 2}, {"hidden_act", "silu"}});
    config.erase("num_experts_per_tok");
    cases.push_back({name, config, type});
  }
  return cases;
}

class Quantized : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Mixtures, Quantized, ::testing::ValuesIn(kCases),
                         [](const auto& which) { return which.param.name; });
INSTANTIATE_TEST_SUITE_P(Dense, Quantized, ::testing::ValuesIn(read_types()),
                         [](const auto& which) { return which.param.name; });

TEST_P(Quantized, IsCloseToItsNumbersInFloatAndSameInCompany) {
  Config config(GetParam().config, "config.json"), same(GetParam().config, "config.json");
  RandomWeights weights(GetParam().dtype);
  const auto model = make_model(config, weights);
  WidenedWeights wide(weights);
  const auto exact = make_model(same, wide);
  Workspace workspace(2);
  const auto prompt = stranger(1, 40, 64);
  const auto expected = alone(*exact, prompt, workspace), got = alone(*model, prompt, workspace);
  const std::vector<float> nothing(expected.size());
  EXPECT_GT(root_mean_square(expected, nothing), 1e-3);
  EXPECT_LT(root_mean_square(got, expected), 0.1 * root_mean_square(expected, nothing));
  EXPECT_GT(root_mean_square(got, expected), 0);

  Pass pass(workspace);
  pass.add(stranger(2, 70, 64), nullptr, Logits::none);
  pass.add(prompt);
  testing::expect_same_bits((*model)(pass).values(), got, "beside a stranger");
}

}  // namespace
}  // namespace glassbox
