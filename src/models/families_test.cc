#include "formats/gguf_names.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "formats/gguf_checkpoint.h"
#include "models/registry.h"

namespace glassbox {
namespace {

const FamilyFormat& family(std::string_view type) { return find_family(type)->format; }

TEST(Families, NamesGoBothWays) {
  const auto check = [](std::string_view type, const std::string& checkpoint, const std::string& gguf,
                        int64_t expert = -1) {
    const auto places = gguf_places(family(type), checkpoint);
    const auto there = std::ranges::find(places, gguf, &GgufPlace::name);
    ASSERT_NE(there, places.end()) << checkpoint;
    EXPECT_EQ(there->expert, expert);
    const auto back = checkpoint_place(family(type), gguf, expert < 0 ? 0 : expert);
    ASSERT_TRUE(back) << gguf;
    EXPECT_EQ(back->name, checkpoint);
  };
  check("llama", "model.embed_tokens.weight", "token_embd.weight");
  check("llama", "lm_head.weight", "output.weight");
  check("llama", "model.layers.31.self_attn.q_proj.bias", "blk.31.attn_q.bias");
  check("llama", "model.layers.0.post_attention_layernorm.weight", "blk.0.ffn_norm.weight");
  check("olmo2", "model.layers.0.post_attention_layernorm.weight", "blk.0.post_attention_norm.weight");
  check("gemma2", "model.layers.3.pre_feedforward_layernorm.weight", "blk.3.ffn_norm.weight");
  check("mixtral", "model.layers.2.block_sparse_moe.experts.7.w3.weight", "blk.2.ffn_up_exps.weight", 7);
  check("qwen3_moe", "model.layers.12.mlp.experts.127.down_proj.weight", "blk.12.ffn_down_exps.weight", 127);
  check("qwen3_moe", "model.layers.12.mlp.gate.weight", "blk.12.ffn_gate_inp.weight");
  check("deepseek_v3", "model.layers.3.mlp.gate.e_score_correction_bias", "blk.3.exp_probs_b.bias");
  check("deepseek_v3", "model.layers.61.shared_head.norm.weight", "blk.61.nextn.shared_head_norm.weight");
  check("deepseek_v2", "model.layers.3.self_attn.kv_b_proj.weight", "blk.3.attn_v_b.weight");
  check("gpt_oss", "model.layers.0.self_attn.sinks", "blk.0.attn_sinks.weight");
  check("gpt_oss", "model.layers.0.mlp.experts.gate_up_proj", "blk.0.ffn_up_exps.weight");
  check("gpt_oss", "model.layers.0.mlp.experts.gate_up_proj_bias", "blk.0.ffn_gate_exps.bias");
  check("gemma3", "language_model.model.norm.weight", "output_norm.weight");
  check("llama4", "language_model.model.layers.1.feed_forward.experts.down_proj", "blk.1.ffn_down_exps.weight");
}

TEST(Families, OlderNamesAreReadAndNotWritten) {
  const auto old = checkpoint_place(family("deepseek_v2"), "blk.3.attn_kv_b.weight");
  ASSERT_TRUE(old);
  EXPECT_EQ(old->name, "model.layers.3.self_attn.kv_b_proj.weight");
  const auto places = gguf_places(family("deepseek_v2"), old->name);
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(places[0].name, "blk.3.attn_k_b.weight");
}

TEST(Families, OtherNamesHaveNoPlace) {
  for (const char* name : {"", "model", "weight", ".weight", "model.layers.x.self_attn.q_proj.weight",
                           "model.layers.01.self_attn.q_proj.weight", "model.layers.-1.self_attn.q_proj.weight",
                           "model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.q_proj.weights",
                           "model.layers.99999999999999999999.self_attn.q_proj.weight", "xmodel.norm.weight"})
    EXPECT_TRUE(gguf_places(family("llama"), name).empty()) << name;
  EXPECT_FALSE(checkpoint_place(family("llama"), "blk.0.attn_q_norm.weight"));
  EXPECT_FALSE(gguf_family_named("gpt9", known_families()));
}

TEST(Families, AreListedByNameAndWhole) {
  const auto formats = known_families().formats;
  EXPECT_TRUE(std::ranges::is_sorted(formats, {}, &FamilyFormat::model_type));
  for (const FamilyFormat* one : formats) {
    EXPECT_FALSE(one->class_name.empty()) << one->model_type;
    EXPECT_EQ(one->text == nullptr, one->prefix.empty()) << one->model_type;
    EXPECT_EQ(&find_family(one->model_type)->format, one);
    if (one->text) { EXPECT_TRUE(find_family(one->text->model_type)) << one->model_type; }
    EXPECT_EQ(gguf_family_named(one->model_type, known_families()), one);
    std::set<std::string_view> keys;
    for (const ConfigDefault& each : one->defaults) EXPECT_TRUE(keys.insert(each.key).second) << each.key;
  }
}

// One name has one place, within a family's table and back.
TEST(Families, TablesAreOneToOne) {
  for (const FamilyFormat* one : known_families().formats) {
    std::set<std::string_view> gguf, checkpoint;
    for (const auto rules : one->gguf.names)
      for (const GgufNameRule& rule : rules) {
        EXPECT_TRUE(gguf.insert(rule.gguf).second) << one->model_type << " " << rule.gguf;
        // Gate and up, keys and values are two tensors in GGUF; what it once held as one is read alone.
        using enum GgufChange;
        if (rule.change != former && rule.change != up_half && rule.change != up_interleaved &&
            rule.change != up_bias && rule.change != value_part) {
          EXPECT_TRUE(checkpoint.insert(rule.checkpoint).second) << one->model_type << " " << rule.checkpoint;
        }
      }
    EXPECT_GE(gguf.size(), 9u);
  }
}

// Two heads of four rows of one byte: the halves of a head interleave.
TEST(Families, HalvesInterleaveAndSeparate) {
  const std::array<char, 8> separate = {'a', 'b', 'A', 'B', 'c', 'd', 'C', 'D'};
  const std::array<char, 8> interleaved = {'a', 'A', 'b', 'B', 'c', 'C', 'd', 'D'};
  std::array<char, 8> got{};
  interleave_halves(std::as_bytes(std::span(separate)), std::as_writable_bytes(std::span(got)), 8, 2);
  EXPECT_EQ(got, interleaved);
  separate_halves(std::as_bytes(std::span(interleaved)), std::as_writable_bytes(std::span(got)), 8, 2);
  EXPECT_EQ(got, separate);
}

}  // namespace
}  // namespace glassbox
