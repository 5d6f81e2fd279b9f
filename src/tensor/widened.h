// Vectors that checkpoints keep in 16 bits (norms, biases, sinks), as float32: for words.
#pragma once

#include "tensor/pass.h"

namespace glassbox {

// `w` itself where it is float32, else a copy in the pass's memory. Throws Error(unsupported) for other dtypes than
// f32, bf16 and f16.
Tensor widened(Pass& pass, const Tensor& w);

}  // namespace glassbox
