// Words of latent attention: gradients, and bits that do not depend on company.
#include "tensor/latent.h"

#include <gtest/gtest.h>

#include "kernels/kernels.h"
#include "tensor/words_testing.h"

namespace glassbox {
namespace {

TEST(Gradients, ColumnsAndBeside) {
  Leaf a({6, 24}, 1), b({6, 9}, 2);
  check_gradients(
      [&](Pass& pass) {
        const Tensor x = split(embed(pass, a.tensor), 3), y = split(embed(pass, b.tensor), 3);  // [T, 3, 8], [T, 3, 3]
        return merge(concat(silu(slice(x, 2, 5)), y));
      },
      {&a, &b});
}

TEST(Gradients, AbsorbQueries) {
  Leaf q({6, 3 * 5}, 1), kv({3 * (5 + 4), 7}, 2);
  check_gradients([&](Pass& pass) { return merge(absorb_queries(split(embed(pass, q.tensor), 3), kv.tensor)); },
                  {&q, &kv});
}

TEST(Gradients, ExpandValues) {
  Leaf x({6, 3 * 7}, 1), kv({3 * (5 + 4), 7}, 2);
  check_gradients([&](Pass& pass) { return merge(expand_values(split(embed(pass, x.tensor), 3), kv.tensor, 4)); },
                  {&x, &kv});
}

class LatentAttention : public ::testing::TestWithParam<DType> {
 protected:
  static constexpr int64_t kHeads = 4, kNope = 24, kValue = 20, kLatent = 70, kTokens = 230;
  Leaf q{{kTokens, kHeads* kNope}, 1}, kv{{kHeads * (kNope + kValue), kLatent}, 2};
  Tensor w = kv.tensor;
  std::shared_ptr<std::vector<uint16_t>> halves = std::make_shared<std::vector<uint16_t>>();

  LatentAttention() {
    if (GetParam() != DType::bf16) return;
    for (const float value : *kv.values) halves->push_back(f32_to_bf16(value));
    w = Tensor(kv.tensor.shape(), DType::bf16, halves, halves->data());
  }
  ~LatentAttention() override { use_kernels(*available_kernels().back()); }

  std::vector<float> answers(std::span<const int32_t> ids, int threads) const {
    Workspace workspace(threads);
    Pass pass(workspace);
    pass.add(ids);
    const Tensor y = expand_values(absorb_queries(split(embed(pass, q.tensor), kHeads), w), w, kValue);
    return {y.values().begin(), y.values().end()};
  }
};
INSTANTIATE_TEST_SUITE_P(Weights, LatentAttention, ::testing::Values(DType::f32, DType::bf16),
                         [](const auto& type) { return type.param == DType::f32 ? "f32" : "bf16"; });

TEST_P(LatentAttention, BitsDoNotDependOnCompanyThreadsOrKernels) {
  std::vector<int32_t> ids(kTokens);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  const auto reference = answers(ids, 1);
  constexpr auto kWide = static_cast<size_t>(kHeads * kValue);
  for (const Kernels* set : available_kernels()) {
    use_kernels(*set);
    for (const int threads : {1, 2}) EXPECT_EQ(answers(ids, threads), reference) << set->name;
    for (const size_t t : {size_t{0}, size_t{191}, size_t{192}, size_t{229}})
      EXPECT_EQ(answers(std::span(ids).subspan(t, 1), 2),
                std::vector<float>(reference.begin() + static_cast<ptrdiff_t>(t * kWide),
                                   reference.begin() + static_cast<ptrdiff_t>((t + 1) * kWide)))
          << set->name << ", token " << t << " alone";
  }
}

TEST_P(LatentAttention, ProductsAreTheirDefinition) {
  const std::vector<int32_t> ids = {5, 17, 3};
  const auto got = answers(ids, 2);
  const auto weight = [&](int64_t row, int64_t c) {
    const auto i = static_cast<size_t>(row * kLatent + c);
    return static_cast<double>(GetParam() == DType::bf16 ? bf16_to_f32((*halves)[i]) : (*kv.values)[i]);
  };
  for (size_t t = 0; t < ids.size(); ++t)
    for (int64_t h = 0; h < kHeads; ++h) {
      std::vector<double> absorbed(kLatent);
      for (int64_t c = 0; c < kLatent; ++c)
        for (int64_t i = 0; i < kNope; ++i)
          absorbed[static_cast<size_t>(c)] +=
              static_cast<double>((*q.values)[static_cast<size_t>(ids[t] * kHeads * kNope + h * kNope + i)]) *
              weight(h * (kNope + kValue) + i, c);
      for (int64_t v = 0; v < kValue; ++v) {
        double expected = 0;
        for (int64_t c = 0; c < kLatent; ++c)
          expected += absorbed[static_cast<size_t>(c)] * weight(h * (kNope + kValue) + kNope + v, c);
        EXPECT_NEAR(got[t * kHeads * kValue + static_cast<size_t>(h * kValue + v)], expected,
                    GetParam() == DType::bf16 ? 0.15 : 1e-4);
      }
    }
}

}  // namespace
}  // namespace glassbox
