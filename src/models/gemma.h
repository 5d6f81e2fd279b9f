// What Gemma 2 and 3 share.
#pragma once

#include <cmath>

#include "models/language_model.h"
#include "nn/modules.h"

namespace glassbox {

// Gemma's norms are kept as what they differ from 1 by.
struct GemmaNorm : RmsNorm {
  GemmaNorm(const Weights& w, int64_t width, float epsilon) : RmsNorm(w.tensor_from_zero("weight", {width}), epsilon) {}
  Tensor operator()(const Tensor& x) const { return normed(x, 1.0f); }
};

// sqrt(D) in the dtype of the embedding, as the reference multiplies. `model`: the place of embed_tokens.
float embedding_scale(const ModelShape& shape, const Weights& model);

}  // namespace glassbox
