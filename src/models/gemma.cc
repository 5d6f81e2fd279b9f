#include "models/gemma.h"

namespace glassbox {

float embedding_scale(const ModelShape& shape, const Weights& model) {
  const auto scale = static_cast<float>(std::sqrt(static_cast<double>(shape.hidden)));
  const Tensor table = model["embed_tokens"].tensor("weight", {shape.vocabulary, shape.hidden});
  switch (table.dtype()) {
    case DType::bf16:
      return bf16_to_f32(f32_to_bf16(scale));
    case DType::f16:
      return static_cast<float>(static_cast<_Float16>(scale));
    default:
      return scale;
  }
}

}  // namespace glassbox
