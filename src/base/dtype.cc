#include "base/dtype.h"

#include <array>

namespace glassbox {
namespace {

constexpr std::array<DTypeInfo, 16> kTypes = {{{"F32", 1, 4},
                                               {"F16", 1, 2},
                                               {"BF16", 1, 2},
                                               {"F64", 1, 8},
                                               {"I64", 1, 8},
                                               {"I32", 1, 4},
                                               {"I16", 1, 2},
                                               {"I8", 1, 1},
                                               {"U8", 1, 1},
                                               {"BOOL", 1, 1},
                                               {"U16", 1, 2},
                                               {"U32", 1, 4},
                                               {"U64", 1, 8},
                                               {"F8_E4M3", 1, 1},
                                               {"F8_E5M2", 1, 1},
                                               {"F8_E8M0", 1, 1}}};

}  // namespace

const DTypeInfo& info(DType type) { return kTypes[static_cast<size_t>(type)]; }

std::optional<DType> dtype_named(std::string_view name) {
  if (name == "f32" || name == "float32") return DType::f32;
  if (name == "f16" || name == "float16") return DType::f16;
  if (name == "bf16" || name == "bfloat16") return DType::bf16;
  for (size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace glassbox
