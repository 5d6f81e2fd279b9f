// Words of multi-head latent attention (DeepSeek-V2, arXiv:2405.04434), in its absorbed form: what is cached of a token
// is one row, its latent [C] and a rotary key [P] shared by all heads; a head's queries are taken to the latent's space
// before they meet it, and what it gathered there is taken to its values after.
//
// T tokens of a pass, H heads, N the width of a head's queries without rotation, V of its values, C of the latent.
// kv_b_proj [H (N + V), C] holds for each head its N rows of keys, then its V rows of values.
#pragma once

#include "tensor/tensor.h"

namespace glassbox {

// Each head's queries times its rows of keys: [T, H, N] -> [T, H, C]. Float32 whatever the dtype of kv_b_proj (f32, f16
// or bf16), as attention is of which this is a part: each number one chain of fused multiply-adds over N.
Tensor absorb_queries(const Tensor& q, const Tensor& kv_b_proj);

// Each head's rows of values times what it gathered: [T, H, C] -> [T, H, V]. Arithmetic and order of sums are
// matmul()'s.
Tensor expand_values(const Tensor& x, const Tensor& kv_b_proj, int64_t value_dim);

}  // namespace glassbox
