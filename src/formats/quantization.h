// quantization_config: how the weights of a published checkpoint were quantized. What is not read here is refused by
// name, so that no variant is taken for another.
#pragma once

#include <cstdint>
#include <optional>

#include "formats/config.h"

namespace glassbox {

struct Quantization {
  enum class Method {
    none,
    fp8,    // NAME and NAME_scale_inv (a float32 for each block of the matrix), or NAME_scale
    mxfp4,  // NAME_blocks and NAME_scales
    awq,    // qweight [k, n / 8], qzeros [k / group, n / 8], scales [k / group, n]
    gptq,   // qweight [k / 8, n], qzeros [k / group, n / 8], scales [k / group, n], g_idx [k]
  };
  Method method = Method::none;
  int64_t block_rows = 0, block_columns = 0;  // fp8: of NAME_scale_inv
  int64_t group = 0;                          // awq, gptq: inputs that share a scale; 0: all
  bool zeros_less_one = false;                // gptq's first format stores zero points less one

  // What its matrices are held as; nothing for none.
  std::optional<DType> dtype() const;
};

// Throws Error(unsupported | bad_file) naming the key. Activations that a configuration would quantize too are not:
// docs/design.md, Numbers, says what products take.
Quantization read_quantization(const Config& config);

}  // namespace glassbox
