// What a GGUF file says of its quantization: general.file_type, a number for a mix of types (llama.h, llama_ftype).
#pragma once

#include <optional>
#include <string_view>

#include "formats/gguf.h"

namespace glassbox {

inline constexpr std::string_view kFileTypeKey = "general.file_type";

// "Q4_K_M", "IQ2_XXS", "BF16"; nothing where the file has no such key, or a number that has no name here.
std::optional<std::string_view> file_type_of(const Gguf& file);

std::optional<uint32_t> file_type_number(std::string_view name);  // nothing if no mix has this name

}  // namespace glassbox
