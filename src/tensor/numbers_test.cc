#include "tensor/numbers.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <vector>

#include "tensor/blocks.h"

namespace glassbox {
namespace {

// What a number's bits mean, by the conversion of one number.
float one(DType type, uint16_t bits) {
  switch (type) {
    case DType::f16:
      return f16_to_f32(bits);
    case DType::bf16:
      return bf16_to_f32(bits);
    case DType::f8_e4m3:
      return f8_e4m3_to_f32(static_cast<uint8_t>(bits));
    default:
      return f8_e5m2_to_f32(static_cast<uint8_t>(bits));
  }
}

// Lengths around a vector's and a piece's, and whole files' offsets, which may be odd.
TEST(Numbers, AnyLengthAtAnyAlignment) {
  for (const DType type : {DType::f16, DType::bf16, DType::f8_e4m3, DType::f8_e5m2}) {
    const size_t size = info(type).bytes;
    for (const int64_t count : {0, 1, 15, 16, 17, 1023, 1024, 1025, 2049})
      for (const size_t shift : {0, 1, 2, 3}) {
        std::vector<std::byte> bytes(shift + static_cast<size_t>(count) * size);
        const auto bits = [](int64_t i) { return static_cast<uint16_t>(i * 40503); };
        for (int64_t i = 0; i < count; ++i) {
          const uint16_t number = bits(i);
          std::memcpy(bytes.data() + shift + static_cast<size_t>(i) * size, &number, size);
        }
        std::vector<float> values(static_cast<size_t>(count) + 1, 5.0f);
        to_float(type, bytes.data() + shift, values.data(), count);
        for (int64_t i = 0; i < count; ++i) {
          const float want = one(type, bits(i)), got = values[static_cast<size_t>(i)];
          ASSERT_TRUE(std::bit_cast<uint32_t>(got) == std::bit_cast<uint32_t>(want) || (got != got && want != want))
              << info(type).name << " " << count << " at " << shift << ": " << i << ": " << got << ", not " << want;
        }
        ASSERT_EQ(values.back(), 5.0f);
      }
  }
}

}  // namespace
}  // namespace glassbox
