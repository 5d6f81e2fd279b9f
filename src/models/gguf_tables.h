// Pieces that tables of GGUF share (formats/family_format.h): what most families call alike.
#pragma once

#include "formats/family_format.h"

namespace glassbox::gguf {

using Name = GgufNameRule;
using Key = GgufKeyRule;
using Names = std::span<const Name>;
using Keys = std::span<const Key>;
using enum GgufChange;
using enum GgufKeyRule::Kind;

// Tensors. What stands around the layers; an output matrix that is the table is in no file.
inline constexpr Name kEnds[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
};
// Rows of queries and keys as the checkpoint has them.
inline constexpr Name kAttention[] = {
    {"blk.{}.attn_q", "model.layers.{}.self_attn.q_proj"},
    {"blk.{}.attn_k", "model.layers.{}.self_attn.k_proj"},
    {"blk.{}.attn_v", "model.layers.{}.self_attn.v_proj"},
    {"blk.{}.attn_output", "model.layers.{}.self_attn.o_proj"},
};
// Rows that RoPE turns together side by side, as the oldest architecture ("llama") has them.
inline constexpr Name kRotatedAttention[] = {
    {"blk.{}.attn_q", "model.layers.{}.self_attn.q_proj", rotary_q},
    {"blk.{}.attn_k", "model.layers.{}.self_attn.k_proj", rotary_k},
    {"blk.{}.attn_v", "model.layers.{}.self_attn.v_proj"},
    {"blk.{}.attn_output", "model.layers.{}.self_attn.o_proj"},
};
// Of all queries and keys, or of each head, as the family has them.
inline constexpr Name kQueryKeyNorms[] = {
    {"blk.{}.attn_q_norm", "model.layers.{}.self_attn.q_norm"},
    {"blk.{}.attn_k_norm", "model.layers.{}.self_attn.k_norm"},
};
// Norms of what attention and MLP read; biases come along where a family has them.
inline constexpr Name kNormsBefore[] = {
    {"blk.{}.attn_norm", "model.layers.{}.input_layernorm"},
    {"blk.{}.ffn_norm", "model.layers.{}.post_attention_layernorm"},
};
// Norms of what attention and MLP add ("reordered norm"; Gemma has these, too).
inline constexpr Name kNormsAfter[] = {
    {"blk.{}.post_attention_norm", "model.layers.{}.post_attention_layernorm"},
    {"blk.{}.post_ffw_norm", "model.layers.{}.post_feedforward_layernorm"},
};
// A gated MLP; in a family of mixtures, that of its dense layers.
inline constexpr Name kMlp[] = {
    {"blk.{}.ffn_gate", "model.layers.{}.mlp.gate_proj"},
    {"blk.{}.ffn_up", "model.layers.{}.mlp.up_proj"},
    {"blk.{}.ffn_down", "model.layers.{}.mlp.down_proj"},
};
// A mixture whose experts are modules of their own; the router keeps float32.
inline constexpr Name kExperts[] = {
    {"blk.{}.ffn_gate_inp", "model.layers.{}.mlp.gate"},
    {"blk.{}.ffn_gate_exps", "model.layers.{}.mlp.experts.#.gate_proj", expert},
    {"blk.{}.ffn_up_exps", "model.layers.{}.mlp.experts.#.up_proj", expert},
    {"blk.{}.ffn_down_exps", "model.layers.{}.mlp.experts.#.down_proj", expert},
};

// Keys. Sizes that every architecture says, but for a head's, which gguf_config reads beside RoPE's.
inline constexpr Key kShape[] = {
    {"block_count", "num_hidden_layers", integer},
    {"context_length", "max_position_embeddings", integer},
    {"embedding_length", "hidden_size", integer},
    {"feed_forward_length", "intermediate_size", integer},
    {"attention.head_count", "num_attention_heads", integer},
    {"attention.head_count_kv", "num_key_value_heads", integer},
};
// What norms add to a variance, by the kind of norm: an architecture has one of the two.
inline constexpr Key kRmsNorm[] = {{"attention.layer_norm_rms_epsilon", "rms_norm_eps", real}};
inline constexpr Key kLayerNorm[] = {{"attention.layer_norm_epsilon", "layer_norm_eps", real}};
inline constexpr Key kWindow[] = {{"attention.sliding_window", "sliding_window", integer}};
// Of families that GGUF calls llama, whose readers know no windows.
inline constexpr Key kUnreadWindow[] = {{"attention.sliding_window", "sliding_window", integer, true}};
inline constexpr Key kExpertsUsed[] = {{"expert_used_count", "num_experts_per_tok", integer}};
inline constexpr Key kExpertCounts[] = {{"expert_count", "num_experts", integer},
                                        {"expert_used_count", "num_experts_per_tok", integer}};
inline constexpr Key kLocalExperts[] = {{"expert_count", "num_local_experts", integer}};
inline constexpr Key kExpertWidth[] = {{"expert_feed_forward_length", "moe_intermediate_size", integer}};

inline constexpr GgufPresence kAttentionBias[] = {{"attention_bias", "blk.0.attn_q.bias"}};
inline constexpr GgufPresence kBiases[] = {{"attention_bias", "blk.0.attn_q.bias"},
                                           {"mlp_bias", "blk.0.ffn_down.bias"}};

// How GGUF numbers a router's function ("expert_gating_func").
inline constexpr uint32_t kSoftmax = 1, kSigmoid = 2;

}  // namespace glassbox::gguf
