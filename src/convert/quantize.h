// Models made smaller: matrices as blocks of a few bits, in the mixes and by the names that llama.cpp has for them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "convert/convert.h"
#include "convert/importance.h"

namespace glassbox {

struct QuantizedTensor {
  std::string name;
  DType from, type;
  std::optional<DType> instead_of;  // the type of the mix, where its blocks do not divide the rows
  uint64_t bytes = 0;
  // Against the source: root of the mean square, the same by the source's own, and the largest.
  double rms = 0, relative = 0, largest = 0;
};

struct QuantizeOptions {
  std::string type;  // "Q4_K_M"
  std::optional<Importance> importance;
  int threads = 0;
  std::vector<std::string> ignore_keys;  // of config.json
  bool force = false;                    // replace what is there
};

// The names of all mixes.
std::vector<std::string> quantization_types();

// `source` as for convert(), or a .gguf file; `target` a .gguf file. Which tensor gets which type is llama.cpp's rule;
// metadata, tokenizer and template are kept, and general.base_model.* says of what this is a quantization. `report`
// hears of every tensor once it is written. Throws as convert(), and Error(bad_request) for a type without a name.
std::vector<QuantizedTensor> quantize_model(
    const std::string& source, const std::string& target, const QuantizeOptions& options,
    const std::function<void(const QuantizedTensor&, const Progress&)>& report = {});

}  // namespace glassbox
