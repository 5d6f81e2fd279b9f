// Products with weights in blocks: against exact arithmetic, and bit for bit between kernel sets, tiles and batches.
#include "tensor/product.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "kernels/kernels_testing.h"
#include "tensor/blocks.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

using testing::BlockFormat;
using testing::kBlockFormats;

// Any bytes are a block, but for scales that are no numbers.
Tensor random_weight(const BlockFormat& format, int64_t n, int64_t k, uint64_t key) {
  const auto type = info(format.type);
  const auto size = static_cast<size_t>(n * k) / type.block * type.bytes;
  auto memory = std::make_shared<std::vector<uint8_t>>(size);
  for (size_t i = 0; i < size; ++i) (*memory)[i] = static_cast<uint8_t>(philox(key, i)[0]);
  // Scales of parts and levels of grids reach some hundreds together.
  const float most = format.type >= DType::iq1_s && format.type <= DType::iq3_s ? 0.001f : 0.1f;
  for (size_t block = 0; block < size; block += type.bytes) {
    uint8_t* at = memory->data() + block;
    for (const size_t half : format.halves) {
      uint16_t bits = f32_to_f16((uniform(key + 1, block + half) - 0.3f) * most);
      if (block / type.bytes % 13 == 0) bits &= 0x83ff;  // subnormal, or a zero
      std::memcpy(at + half, &bits, sizeof bits);
    }
    if (format.type == DType::q8_k) {
      const float scale = uniform(key + 1, block) * 0.01f;
      std::memcpy(at, &scale, sizeof scale);
    }
    if (format.type == DType::iq1_m) {  // four bits of a float16 above the scales of each four parts
      const uint16_t bits = f32_to_f16((uniform(key + 1, block) - 0.3f) * most);
      for (int i = 0; i < 4; ++i) at[49 + 2 * i] = static_cast<uint8_t>((at[49 + 2 * i] & 15) | bits >> (4 * i) << 4);
    }
    if (format.type == DType::mxfp4)  // and 2^-127, whose half flushes to zero
      *at = static_cast<uint8_t>(block / type.bytes % 13 == 0 ? 0 : 118 + *at % 12);
    if (format.type == DType::i4) at[2] &= 15;
  }
  Tensor w({n, k}, format.type, memory, memory->data());
  if (format.type != DType::f4_e2m1) return w;
  auto scales = std::make_shared<std::vector<uint8_t>>(static_cast<size_t>(n * k / 32));
  for (size_t i = 0; i < scales->size(); ++i)
    (*scales)[i] = static_cast<uint8_t>(i % 13 == 0 ? 0 : 118 + philox(key + 1, i)[0] % 12);
  const void* data = scales->data();
  return w.with({DType::f8_e8m0, 1, 32, std::move(scales), data});
}

Tensor random_rows(Pass& pass, int64_t rows, int64_t k, uint64_t key) {
  Tensor x = pass.empty({rows, k});
  for (int64_t i = 0; i < rows * k; ++i)
    Pass::mutable_f32(x)[i] = (uniform(key, static_cast<uint64_t>(i)) - 0.4f) * (i % 57 == 0 ? 8.0f : 1.0f);
  if (rows > 0) std::fill_n(Pass::mutable_f32(x), std::min<int64_t>(k, 32), 0.0f);  // a block of nothing
  return x;
}

// What an int8 activation row means: DESIGN's definition, written again.
std::vector<float> seen(const float* x, int64_t k, int64_t block) {
  std::vector<float> y(static_cast<size_t>(k));
  for (int64_t from = 0; from < k; from += block) {
    float most = 0;
    for (int64_t i = from; i < from + block; ++i) most = std::max(most, std::abs(x[i]));
    for (int64_t i = from; i < from + block && most > 0; ++i)
      y[static_cast<size_t>(i)] = std::nearbyint(x[i] * (127 / most)) * (most / 127);
  }
  return y;
}

std::vector<float> all_of(const Tensor& t) { return {t.values().begin(), t.values().end()}; }

class Sets {
 public:
  Sets() : before_(kernels()) {}
  ~Sets() { use_kernels(before_); }

 private:
  const Kernels& before_;
};

TEST(BlockProducts, AreThoseOfTheValues) {
  Workspace workspace(2);
  for (const BlockFormat& format : kBlockFormats) {
    const auto block = static_cast<int64_t>(info(format.type).block);
    const int64_t k = block > 32 ? 3 * block : 416, n = 37, rows = 9;
    Pass pass(workspace);
    const Tensor w = random_weight(format, n, k, 7), x = random_rows(pass, rows, k, 8);
    std::vector<float> values(static_cast<size_t>(n * k));
    widen(w, 0, n, values.data());
    const Tensor y = matmul(x, w);
    double largest_error = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const auto row = seen(x.f32() + r * k, k, activation_block(format.type));
      for (int64_t o = 0; o < n; ++o) {
        double sum = 0, size = 0;
        for (int64_t i = 0; i < k; ++i) {
          const double term = static_cast<double>(row[static_cast<size_t>(i)]) * values[static_cast<size_t>(o * k + i)];
          sum += term;
          size += std::abs(term);
        }
        largest_error = std::max(largest_error, std::abs(y.f32()[r * n + o] - sum) / (size + 1e-30));
      }
    }
    EXPECT_LT(largest_error, 1e-6) << info(format.type).name;
  }
}

TEST(BlockProducts, KeepTheirBitsInEverySetTileAndBatch) {
  const Sets restore;
  Workspace workspace(2);
  for (const BlockFormat& format : kBlockFormats) {
    const auto block = std::max<int64_t>(32, static_cast<int64_t>(info(format.type).block));
    for (const int64_t blocks : {1, 3, 35}) {
      const int64_t k = block * blocks, n = 50, rows = 15;
      if (block == 256 && blocks == 35) continue;
      std::vector<float> want;
      for (const Kernels* set : available_kernels()) {
        use_kernels(*set);
        Pass pass(workspace);
        const Tensor w = random_weight(format, n, k, 17), x = random_rows(pass, rows, k, 18);
        const std::vector<float> got = all_of(matmul(x, w));
        const auto where = fmt::format("{} k={} {}", info(format.type).name, k, set->name);
        if (want.empty()) want = got;
        ASSERT_EQ(std::memcmp(want.data(), got.data(), got.size() * sizeof(float)), 0) << where;
        // Some rows, some outputs: the same values.
        const MatmulInput entered_x = prepare_input(x, w);
        for (const auto& [row, count] :
             std::vector<std::pair<int64_t, int64_t>>{{0, 1}, {3, 2}, {2, 3}, {8, 4}, {9, 5}, {14, 1}, {5, 7}})
          for (const auto& [output, outputs] :
               std::vector<std::pair<int64_t, int64_t>>{{0, 1}, {7, 16}, {33, 17}, {1, 49}}) {
            std::vector<float> part(static_cast<size_t>(count * outputs + 1), -77.0f);
            product(entered_x, row, count, w, output, outputs, part.data(), outputs);
            for (int64_t r = 0; r < count; ++r)
              ASSERT_EQ(std::memcmp(part.data() + r * outputs, want.data() + (row + r) * n + output,
                                    static_cast<size_t>(outputs) * sizeof(float)),
                        0)
                  << where << " rows " << row << "+" << count << " outputs " << output << "+" << outputs;
            ASSERT_EQ(part.back(), -77.0f) << where;
          }
      }
    }
  }
}

TEST(BlockProducts, ManyRowsAreTheSameAsOne) {
  Workspace workspace(2);
  for (const DType type : {DType::q4_0, DType::q5_1, DType::q4_k, DType::i4}) {
    const BlockFormat& format =
        *std::find_if(kBlockFormats.begin(), kBlockFormats.end(), [&](const BlockFormat& f) { return f.type == type; });
    const int64_t k = 512, n = 33, rows = 1030;  // past the rows that a panel serves at once
    Pass pass(workspace);
    const Tensor w = random_weight(format, n, k, 27), x = random_rows(pass, rows, k, 28);
    const Tensor y = matmul(x, w);
    const MatmulInput one = prepare_input(x, w);
    for (const int64_t row : {0, 511, 512, 1029}) {
      std::vector<float> alone(static_cast<size_t>(n));
      product(one, row, 1, w, 0, n, alone.data(), n);
      EXPECT_EQ(std::memcmp(alone.data(), y.f32() + row * n, alone.size() * sizeof(float)), 0) << row;
    }
  }
}

TEST(BlockProducts, ActivationsThatAreNoNumbersSpoilTheirRowAlone) {
  const Sets restore;
  Workspace workspace(1);
  for (const Kernels* set : available_kernels()) {
    use_kernels(*set);
    for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
      Pass pass(workspace);
      const Tensor w = random_weight(kBlockFormats[0], 20, 64, 3);
      Tensor x = random_rows(pass, 3, 64, 4);
      Pass::mutable_f32(x)[64 + 40] = bad;
      const Tensor y = matmul(x, w);
      for (int64_t o = 0; o < 20; ++o) {
        EXPECT_TRUE(std::isfinite(y.f32()[o]));
        EXPECT_TRUE(std::isnan(y.f32()[20 + o])) << set->name;
        EXPECT_TRUE(std::isfinite(y.f32()[40 + o]));
      }
    }
    Pass pass(workspace);  // too small to matter, too large to be ignored by a division
    Tensor x = pass.empty({1, 32});
    std::fill_n(Pass::mutable_f32(x), 32, 1e-37f);
    EXPECT_EQ(matmul(x, random_weight(kBlockFormats[0], 1, 32, 5)).f32()[0], 0.0f);
  }
}

// FP8 with scales of 32 x 64 weights, of each output, of all, and without.
Tensor random_f8(DType type, int64_t n, int64_t k, int64_t rows, int64_t columns, uint64_t key) {
  auto memory = std::make_shared<std::vector<uint8_t>>(static_cast<size_t>(n * k));
  for (size_t i = 0; i < memory->size(); ++i) {
    auto& byte = (*memory)[i] = static_cast<uint8_t>(philox(key, i)[0]);
    if (type == DType::f8_e4m3 ? (byte & 127) == 127 : (byte & 127) >= 112) byte = 0x2c;  // no NaN, none beyond 2^13
  }
  Tensor w({n, k}, type, memory, memory->data());
  if (rows == 0) return w;
  auto scales = std::make_shared<std::vector<float>>();
  for (int64_t i = 0; i < (n + rows - 1) / rows * ((k + columns - 1) / columns); ++i)
    scales->push_back(uniform(key + 1, static_cast<uint64_t>(i)) * 0.02f + 0.001f);
  const void* data = scales->data();
  return w.with({DType::f32, rows, columns, std::move(scales), data});
}

TEST(Float8Products, AreThoseOfTheValuesInEverySetTileAndBatch) {
  const Sets restore;
  Workspace workspace(2);
  struct Case {
    DType type;
    int64_t rows, columns;
  };
  const int64_t n = 301, k = 200, rows = 9;
  for (const Case& c : std::vector<Case>{{DType::f8_e4m3, 32, 64},
                                         {DType::f8_e4m3, 1, k},
                                         {DType::f8_e5m2, n, k},
                                         {DType::f8_e4m3, 0, 0},
                                         {DType::f8_e5m2, 128, 128}}) {
    const Tensor w = random_f8(c.type, n, k, c.rows, c.columns, 71);
    std::vector<float> values(static_cast<size_t>(n * k)), want;
    widen(w, 0, n, values.data());
    for (const Kernels* set : available_kernels()) {
      use_kernels(*set);
      Pass pass(workspace);
      const Tensor x = random_rows(pass, rows, k, 72);
      const std::vector<float> got = all_of(matmul(x, w));
      if (want.empty()) {
        want = got;
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t o = 0; o < n; ++o) {
            double sum = 0, size = 1e-30;
            for (int64_t i = 0; i < k; ++i) {
              const double term = static_cast<double>(bf16_to_f32(f32_to_bf16(x.f32()[r * k + i]))) *
                                  values[static_cast<size_t>(o * k + i)];
              sum += term;
              size += std::abs(term);
            }
            ASSERT_LT(std::abs(got[static_cast<size_t>(r * n + o)] - sum) / size, 1e-6) << info(c.type).name << c.rows;
          }
      }
      ASSERT_EQ(std::memcmp(want.data(), got.data(), got.size() * sizeof(float)), 0) << set->name;
      const MatmulInput entered_x = prepare_input(x, w);
      for (const int64_t output : {0, 5, 130, 300}) {
        const int64_t outputs = std::min<int64_t>(150, n - output);
        std::vector<float> part(static_cast<size_t>(2 * outputs));
        product(entered_x, 4, 2, w, output, outputs, part.data(), outputs);
        for (int64_t r = 0; r < 2; ++r)
          ASSERT_EQ(std::memcmp(part.data() + r * outputs, want.data() + (4 + r) * n + output,
                                static_cast<size_t>(outputs) * sizeof(float)),
                    0)
              << set->name << " outputs from " << output;
      }
    }
  }
}

TEST(Float8Products, WithoutScalesAreThoseOfBf16) {
  Workspace workspace(2);
  Pass pass(workspace);
  const Tensor w = random_f8(DType::f8_e4m3, 40, 96, 0, 0, 81), x = random_rows(pass, 5, 96, 82);
  std::vector<uint16_t> wide(40 * 96);
  for (size_t i = 0; i < wide.size(); ++i) wide[i] = f32_to_bf16(f8_e4m3_to_f32(w.data<uint8_t>()[i]));
  const std::vector<float> want = all_of(matmul(x, Tensor({40, 96}, DType::bf16, nullptr, wide.data())));
  EXPECT_EQ(want, all_of(matmul(x, w)));
}

// [k, n] in memory gives the bits that [n, k] gives.
TEST(BfloatProducts, ColumnsHaveTheBitsOfRows) {
  for (const int64_t n : {1, 16, 33, 140, 300})
    for (const int64_t k : {1, 31, 32, 33, 97, 160}) {
      std::vector<uint16_t> w(static_cast<size_t>(n * k)), turned(w.size()), x(static_cast<size_t>(4 * k));
      for (size_t i = 0; i < x.size(); ++i) x[i] = f32_to_bf16(uniform(21, i) - 0.5f);
      for (int64_t o = 0; o < n; ++o)
        for (int64_t i = 0; i < k; ++i)
          turned[static_cast<size_t>(i * n + o)] = w[static_cast<size_t>(o * k + i)] =
              f32_to_bf16(uniform(22, static_cast<uint64_t>(o * k + i)) - 0.5f);
      for (const Kernels* set : available_kernels())
        for (int64_t m = 1; m <= 4; ++m) {
          std::vector<float> want(static_cast<size_t>(m * n)), got(want.size());
          available_kernels()[0]->matmul_bf16(x.data(), k, w.data(), k, want.data(), n, m, n, k);
          set->matmul_bf16_columns(x.data(), k, turned.data(), n, got.data(), n, m, n, k);
          ASSERT_EQ(std::memcmp(want.data(), got.data(), got.size() * sizeof(float)), 0)
              << set->name << ": " << m << " x " << n << " x " << k;
        }
    }
}

// Few rows have a kernel of their own, many are widened to bf16 first: the same bits, with and without scales, whatever
// bytes a row has, where lines end and where blocks do, and with activations too large for that kernel.
TEST(Float8Products, FewRowsHaveTheBitsOfMany) {
  Workspace workspace(2);
  struct Case {
    int64_t n, k, rows, columns;  // of a block of scales; 0: none
    bool ordinary;
    float factor;
  };
  for (const Case& c : {Case{40, 256, 128, 128, true, 1}, Case{35, 200, 16, 64, false, 1}, Case{16, 64, 1, 64, true, 1},
                        Case{17, 63, 0, 0, false, 1}, Case{33, 129, 0, 0, true, 1}, Case{48, 448, 32, 128, false, 1},
                        Case{20, 130, 128, 128, false, 0x1p120f}, Case{50, 96, 1, 40, true, 1}}) {
    const Tensor from = random_f8(DType::f8_e4m3, c.n, c.k, c.rows, c.columns, 91);
    std::vector<uint8_t> bytes(from.data<uint8_t>(), from.data<uint8_t>() + c.n * c.k);
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (c.ordinary) bytes[i] = static_cast<uint8_t>((bytes[i] & 0x80) | std::clamp(bytes[i] & 0x7f, 8, 0x7e));
      if (!c.ordinary && i % 97 == 5) bytes[i] = i % 2 ? 0 : 0x80;
    }
    Tensor w({c.n, c.k}, DType::f8_e4m3, nullptr, bytes.data());
    if (c.columns) w = w.with(*from.scales());
    std::vector<float> want;
    for (const Kernels* set : available_kernels()) {
      use_kernels(*set);
      Pass pass(workspace);
      const Tensor x = random_rows(pass, 6, c.k, 92);
      for (int64_t i = 0; i < 6 * c.k; ++i) Pass::mutable_f32(x)[i] *= c.factor;
      const std::vector<float> many = all_of(matmul(x, w));
      if (want.empty()) want = many;
      ASSERT_EQ(std::memcmp(want.data(), many.data(), many.size() * sizeof(float)), 0) << set->name;
      for (int64_t rows = 1; rows <= 4; ++rows) {
        std::vector<float> few(static_cast<size_t>(rows * c.n));
        product(prepare_input(x, w), 1, rows, w, 0, c.n, few.data(), c.n);
        ASSERT_EQ(std::memcmp(few.data(), want.data() + c.n, few.size() * sizeof(float)), 0)
            << set->name << ", " << rows << " rows of " << c.k;
      }
    }
    use_kernels(*available_kernels().back());
  }
}

TEST(Float8Products, ANanStaysOneInFewRowsToo) {
  Workspace workspace(1);
  std::vector<uint8_t> bytes(16 * 64, 0x38);  // ones
  bytes[3 * 64 + 17] = 0xff;
  const Tensor w({16, 64}, DType::f8_e4m3, nullptr, bytes.data());
  for (const Kernels* set : available_kernels()) {
    use_kernels(*set);
    Pass pass(workspace);
    const Tensor y = matmul(random_rows(pass, 1, 64, 93), w);
    for (int64_t o = 0; o < 16; ++o) EXPECT_EQ(std::isnan(y.f32()[o]), o == 3) << set->name;
  }
  use_kernels(*available_kernels().back());
}

TEST(Float8Products, EveryValueIsWidenedExactly) {
  std::vector<uint8_t> every(256 + 7);
  for (size_t i = 0; i < every.size(); ++i) every[i] = static_cast<uint8_t>(i);
  for (const Kernels* set : available_kernels())
    for (const DType type : {DType::f8_e4m3, DType::f8_e5m2}) {
      std::vector<uint16_t> wide(every.size() + 1, 0x1234);
      set->f8_to_bf16(type, every.data(), wide.data(), static_cast<int64_t>(every.size()));
      EXPECT_EQ(wide.back(), 0x1234);
      for (size_t i = 0; i < every.size(); ++i) {
        const float want = type == DType::f8_e4m3 ? f8_e4m3_to_f32(every[i]) : f8_e5m2_to_f32(every[i]);
        const float got = bf16_to_f32(wide[i]);
        EXPECT_TRUE(std::memcmp(&want, &got, sizeof got) == 0 || (std::isnan(want) && std::isnan(got)))
            << set->name << " " << info(type).name << " " << i;
      }
    }
}

// The gradient to activations goes straight through their rounding: dy times the values of w.
TEST(MatmulEach, IsMatmulOfEach) {
  constexpr int64_t k = 512;
  const auto of = [](DType type) {
    return *std::find_if(kBlockFormats.begin(), kBlockFormats.end(), [=](const auto& f) { return f.type == type; });
  };
  Workspace workspace(2);
  Pass pass(workspace);
  const Tensor wide = random_rows(pass, 70, k, 61);
  Tensor narrow = pass.empty({33, k}, DType::bf16);
  for (int64_t i = 0; i < 33 * k; ++i) Pass::mutable_u16(narrow)[i] = f32_to_bf16(wide.f32()[i]);
  const Tensor q4_k = random_weight(of(DType::q4_k), 40, k, 62), q6_k = random_weight(of(DType::q6_k), 17, k, 63),
               q8_0 = random_weight(of(DType::q8_0), 96, k, 64);
  std::vector<int32_t> order(k);
  for (int32_t i = 0; i < k; ++i) order[static_cast<size_t>(i)] = i ^ 1;
  const Tensor turned = q8_0.with_input_order(order);  // takes x otherwise, though of q8_0's type
  const Tensor* const weights[] = {&q4_k, &wide, &q6_k, &narrow, &q8_0, &turned, &wide};
  for (const int64_t rows : {1, 3, 4, 5, 200}) {
    const Tensor x = random_rows(pass, rows, k, 65);
    const std::vector<Tensor> all = matmul_each(x, weights);
    ASSERT_EQ(all.size(), std::size(weights));
    for (size_t i = 0; i < all.size(); ++i)
      EXPECT_EQ(all_of(all[i]), all_of(matmul(x, *weights[i]))) << i << " of " << rows << " rows";
    EXPECT_NE(all_of(all[4]), all_of(all[5]));
  }
}

TEST(BlockProducts, GradientsToActivations) {
  Workspace workspace(2);
  for (const BlockFormat& format : kBlockFormats) {
    const auto block = static_cast<int64_t>(info(format.type).block);
    const int64_t k = block > 32 ? block : 96, n = 845, vocabulary = 8;  // outputs in several spans
    std::vector<float> table(static_cast<size_t>(vocabulary * k)), values(static_cast<size_t>(n * k));
    for (size_t i = 0; i < table.size(); ++i) table[i] = uniform(5, i) - 0.5f;
    const Tensor w = random_weight(format, n, k, 37);
    widen(w, 0, n, values.data());
    const Tensor wide({n, k}, DType::f32, nullptr, values.data());
    const auto gradient_with = [&](const Tensor& weight) {
      auto sum = std::make_shared<std::vector<float>>(table.size());
      auto gradient = std::make_shared<Gradient>(Gradient{{sum, sum->data()}, static_cast<int64_t>(sum->size())});
      const Tensor opened = Tensor({vocabulary, k}, DType::f32, nullptr, table.data()).opened(gradient);
      Pass pass(workspace, {nullptr, true});
      pass.add(std::vector<int32_t>{3, 1, 4});
      pass.backward(cross_entropy(matmul(embed(pass, opened), weight), std::vector<int32_t>{1, 2, 3},
                                  std::vector<float>{1, 2, 1}));
      return *sum;
    };
    const std::vector<float> want = gradient_with(wide), got = gradient_with(w);
    double error = 0, size = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      error += (want[i] - got[i]) * (want[i] - got[i]);
      size += want[i] * want[i];
    }
    EXPECT_GT(size, 0);
    EXPECT_LT(std::sqrt(error / size), 0.05) << info(format.type).name;  // logits differ by the rounding of x

    std::vector<float> dy(static_cast<size_t>(2 * n)), whole(static_cast<size_t>(2 * k)), cut(whole.size());
    for (size_t i = 0; i < dy.size(); ++i) dy[i] = uniform(6, i) - 0.5f;
    product_dx(dy.data(), 2, wide, whole.data());
    product_dx(dy.data(), 2, w, cut.data());
    EXPECT_EQ(std::memcmp(whole.data(), cut.data(), cut.size() * sizeof(float)), 0) << info(format.type).name;
  }
}

TEST(BlockProducts, TablesAreEmbeddedByValue) {
  Workspace workspace(2);
  const Tensor table = random_weight(kBlockFormats[5], 8, 512, 47);
  std::vector<float> values(8 * 512);
  dequantize(table.dtype(), table.data<void>(), values.data(), 8 * 512);
  Pass pass(workspace);
  pass.add(std::vector<int32_t>{7, 0, 5});
  const Tensor y = embed(pass, table);
  for (int64_t i = 0; i < 512; ++i) {
    EXPECT_EQ(y.f32()[i], values[static_cast<size_t>(7 * 512 + i)]);
    EXPECT_EQ(y.f32()[2 * 512 + i], values[static_cast<size_t>(5 * 512 + i)]);
  }
}

}  // namespace
}  // namespace glassbox
