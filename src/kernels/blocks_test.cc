// Products with weights in blocks, of every type: every set against the plain one, bit for bit, for few tokens and for
// the many that tiles take, with rows and outputs left over and with the largest integers a format has.
#include <fmt/format.h>

#include <algorithm>

#include "kernels/kernels_testing.h"

namespace glassbox {
namespace {

using testing::BlockFormat;
using testing::expect_same;
using testing::kBlockFormats;
using testing::Numbers;

struct Matrix {
  std::vector<uint8_t> bytes, scales;
  BlockMatrix view;
};

// How a matrix's bytes are made: any, or all bits set or clear in whole blocks, which takes scales of parts, weights
// and minimums to both ends of what they can be.
enum class Bytes { any, extreme };

Matrix random_matrix(const BlockFormat& format, int64_t n, int64_t k, Bytes kind, Numbers& numbers) {
  const auto type = info(format.type);
  const auto row = static_cast<int64_t>(static_cast<size_t>(k) / type.block * type.bytes);
  Matrix m;
  m.bytes.resize(static_cast<size_t>(n * row));
  for (size_t block = 0; block < m.bytes.size(); block += type.bytes) {
    const auto fill = static_cast<uint8_t>(numbers.below(2) ? 255 : 0);
    const bool alternating = numbers.below(2);
    uint8_t* const at = m.bytes.data() + block;
    for (size_t i = 0; i < type.bytes; ++i)
      at[i] = kind == Bytes::any ? static_cast<uint8_t>(numbers.bits())
                                 : static_cast<uint8_t>(alternating && i % 3 ? ~fill : fill);
    // No scale is infinite or NaN: what those become is no product's affair. Denormals and both signs are there.
    for (const size_t half : format.halves) at[half + 1] = static_cast<uint8_t>(numbers.bits() & 0xbb);
    if (format.type == DType::q8_k) {
      const float scale = numbers.uniform(-2, 2);
      std::memcpy(at, &scale, sizeof scale);
    }
    if (format.type == DType::iq1_m) at[55] &= 0xbf;
    if (format.type == DType::mxfp4 && *at > 150) *at = 150;
    if (format.type == DType::i4) at[2] = static_cast<uint8_t>(numbers.below(17));
  }
  m.view = {format.type, m.bytes.data(), row};
  if (format.type == DType::f4_e2m1) {
    m.scales.resize(static_cast<size_t>(n * k / 32));
    for (uint8_t& e : m.scales) e = static_cast<uint8_t>(numbers.below(150));
    m.view.scales = m.scales.data();
    m.view.scales_row = k / 32;
  }
  return m;
}

// Activations: ordinary rows, rows of which each value is the largest, and rows of a few huge or tiny blocks.
std::vector<uint8_t> random_rows(int64_t m, int64_t k, int64_t block, int64_t ld, Numbers& numbers) {
  std::vector<uint8_t> rows(static_cast<size_t>(m * ld));
  std::vector<float> x(static_cast<size_t>(k));
  for (int64_t r = 0; r < m; ++r) {
    const auto kind = numbers.below(4);
    const float sign = numbers.below(2) ? 1.0f : -1.0f;
    for (float& v : x) v = kind == 0 ? sign : numbers.rough();
    if (kind == 1)
      for (int64_t i = 0; i < std::min<int64_t>(k, 300); ++i) x[static_cast<size_t>(i)] *= i < 100 ? 1e20f : 1e-20f;
    testing::plain().to_blocks(x.data(), k, block, rows.data() + r * ld);
  }
  return rows;
}

void compare(const BlockFormat& format, int64_t m, int64_t n, int64_t k, Bytes kind, Numbers& numbers) {
  const int64_t block = activation_block(format.type), ldx = activation_bytes(k, block) + 4, ldy = n + 3;
  const Matrix w = random_matrix(format, n, k, kind, numbers);
  const auto x = random_rows(m, k, block, ldx, numbers);
  const auto y = numbers.floats(m * ldy + 20);
  expect_same(fmt::format("{} m={} n={} k={}", info(format.type).name, m, n, k), y,
              [&](const Kernels& s, std::vector<float>& out) {
                s.matmul_blocks(x.data(), ldx, w.view, out.data(), ldy, m, n, k);
              });
}

TEST(Blocks, EveryTypeAndSize) {
  Numbers numbers(31);
  for (const BlockFormat& format : kBlockFormats) {
    const auto unit = std::max<int64_t>(static_cast<int64_t>(info(format.type).block), 32);
    for (const int64_t m : {0, 1, 7, 16, 17, 24, 25, 31, 32, 33, 100})
      for (const int64_t n : {1, 16, 17, 33, 50})
        compare(format, m, n, unit * (1 + numbers.below(3)), Bytes::any, numbers);
    compare(format, 3, 5, 0, Bytes::any, numbers);
    compare(format, 40, 5, 0, Bytes::any, numbers);
  }
}

// More tokens than pass by a panel, more inputs than are kept together.
TEST(Blocks, ManyTokensAndInputs) {
  Numbers numbers(32);
  for (const BlockFormat& format : kBlockFormats) {
    const auto unit = std::max<int64_t>(static_cast<int64_t>(info(format.type).block), 32);
    compare(format, 600, 33, unit, Bytes::any, numbers);
    compare(format, 35, 35, 2048 / unit * unit + 3 * unit, Bytes::any, numbers);
  }
}

// Up to four tokens meet weights as they are unpacked, sixteen outputs at once: the last of them may be taken twice.
TEST(Blocks, FewTokens) {
  Numbers numbers(34);
  for (const BlockFormat& format : kBlockFormats) {
    const auto unit = std::max<int64_t>(static_cast<int64_t>(info(format.type).block), 32);
    for (const int64_t m : {1, 2, 3, 4, 5})
      for (const int64_t n : {15, 16, 17, 31, 32, 47})
        for (const int64_t blocks : {1, 4, 6, 9}) compare(format, m, n, unit * blocks, Bytes::any, numbers);
    for (const int64_t m : {1, 3, 4}) compare(format, m, 40, 3 * unit, Bytes::extreme, numbers);
  }
}

TEST(Blocks, LargestIntegers) {
  Numbers numbers(33);
  for (const BlockFormat& format : kBlockFormats) {
    const auto unit = std::max<int64_t>(static_cast<int64_t>(info(format.type).block), 32);
    for (const int64_t m : {2, 20, 48}) compare(format, m, 40, 3 * unit, Bytes::extreme, numbers);
  }
}

}  // namespace
}  // namespace glassbox
