#include "base/dtype.h"

#include <array>
#include <string>

namespace glassbox {
namespace {

constexpr std::array<DTypeInfo, 44> kTypes = {
    {{"F32", 1, 4},      {"F16", 1, 2},        {"BF16", 1, 2},      {"F64", 1, 8},        {"I64", 1, 8},
     {"I32", 1, 4},      {"I16", 1, 2},        {"I8", 1, 1},        {"U8", 1, 1},         {"BOOL", 1, 1},
     {"U16", 1, 2},      {"U32", 1, 4},        {"U64", 1, 8},       {"F8_E4M3", 1, 1},    {"F8_E5M2", 1, 1},
     {"F8_E8M0", 1, 1},  {"F4", 2, 1},         {"Q4_0", 32, 18},    {"Q4_1", 32, 20},     {"Q5_0", 32, 22},
     {"Q5_1", 32, 24},   {"Q8_0", 32, 34},     {"Q2_K", 256, 84},   {"Q3_K", 256, 110},   {"Q4_K", 256, 144},
     {"Q5_K", 256, 176}, {"Q6_K", 256, 210},   {"Q8_K", 256, 292},  {"IQ4_NL", 32, 18},   {"IQ4_XS", 256, 136},
     {"MXFP4", 32, 17},  {"IQ1_S", 256, 50},   {"IQ1_M", 256, 56},  {"IQ2_XXS", 256, 66}, {"IQ2_XS", 256, 74},
     {"IQ2_S", 256, 82}, {"IQ3_XXS", 256, 98}, {"IQ3_S", 256, 110}, {"TQ1_0", 256, 54},   {"TQ2_0", 256, 66},
     {"NVFP4", 64, 36},  {"Q1_0", 128, 18},    {"Q2_0", 64, 18},    {"I4", 32, 20}}};

}  // namespace

const DTypeInfo& info(DType type) { return kTypes[static_cast<size_t>(type)]; }

std::optional<DType> dtype_named(std::string_view name) {
  std::string upper(name);
  for (char& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  if (upper == "FLOAT32") return DType::f32;
  if (upper == "FLOAT16") return DType::f16;
  if (upper == "BFLOAT16") return DType::bf16;
  for (size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].name == upper) return static_cast<DType>(i);
  return std::nullopt;
}

int64_t elements(std::span<const int64_t> shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

std::optional<uint64_t> tensor_bytes(DType dtype, std::span<const int64_t> shape) {
  uint64_t values = 1;
  for (const int64_t dimension : shape)
    if (dimension < 0 || __builtin_mul_overflow(values, static_cast<uint64_t>(dimension), &values)) return std::nullopt;
  const DTypeInfo& type = info(dtype);
  if (type.block > 1 && (shape.empty() || static_cast<uint64_t>(shape.back()) % type.block != 0)) return std::nullopt;
  uint64_t bytes;
  if (__builtin_mul_overflow(values / type.block, uint64_t{type.bytes}, &bytes)) return std::nullopt;
  return bytes;
}

}  // namespace glassbox
