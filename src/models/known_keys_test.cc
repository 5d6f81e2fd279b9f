#include "models/known_keys.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "formats/config.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

// Every key that a family of ours reads is one that a model which does not read it refuses.
TEST(KnownKeys, KeysOfOurFamiliesAreKnown) {
  for (const char* key : {"attention_bias",
                          "attn_logit_softcapping",
                          "clip_qkv",
                          "decoder_sparse_step",
                          "final_logit_softcapping",
                          "head_dim",
                          "kv_lora_rank",
                          "layer_types",
                          "mlp_bias",
                          "moe_layers",
                          "n_group",
                          "no_rope_layers",
                          "norm_topk_prob",
                          "query_pre_attn_scalar",
                          "rms_norm_eps",
                          "rope_local_base_freq",
                          "rope_parameters",
                          "routed_scaling_factor",
                          "scoring_func",
                          "sliding_window",
                          "swiglu_limit",
                          "tie_word_embeddings",
                          "topk_method",
                          "use_qk_norm",
                          "use_sliding_window",
                          "v_head_dim"})
    EXPECT_NE(family_that_reads(key), "") << key;
  for (const char* key : {"", "a", "zzz", "unk_token_id", "ep_size", "_model_name_or_path", "rope", "rope_thetas"})
    EXPECT_EQ(family_that_reads(key), "") << key;
}

// The keys a dense Llama is built from: every published Llama configuration of ours must be used up by them.
TEST(KnownKeys, PublishedLlamasAreReadWhole) {
  GLASSBOX_NEEDS_DATA();
  int read = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(testing::data_folder() / "configs")) {
    if (!entry.path().filename().string().ends_with("config.json")) continue;
    if (read_file(entry.path()).find("\"model_type\": \"llama\"") == std::string::npos) continue;
    const Config config = Config::open(entry.path());
    config.judged_by(family_that_reads);
    if (config.has("quantization_config")) continue;
    for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                            "num_key_value_heads", "max_position_embeddings", "vocab_size"})
      EXPECT_GT(config.positive<int32_t>(key), 0) << entry.path();
    config.positive_or<int32_t>("head_dim", 1);
    config.between<double>("rms_norm_eps", 0.0, 1.0);
    config.choice("hidden_act", {"silu"});
    for (const char* key : {"attention_bias", "mlp_bias", "tie_word_embeddings"}) config.optional<bool>(key);
    EXPECT_EQ(read_dtype(config), DType::bf16);
    EXPECT_EQ(read_rope(config).kind, RopeConfig::Kind::llama3) << entry.path();
    config.finish();
    ++read;
  }
  EXPECT_GE(read, 4);
}

}  // namespace
}  // namespace glassbox
