// A GGUF file cut into parts, as llama.cpp's gguf-split cuts it.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <vector>

#include "formats/gguf.h"

namespace glassbox::testing {

// FOLDER/PREFIX-00001-of-0000N.gguf and so on: the metadata in the first, `tensors[i]` of the file's tensors in part i,
// the rest in the last.
inline std::vector<std::filesystem::path> cut_gguf(const Gguf& file, const std::filesystem::path& folder,
                                                   const std::string& prefix, const std::vector<size_t>& tensors) {
  std::vector<std::filesystem::path> parts;
  size_t next = 0;
  for (size_t p = 0; p < tensors.size(); ++p) {
    std::vector<GgufEntry> metadata = p == 0 ? file.metadata() : std::vector<GgufEntry>();
    metadata.push_back({"split.no", GgufValue::of(static_cast<uint16_t>(p))});
    metadata.push_back({"split.count", GgufValue::of(static_cast<uint16_t>(tensors.size()))});
    metadata.push_back({"split.tensors.count", GgufValue::of(static_cast<int32_t>(file.tensors().size()))});
    const size_t first = next, end = p + 1 == tensors.size() ? file.tensors().size() : first + tensors[p];
    std::vector<TensorPlan> plans;
    for (; next < end; ++next)
      plans.push_back({file.tensors()[next].name, file.tensors()[next].dtype, file.tensors()[next].shape});
    parts.push_back(folder / fmt::format("{}-{:05}-of-{:05}.gguf", prefix, p + 1, tensors.size()));
    write_gguf(parts.back(), metadata, plans, [&](size_t i, const AppendBytes& append) {
      append(file.tensor(file.tensors()[first + i].name)->bytes);
    });
  }
  return parts;
}

}  // namespace glassbox::testing
