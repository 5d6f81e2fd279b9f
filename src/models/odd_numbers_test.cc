// Numbers of config.json at the edges of what floats can say: refused by their key, or computed with.
#include <gtest/gtest.h>

#include "base/error.h"
#include "models/registry.h"
#include "nn/parameters.h"
#include "tensor/distribution.h"

namespace glassbox {
namespace {

Json llama() {
  return {
      {"model_type", "llama"},  {"vocab_size", 40},         {"hidden_size", 32},        {"intermediate_size", 64},
      {"num_hidden_layers", 2}, {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"max_position_embeddings", 64},
      {"rms_norm_eps", 1e-5},   {"rope_theta", 1e4},        {"hidden_act", "silu"},     {"tie_word_embeddings", true}};
}

// What is refused, or nothing where the model's logits are numbers.
std::string outcome(const Json& json) {
  try {
    Config config(json, "config.json");
    Parameters parameters(DType::f32, 1, 0.3f);
    const auto model = make_model(config, parameters);
    Workspace workspace(1);
    parameters.publish(workspace.pool);
    Pass pass(workspace);
    pass.add(std::vector<int32_t>{1, 2, 3, 4, 5});
    return first_not_finite((*model)(pass).values()) ? "not finite" : "";
  } catch (const Error& error) { return error.what(); }
}

TEST(OddNumbers, OfAConfigurationAreRefusedByTheirKeyOrComputedWith) {
  ASSERT_EQ(outcome(llama()), "");
  int refused = 0, computed = 0;
  const auto look = [&](const Json& json, const std::string& key) {
    const std::string what = outcome(json);
    SCOPED_TRACE(json.dump());
    if (what.empty()) {
      ++computed;
    } else {
      EXPECT_NE(what.find(key), std::string::npos) << what;
      ++refused;
    }
  };
  for (const double value : {0.0, -0.0, 5e-324, 1e-320, 1e-45, 1e-40, 1e-38, 1e-7, 1.0, 1e6, 1e12, 1e38, 1e39, 1e300,
                             1.7e308, -1e-320, -1.0, -1e308}) {
    for (const char* key : {"rms_norm_eps", "rope_theta"}) {
      Json json = llama();
      json[key] = value;
      look(json, key);
    }
    for (const char* key : {"factor", "low_freq_factor", "high_freq_factor"}) {
      Json json = llama();
      json["rope_scaling"] = {{"rope_type", "llama3"},
                              {"factor", 8.0},
                              {"low_freq_factor", 1.0},
                              {"high_freq_factor", 4.0},
                              {"original_max_position_embeddings", 32}};
      json["rope_scaling"][key] = value;
      look(json, std::string(key).ends_with("freq_factor") ? "freq_factor" : key);
    }
    for (const char* key : {"factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "attention_factor"}) {
      Json json = llama();
      json["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 16}};
      json["rope_scaling"][key] = value;
      look(json, key);
    }
  }
  EXPECT_GT(refused, 50);
  EXPECT_GT(computed, 40);
}

}  // namespace
}  // namespace glassbox
