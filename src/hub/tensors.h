// The tensors of a repository's safetensors files, by their headers: names and places of strangers, checked.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "hub/contents.h"
#include "hub/repository.h"

namespace glassbox::hub {

struct TensorPlace {
  std::string dtype;           // as the file says: "BF16"
  std::vector<int64_t> shape;  // none negative; their product fits
  Sha256 file;
  uint64_t begin = 0, end = 0;  // of its bytes in the file
  int64_t elements() const { return glassbox::elements(shape); }
};
using Tensors = std::map<std::string, TensorPlace>;  // by name

// Of one file; nothing where its header is none, or says what the file has not.
std::optional<Tensors> tensors_in(const Contents& contents, const Entry& file);
// Of all safetensors files in the outermost folder, those of adapters too. A name that two have is the later one's.
Tensors tensors_of(const Contents& contents, const std::vector<Entry>& files);

}  // namespace glassbox::hub
