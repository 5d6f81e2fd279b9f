// A folder as published, while it is written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/output.h"
#include "convert/convert.h"
#include "formats/safetensors.h"

namespace glassbox {

// The folder is whole after commit(), and as it was before if there is none.
class CheckpointFolder {
 public:
  CheckpointFolder(const std::filesystem::path& target, const ConvertOptions& options);

  // In files of at most shard_bytes, but for a tensor that is larger: `write` is called for each tensor.
  void weights(const std::vector<TensorPlan>& plans,
               const std::function<void(const TensorPlan& plan, const AppendBytes& append)>& write);
  void put(const std::string& name, const std::string& text);
  Converted commit();

 private:
  std::filesystem::path file(const std::string& name);

  std::filesystem::path target_;
  uint64_t shard_bytes_;
  FolderWriter writer_;
  Converted result_;
};

const char* torch_name(DType dtype);  // of f32, f16 and bf16

}  // namespace glassbox
