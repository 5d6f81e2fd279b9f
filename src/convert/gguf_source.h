// A model as the GGUF file of it, whatever it is stored as: its plan, and rows of numbers that are read, never held
// whole.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "convert/gguf_rows.h"
#include "formats/file_set.h"

namespace glassbox {

struct GgufSource {
  std::string name;                 // for people: general.name, or the folder's name
  std::vector<GgufEntry> metadata;  // without general.file_type
  std::vector<TensorPlan> tensors;  // dtype: as stored; in llama.cpp's order
  GgufRows rows;                    // of each tensor

  // A .gguf file as it is; a published model with its tokenizer and card. Throws as the readers of both, and as
  // plan_of_checkpoint().
  static GgufSource open(const FileSet& files, std::span<const std::string> ignore_keys = {});
};

}  // namespace glassbox
