// Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434), with weights: what DeepSeek V2 and V3 share. The
// absorbed form is the definition, in prefill, decoding and training alike (tensor/latent.h): a token is remembered as
// one row, which all heads look at. Where the paper's form would expand it to keys and values for every head, this
// takes each query to the row's space and back, which is the same but for rounding. T tokens of the pass, D width, H
// heads, N + P widths of a query without and with rotation, C of the latent, V of a value, L of the query's own latent.
// Field names are the checkpoint's.
#pragma once

#include <optional>

#include "formats/config.h"
#include "models/language_model.h"
#include "nn/modules.h"

namespace glassbox {

struct LatentShape {
  int64_t heads = 0, hidden = 0;                                       // H, D
  int64_t q_lora_rank = 0, kv_lora_rank = 0;                           // L (0: queries come straight from x), C
  int64_t qk_nope_head_dim = 0, qk_rope_head_dim = 0, v_head_dim = 0;  // N, P, V
  bool attention_bias = false;
  float scale = 0;  // of scores: 1 / sqrt(N + P), times what YaRN's mscale_all_dim says, squared
  Rotary rotary;    // of P
};

// Reads the keys of latent attention and of positions. `shape` as read_shape() left it; gets head_dim = N + P.
// Throws Error(bad_file | unsupported).
LatentShape read_latent(const Config& config, ModelShape& shape);

// A latent row for each layer.
MemoryShape latent_memory(const ModelShape& shape, const LatentShape& latent, WeightSource& weights);

struct LatentAttention {
  const LatentShape& shape;
  int64_t layer;
  std::optional<Named<Linear>> q_proj, q_a_proj, q_b_proj;  // the first, or the others with a norm between them
  std::optional<Named<RmsNorm>> q_a_layernorm;
  Named<Linear> kv_a_proj_with_mqa;
  Named<RmsNorm> kv_a_layernorm;
  Tensor kv_b_proj;  // [H (N + V), C]; in bf16 where the checkpoint's has scales or blocks, which cannot be turned
  Named<Linear> o_proj;

  // `layer`: of the memory.
  LatentAttention(const Weights& w, const LatentShape& shape, int64_t layer);
  Tensor operator()(const Tensor& x) const;  // [T, D]
};

}  // namespace glassbox
