#include "models/latent_attention.h"

#include <cmath>

#include "models/shape.h"
#include "tensor/latent.h"
#include "tensor/product.h"

namespace glassbox {
namespace {

constexpr float kNormEps = 1e-6f;  // of the norms within, whatever rms_norm_eps says of the others

// Packed once, so that a head's rows can be used in both directions.
Tensor unpacked_to_bf16(const Weights& w, const Shape& shape) {
  const Tensor published = w.tensor("weight", shape);
  const DType type = published.dtype();
  if (type == DType::f32 || type == DType::f16 || type == DType::bf16) return published;
  const auto count = static_cast<size_t>(shape.elements()), width = static_cast<size_t>(shape[1]);
  auto packed = std::make_shared<std::vector<uint16_t>>(count);
  const void* data = packed->data();
  if (w.readable()) {
    std::vector<float> row(width);
    for (int64_t r = 0; r < shape[0]; ++r) {
      widen(published, r, 1, row.data());
      for (size_t i = 0; i < width; ++i) (*packed)[static_cast<size_t>(r) * width + i] = f32_to_bf16(row[i]);
    }
  }
  return Tensor(shape, DType::bf16, std::move(packed), data);
}

}  // namespace

LatentShape read_latent(const Config& config, ModelShape& shape) {
  LatentShape s;
  s.heads = shape.heads;
  s.hidden = shape.hidden;
  if (shape.kv_heads != shape.heads)
    fail(ErrorKind::unsupported, "{}: expected num_attention_heads = {}, as latent attention has it, got {}",
         config.where("num_key_value_heads"), shape.heads, shape.kv_heads);
  s.q_lora_rank = config.positive_or<int64_t>("q_lora_rank", 0);
  s.kv_lora_rank = config.positive<int64_t>("kv_lora_rank", 1 << 16);
  s.qk_nope_head_dim = config.positive<int64_t>("qk_nope_head_dim", 1 << 16);
  s.qk_rope_head_dim = config.positive<int64_t>("qk_rope_head_dim", 1 << 16);
  s.v_head_dim = config.positive<int64_t>("v_head_dim", 1 << 16);
  if (s.qk_rope_head_dim % 2 != 0)
    fail(ErrorKind::bad_file, "{}: expected an even number, got {}", config.where("qk_rope_head_dim"),
         s.qk_rope_head_dim);
  s.attention_bias = config.get_or<bool>("attention_bias", false);
  // transformers 5 writes what follows from the others.
  config.only<int64_t>("qk_head_dim", s.qk_nope_head_dim + s.qk_rope_head_dim);
  shape.head_dim = s.qk_nope_head_dim + s.qk_rope_head_dim;

  const RopeConfig rope = read_rope(config);
  s.rotary = rotary(rope, s.qk_rope_head_dim);
  s.rotary.interleaved = config.get<bool>("rope_interleave");
  const double mscale = rope.mscale_all_dim > 0 ? yarn_mscale(rope.factor, rope.mscale_all_dim) : 1;
  s.scale = static_cast<float>(mscale * mscale / std::sqrt(static_cast<double>(shape.head_dim)));
  return s;
}

MemoryShape latent_memory(const ModelShape& shape, const LatentShape& latent, WeightSource& weights) {
  const Latent row{latent.kv_lora_rank + latent.qk_rope_head_dim, latent.kv_lora_rank, memory_dtype(weights, shape)};
  return MemoryShape(std::vector<LayerMemory>(static_cast<size_t>(shape.layers), {row}));
}

LatentAttention::LatentAttention(const Weights& w, const LatentShape& s, int64_t layer)
    : shape(s),
      layer(layer),
      kv_a_proj_with_mqa(w["kv_a_proj_with_mqa"], s.kv_lora_rank + s.qk_rope_head_dim, s.hidden, s.attention_bias),
      kv_a_layernorm(w["kv_a_layernorm"], s.kv_lora_rank, kNormEps),
      kv_b_proj(unpacked_to_bf16(w["kv_b_proj"], {s.heads * (s.qk_nope_head_dim + s.v_head_dim), s.kv_lora_rank})),
      o_proj(w["o_proj"], s.hidden, s.heads * s.v_head_dim, s.attention_bias) {
  const int64_t queries = s.heads * (s.qk_nope_head_dim + s.qk_rope_head_dim);
  if (s.q_lora_rank == 0) {
    q_proj.emplace(w["q_proj"], queries, s.hidden);
    return;
  }
  q_a_proj.emplace(w["q_a_proj"], s.q_lora_rank, s.hidden, s.attention_bias);
  q_a_layernorm.emplace(w["q_a_layernorm"], s.q_lora_rank, kNormEps);
  q_b_proj.emplace(w["q_b_proj"], queries, s.q_lora_rank);
}

Tensor LatentAttention::operator()(const Tensor& x) const {  // [T, D]
  const int64_t n = shape.qk_nope_head_dim, p = shape.qk_rope_head_dim, c = shape.kv_lora_rank;
  const Tensor q = split(q_proj ? (*q_proj)(x) : (*q_b_proj)((*q_a_layernorm)((*q_a_proj)(x))), shape.heads);
  const Tensor kv = kv_a_proj_with_mqa(x);                                                        // [T, C + P]
  const Tensor latent = split(kv_a_layernorm(slice(kv, 0, c)), 1);                                // [T, 1, C]
  const Tensor k = concat(latent, rope(split(slice(kv, c, p), 1), shape.rotary));                 // [T, 1, C + P]
  const Tensor q_nope = slice(q, 0, n);                                                           // [T, H, N]
  const Tensor q_latent = adapted_queries(q_nope, kv_b_proj, absorb_queries(q_nope, kv_b_proj));  // [T, H, C]
  const Tensor absorbed = concat(q_latent, rope(slice(q, n, p), shape.rotary));                   // [T, H, C + P]
  const Tensor seen = attend(absorbed, remember(layer, k), {.scale = shape.scale});               // [T, H, C]
  return o_proj(merge(adapted_values(seen, expand_values(seen, kv_b_proj, shape.v_head_dim))));   // [T, D]
}

}  // namespace glassbox
