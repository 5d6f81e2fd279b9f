// What a GGUF file of a model holds, without its numbers: names, shapes, metadata, and where each tensor's rows lie.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "convert/gguf_rows.h"
#include "convert/stored_weights.h"
#include "formats/gguf.h"

namespace glassbox {

struct GgufPlan {
  std::vector<GgufEntry> metadata;   // without general.file_type
  std::vector<TensorPlan> tensors;   // dtype: as stored; in llama.cpp's order
  std::vector<GgufTensorRows> rows;  // of each
  int64_t vocabulary = 0;            // of a checkpoint's: rows of its embedding
};

// A file as it is. Throws Error(bad_file | unsupported) where its family is not known or not whole.
GgufPlan plan_of_file(const Gguf& file);

// A checkpoint as GGUF has it, but for its name, tokenizer and card: weights in FP8 or int4 as bf16, MXFP4 as GGUF's
// own. `where` names the configuration in errors. Throws Error(unsupported) naming a key of config.json or a tensor
// that neither GGUF nor a key of ours beside its own (formats/gguf_config.h) can express; `ignore_keys` lets such keys
// pass.
GgufPlan plan_of_checkpoint(const StoredWeights& stored, const Json& config, const std::string& where,
                            std::span<const std::string> ignore_keys);

}  // namespace glassbox
