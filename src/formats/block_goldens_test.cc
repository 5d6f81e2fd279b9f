// Blocks against the `gguf` package and llama.cpp: tests/reference/make_block_goldens.py. They lie with the floor that
// reads their files.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/safetensors.h"
#include "tensor/blocks.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using testing::fixture;

RawTensor golden(const char* file, const std::string& name) {
  const auto found = SafeTensors::open(fixture("blocks") / (std::string(file) + ".safetensors")).find(name);
  if (!found) throw std::runtime_error("no golden " + name);
  return *found;
}
std::vector<float> floats(const RawTensor& raw) {
  std::vector<float> values(raw.bytes.size() / sizeof(float));
  std::memcpy(values.data(), raw.bytes.data(), raw.bytes.size());
  return values;
}

// "", or the first value whose bits differ; any NaN equals any other.
std::string difference(const std::vector<float>& want, const std::vector<float>& got) {
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::isnan(want[i]) && std::isnan(got[i])) continue;
    if (std::memcmp(&want[i], &got[i], sizeof(float)) != 0)
      return fmt::format("at {}: expected {}, got {}", i, want[i], got[i]);
  }
  return "";
}

const DType kBlocks[] = {DType::q4_0, DType::q4_1,   DType::q5_0,   DType::q5_1, DType::q8_0,
                         DType::q2_k, DType::q3_k,   DType::q4_k,   DType::q5_k, DType::q6_k,
                         DType::q8_k, DType::iq4_nl, DType::iq4_xs, DType::mxfp4};

// Read and not written.
const DType kRead[] = {DType::iq1_s, DType::iq1_m, DType::iq2_xxs, DType::iq2_xs, DType::iq2_s, DType::iq3_xxs,
                       DType::iq3_s, DType::tq1_0, DType::tq2_0,   DType::nvfp4,  DType::q1_0,  DType::q2_0};

TEST(BlockGoldens, DequantizedAsTheReferenceDoes) {
  std::vector<std::pair<DType, const char*>> types;
  for (const DType type : kBlocks) types.emplace_back(type, "dequantized");
  for (const DType type : kRead) types.emplace_back(type, "read_only");
  for (const auto& [type, file] : types) {
    const std::string name(info(type).name);
    const RawTensor blocks = golden(file, name + ".blocks");
    const std::vector<float> want = floats(golden(file, name + ".values"));
    ASSERT_EQ(blocks.bytes.size() / info(type).bytes * info(type).block, want.size()) << name;
    std::vector<float> got(want.size());
    dequantize(type, blocks.bytes.data(), got.data(), static_cast<int64_t>(got.size()));
    EXPECT_EQ(difference(want, got), "") << name;
  }
}

TEST(BlockGoldens, NothingIsQuantizedToWhatIsOnlyRead) {
  ThreadPool pool(1);
  const std::vector<float> values(256);
  std::vector<uint8_t> blocks(1024);
  for (const DType type : kRead) try {
      quantize(pool, type, values.data(), 1, 256, nullptr, blocks.data());
      ADD_FAILURE() << info(type).name;
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), fmt::format("nothing is quantized to {}", info(type).name));
    }
}

TEST(BlockGoldens, EveryFloat8) {
  const auto e4m3 = floats(golden("dequantized", "F8_E4M3.values")),
             e5m2 = floats(golden("dequantized", "F8_E5M2.values"));
  std::vector<float> got4(256), got5(256);
  for (size_t i = 0; i < 256; ++i) {
    got4[i] = f8_e4m3_to_f32(static_cast<uint8_t>(i));
    got5[i] = f8_e5m2_to_f32(static_cast<uint8_t>(i));
  }
  EXPECT_EQ(difference(e4m3, got4), "");
  EXPECT_EQ(difference(e5m2, got5), "");
}

TEST(BlockGoldens, QuantizedAsLlamaCppDoes) {
  ThreadPool pool(2);
  const RawTensor rows = golden("quantized", "rows");
  const std::vector<float> values = floats(rows), importance = floats(golden("quantized", "importance"));
  const int64_t count = rows.shape[0], width = rows.shape[1];
  for (const DType type : kBlocks) {
    for (const bool weighted : {false, true}) {
      const std::string name = std::string(info(type).name) + (weighted ? ".weighted" : "");
      const bool ignores = type == DType::q8_0 || type == DType::q8_k || type == DType::mxfp4;
      const RawTensor want = golden("quantized", ignores ? std::string(info(type).name) : name);
      std::vector<uint8_t> got(want.bytes.size(), 0xee);
      quantize(pool, type, values.data(), count, width, weighted ? importance.data() : nullptr, got.data());
      const int64_t row_bytes = want.shape[1];
      for (int64_t r = 0; r < count; ++r)
        EXPECT_EQ(
            std::memcmp(got.data() + r * row_bytes, want.bytes.data() + r * row_bytes, static_cast<size_t>(row_bytes)),
            0)
            << name << " row " << r;
    }
  }
}

// Squares that overflow, and what is no number at all.
TEST(BlockGoldens, ExtremesEndAndAreNamed) {
  ThreadPool pool(2);
  std::vector<float> values(512);
  for (size_t i = 0; i < values.size(); ++i) values[i] = (static_cast<float>(i % 17) - 8) * 1e37f;
  const std::vector<float> importance(256, 1e30f);
  std::vector<uint8_t> blocks(2 * 292);
  for (const DType type : kBlocks) {
    quantize(pool, type, values.data(), 2, 256, nullptr, blocks.data());
    quantize(pool, type, values.data(), 2, 256, importance.data(), blocks.data());
    for (const float bad : {INFINITY, std::nanf("")}) {
      std::vector<float> spoilt = values;
      spoilt[300] = bad;
      try {
        quantize(pool, type, spoilt.data(), 2, 256, nullptr, blocks.data());
        ADD_FAILURE() << info(type).name;
      } catch (const Error& error) { EXPECT_THAT(error.what(), ::testing::HasSubstr("row 1: infinite")); }
    }
  }
}

TEST(BlockGoldens, TypesThatFit) {
  EXPECT_EQ(fitting_type(DType::q4_k, 512), DType::q4_k);
  EXPECT_EQ(fitting_type(DType::q4_k, 576), DType::q5_0);
  EXPECT_EQ(fitting_type(DType::q5_k, 576), DType::q5_1);
  EXPECT_EQ(fitting_type(DType::q6_k, 576), DType::q8_0);
  EXPECT_EQ(fitting_type(DType::q3_k, 576), DType::q4_0);
  EXPECT_EQ(fitting_type(DType::iq4_xs, 576), DType::iq4_nl);
  EXPECT_EQ(fitting_type(DType::iq4_xs, 48), DType::f16);
  EXPECT_EQ(fitting_type(DType::q4_0, 48), DType::f16);
  EXPECT_EQ(fitting_type(DType::bf16, 7), DType::bf16);
}

// Halves as hardware and compilers know them.
TEST(BlockGoldens, Halves) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float want = static_cast<float>(__builtin_bit_cast(_Float16, static_cast<uint16_t>(bits)));
    const float got = f16_to_f32(static_cast<uint16_t>(bits));
    ASSERT_TRUE(std::memcmp(&want, &got, sizeof got) == 0 || (std::isnan(want) && std::isnan(got))) << bits;
  }
  uint32_t state = 1;
  for (int i = 0; i < 2'000'000; ++i) {
    state = state * 1664525u + 1013904223u;
    // All of float32, and mostly what is near float16's range.
    const uint32_t bits = i % 4 ? (state & 0x8fffffffu) + 0x30000000u + (state >> 3 & 0x10000000u) : state;
    const float value = __builtin_bit_cast(float, bits);
    if (std::isnan(value)) continue;
    ASSERT_EQ(f32_to_f16(value), __builtin_bit_cast(uint16_t, static_cast<_Float16>(value))) << value;
  }
  EXPECT_EQ(f32_to_f16(65519.9f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(std::nanf("")) & 0x7fff, 0x7e00);
}

}  // namespace
}  // namespace glassbox
