#include "kernels/ceilings.h"

#include <gtest/gtest.h>

#include <vector>

namespace glassbox {
namespace {

TEST(Ceilings, ArePlausible) {
  const MemoryCeiling memory(2, 64 << 20);
  EXPECT_EQ(memory.bytes(), 64 << 20);
  for (const Kernels* set : available_kernels()) {
    EXPECT_GT(fma_ceiling(*set, 1, 0.002), 1e6) << set->name;
    EXPECT_GT(int8_ceiling(*set, 1, 0.002), 1e6) << set->name;
    EXPECT_GT(memory.read_bandwidth(*set, 1), 1e6) << set->name;
    EXPECT_GT(bf16_ceiling(*set, 1, 0.002), 1e6) << set->name;
  }
}

TEST(Ceilings, CountWhatTheyDo) {
  std::vector<float> ones(64 * 9, 1.0f);
  for (const Kernels* set : available_kernels()) {
    EXPECT_EQ(set->read_memory(ones.data(), 64 * 9), 64 * 9) << set->name;  // every float was read
    EXPECT_EQ(set->burn_fma(20), 2 * set->burn_fma(10)) << set->name;
    EXPECT_EQ(set->burn_int8(20), 2 * set->burn_int8(10)) << set->name;
    EXPECT_EQ(set->burn_bf16 != nullptr, set->name == "amx");
    if (set->burn_bf16) { EXPECT_EQ(set->burn_bf16(20), 2 * set->burn_bf16(10)) << set->name; }
  }
}

}  // namespace
}  // namespace glassbox
