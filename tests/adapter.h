// An adapter to try things with.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "formats/safetensors.h"

namespace glassbox::testing {

// An adapter for glassbox/prism in PEFT's layout: what its first layer asks for, changed a little.
inline std::filesystem::path write_adapter(const std::filesystem::path& folder) {
  constexpr int64_t kRank = 2, kWidth = 256;
  std::filesystem::create_directories(folder);
  write_file(folder / "adapter_config.json",
             R"({"peft_type": "LORA", "r": 2, "lora_alpha": 64, "target_modules": ["q_proj"], "bias": "none"})");
  std::vector<float> numbers(static_cast<size_t>(kRank * kWidth));
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = 0.01f * static_cast<float>(i % 23) - 0.1f;
  const auto bytes = std::as_bytes(std::span(numbers));
  const std::string module = "base_model.model.model.layers.0.self_attn.q_proj.lora_";
  const std::string a = module + "A.weight", b = module + "B.weight";
  const std::vector<RawTensor> tensors = {{a, DType::f32, {kRank, kWidth}, bytes, nullptr},
                                          {b, DType::f32, {kWidth, kRank}, bytes, nullptr}};
  write_safetensors(folder / "adapter_model.safetensors", tensors);
  return folder;
}

}  // namespace glassbox::testing
