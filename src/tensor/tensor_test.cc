// Views of tensors: where their bytes, gradients and scales lie.
#include "tensor/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "base/error.h"

namespace glassbox {
namespace {

TEST(DTypes, NamesAndSizes) {
  EXPECT_EQ(dtype_named("q4_k"), DType::q4_k);
  EXPECT_EQ(dtype_named("IQ4_XS"), DType::iq4_xs);
  EXPECT_EQ(dtype_named("mxfp4"), DType::mxfp4);
  EXPECT_EQ(dtype_named("bfloat16"), DType::bf16);
  EXPECT_FALSE(dtype_named("q4"));
  for (int i = 0; i <= static_cast<int>(DType::i4); ++i) {
    const auto type = static_cast<DType>(i);
    EXPECT_EQ(dtype_named(info(type).name), type);
    EXPECT_EQ(is_blocks(type), info(type).block >= 32) << info(type).name;
  }
}

TEST(DTypes, RowsAreWholeBlocks) {
  const auto bytes = [](DType type, std::vector<int64_t> shape) { return tensor_bytes(type, shape); };
  EXPECT_EQ(bytes(DType::q4_0, {3, 64}), 3u * 2 * 18);
  EXPECT_EQ(bytes(DType::q6_k, {2, 5, 512}), 2u * 5 * 2 * 210);
  EXPECT_EQ(bytes(DType::q4_0, {64, 16}), std::nullopt);  // as many values, but no row is a block
  EXPECT_EQ(bytes(DType::q4_k, {8, 32}), std::nullopt);
  EXPECT_EQ(bytes(DType::q4_0, {}), std::nullopt);
  EXPECT_EQ(bytes(DType::f4_e2m1, {2, 3}), std::nullopt);
  EXPECT_EQ(bytes(DType::f32, {}), 4u);
  EXPECT_EQ(bytes(DType::q4_0, {0, 64}), 0u);
  EXPECT_EQ(bytes(DType::q4_0, {-1, 32}), std::nullopt);
  EXPECT_EQ(bytes(DType::q8_k, {int64_t{1} << 62, 256}), std::nullopt);  // values overflow
  EXPECT_EQ(bytes(DType::q8_k, {int64_t{1} << 55, 256}), (uint64_t{1} << 55) * 292);
  EXPECT_EQ(bytes(DType::q5_1, {0, 33}), std::nullopt);
}

TEST(Tensors, SlicesAreViews) {
  std::vector<float> values(2 * 3 * 4), sums(values.size());
  std::iota(values.begin(), values.end(), 0.0f);
  auto gradient = std::make_shared<Gradient>();
  gradient->memory = {std::shared_ptr<void>(), sums.data()};
  gradient->size = static_cast<int64_t>(sums.size());
  const Tensor stack = Tensor({2, 3, 4}, DType::f32, nullptr, values.data()).opened(gradient);
  const Tensor matrix = stack.select(1), row = matrix.select(2);
  EXPECT_EQ(matrix.shape(), (Shape{3, 4}));
  EXPECT_EQ(matrix.f32(), values.data() + 12);
  EXPECT_EQ(matrix.gradient()->sum(), sums.data() + 12);
  EXPECT_EQ(matrix.gradient()->size, 12);
  EXPECT_EQ(row.f32(), values.data() + 20);
  EXPECT_EQ(row.gradient()->sum(), sums.data() + 20);
  EXPECT_THROW(stack.select(2), std::logic_error);
  EXPECT_THROW(row.select(0), std::logic_error);
}

TEST(Tensors, SlicesOfBlocksAndScales) {
  std::vector<uint8_t> bytes(4096);
  const Tensor blocks({2, 3, 64}, DType::q4_0, nullptr, bytes.data());
  EXPECT_EQ(blocks.select(1).data<uint8_t>(), bytes.data() + 3 * 2 * 18);
  EXPECT_EQ(blocks.select(1).select(2).data<uint8_t>(), bytes.data() + 5 * 2 * 18);
  EXPECT_EQ(blocks.select(1).bytes(), 3u * 2 * 18);

  // Scales of 2 x 16 weights for matrices of 5 x 40: grids of 3 x 3.
  std::vector<float> scales(2 * 9);
  const Tensor scaled =
      Tensor({2, 5, 40}, DType::f8_e4m3, nullptr, bytes.data()).with({DType::f32, 2, 16, nullptr, scales.data()});
  const Tensor matrix = scaled.select(1);
  EXPECT_EQ(matrix.data<uint8_t>(), bytes.data() + 200);
  EXPECT_EQ(matrix.scales()->data, scales.data() + 9);
  EXPECT_EQ(matrix.select(3).scales()->data, scales.data() + 9 + 3);
  EXPECT_EQ(scaled.scales()->data, scales.data());
  EXPECT_THROW(scaled.reshaped({2, 200}), std::logic_error);
  EXPECT_THROW(scaled.reshaped({10, 40}), std::logic_error);  // its blocks of two rows begin anew in each matrix
  EXPECT_EQ(scaled.reshaped({1, 2, 5, 40}).rows(), 10);

  auto gradient = std::make_shared<Gradient>();
  std::vector<float> sums(2 * 3 * 64);
  gradient->memory = {std::shared_ptr<void>(), sums.data()};
  gradient->size = static_cast<int64_t>(sums.size());
  EXPECT_THROW(blocks.opened(gradient), Error);
}

}  // namespace
}  // namespace glassbox
