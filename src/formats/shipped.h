// The models that Glassbox ships: files of a published folder, inside the binary.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace glassbox {

struct ShippedFile {
  std::string_view name, bytes;
};

struct ShippedModel {
  std::string_view name;                                                                         // "glassbox/prism"
  std::string_view config, generation_config, tokenizer, tokenizer_config, chat_template, card;  // as the files are
  std::string_view loss;               // loss.json of the run that trained it
  std::span<const std::byte> weights;  // model.safetensors
  std::vector<ShippedFile> making;     // its recipe, and the generator of its data
};

std::optional<ShippedModel> shipped_model(std::string_view name);
std::vector<std::string_view> shipped_models();

}  // namespace glassbox
