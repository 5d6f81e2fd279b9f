// A model in another format or dtype: a folder of safetensors or a GGUF file, to either.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace glassbox {

struct ConvertOptions {
  std::optional<DType> dtype;  // of matrices: f32, f16 or bf16; absent: as they are, GGUF's blocks as f32, FP8 and int4
                               // as bf16, published MXFP4 as GGUF's and back
  uint64_t shard_bytes = 5'000'000'000;
  std::vector<std::string> ignore_keys;  // of config.json, that GGUF cannot express
  bool force = false;                    // replace what is there
};

struct Progress {
  std::string tensor;
  uint64_t done = 0, total = 0;  // bytes written
};

struct Converted {
  uint64_t tensors = 0, bytes = 0;
  std::vector<std::string> files;
};

// `source`: a folder as published, the shipped model's name, or a .gguf file; `target`: a name that ends in .gguf, or a
// folder that is made. A published model's card (README.md) goes into the file and comes back out of it; where numbers
// are quantized it says of which model. Numbers that keep their dtype keep their bits; vectors and routers are float32
// in GGUF, as llama.cpp wants them, and take the matrices' dtype in a checkpoint where that loses nothing. From a
// folder to a folder, without a dtype, tensors stay as they are stored; with one all weights take it, whatever they
// were packed as, and config.json says so; every other file goes along. Works row by row: holds less than the largest
// tensor. Throws as the readers and writers of both; Error(bad_request) where the target is the source, holds it or is
// there already (`force` replaces it: files of a folder that are no model's stay); and Error(unsupported) naming what
// the target's format cannot hold, or a number that the dtype cannot. The target is whole or as it was before.
Converted convert(const std::string& source, const std::string& target, const ConvertOptions& options,
                  const std::function<void(const Progress&)>& progress = {});

// Which keys of config.json only Glassbox finds in a model that was written (formats/gguf_config.h): others compute
// without them. None for a folder.
std::vector<std::string> beyond_gguf(const std::string& target);

}  // namespace glassbox
