// Words of mixtures of experts: their gradients, what they choose, and bits that do not depend on company.
#include "tensor/mixture.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "base/random.h"
#include "kernels/kernels.h"
#include "tensor/words_testing.h"

namespace glassbox {
namespace {

// Scores in a pass that are given, not computed: one row for each token.
struct Scored {
  Workspace workspace{2};
  Pass pass{workspace};
  Tensor scores;

  explicit Scored(const std::vector<std::vector<float>>& rows) {
    std::vector<int32_t> ids(rows.size());
    pass.add(ids);
    scores = pass.empty({static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())});
    for (size_t r = 0; r < rows.size(); ++r)
      std::copy(rows[r].begin(), rows[r].end(), Pass::mutable_f32(scores) + r * rows[r].size());
  }
};

Tensor vector_of(const std::vector<float>& values) {
  auto memory = std::make_shared<std::vector<float>>(values);
  const void* data = memory->data();
  return Tensor({static_cast<int64_t>(values.size())}, DType::f32, std::move(memory), data);
}

TEST(Route, TakesTheLargestAndTheLowestIndexOfEquals) {
  Scored s({{1, 3, 2, 3}, {0, 0, 0, 0}, {-1, -2, -3, 5}});
  const Routing to = route(s.scores, {.experts = 4, .chosen = 2});
  EXPECT_EQ(to.order->expert, (std::vector<int32_t>{1, 3, 0, 1, 0, 3}));
  EXPECT_EQ(to.order->first, (std::vector<int64_t>{0, 2, 4, 4, 6}));
  EXPECT_EQ(to.order->source, (std::vector<int32_t>{2, 4, 0, 3, 1, 5}));  // by expert, then token
  for (size_t i = 0; i < 6; ++i)
    EXPECT_EQ(to.order->source[static_cast<size_t>(to.order->row[i])], static_cast<int32_t>(i));
}

// The three kinds of weights, against the definitions in double.
TEST(Route, WeighsAsTheRuleSays) {
  Scored s({{0.5f, -1, 2, 0.25f}});
  const double e[] = {std::exp(0.5), std::exp(-1), std::exp(2), std::exp(0.25)};
  const double all = e[0] + e[1] + e[2] + e[3];
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  using Weights = RouteRule::Weights;
  struct Case {
    RouteRule rule;
    double first, second;  // of experts 0 and 2
  };
  const Case cases[] = {
      {{.weights = Weights::softmax, .experts = 4, .chosen = 2}, e[0] / all, e[2] / all},
      {{.weights = Weights::softmax, .experts = 4, .chosen = 2, .normalised = true, .scale = 3},
       3 * e[0] / (e[0] + e[2]),
       3 * e[2] / (e[0] + e[2])},
      {{.weights = Weights::softmax_of_chosen, .experts = 4, .chosen = 2}, e[0] / (e[0] + e[2]), e[2] / (e[0] + e[2])},
      {{.weights = Weights::sigmoid, .experts = 4, .chosen = 2}, sigmoid(0.5), sigmoid(2)},
      {{.weights = Weights::sigmoid, .experts = 4, .chosen = 2, .normalised = true, .scale = 2.5f},
       2.5 * sigmoid(0.5) / (sigmoid(0.5) + sigmoid(2)),
       2.5 * sigmoid(2) / (sigmoid(0.5) + sigmoid(2))}};
  for (const Case& c : cases) {
    const Routing to = route(s.scores, c.rule);
    ASSERT_EQ(to.order->expert, (std::vector<int32_t>{0, 2}));
    EXPECT_NEAR(to.weights.f32()[0], c.first, 1e-6);
    EXPECT_NEAR(to.weights.f32()[1], c.second, 1e-6);
  }
}

TEST(Route, ABiasChoosesButDoesNotWeigh) {
  Scored s({{0, 1, 2, 3}});
  const RouteRule rule{.weights = RouteRule::Weights::sigmoid, .experts = 4, .chosen = 1};
  const Routing to = route(s.scores, rule, vector_of({5, 0, 0, 0}));
  EXPECT_EQ(to.order->expert, (std::vector<int32_t>{0}));
  EXPECT_EQ(to.weights.f32()[0], 0.5f);
}

TEST(Route, OnlyTheBestGroupsAreChosenFrom) {
  // Groups {0,1}, {2,3}, {4,5}: the largest of all is in the third; the two best together are the first's.
  Scored s({{2, 2, -5, -5, 3, -9}});
  RouteRule rule{.weights = RouteRule::Weights::sigmoid, .experts = 6, .chosen = 2, .groups = 3, .groups_used = 1};
  EXPECT_EQ(route(s.scores, rule).order->expert, (std::vector<int32_t>{4, 5}));
  rule.group_worth = RouteRule::Groups::two_best;
  EXPECT_EQ(route(s.scores, rule).order->expert, (std::vector<int32_t>{0, 1}));
  rule.groups_used = 2;
  EXPECT_EQ(route(s.scores, rule).order->expert, (std::vector<int32_t>{0, 4}));
}

TEST(Route, ScoresThatAreNoNumbersStillChooseExperts) {
  const float nan = std::nanf("");
  Scored s({{nan, nan, nan, nan}, {nan, 1, nan, 2}});
  for (const auto weights :
       {RouteRule::Weights::softmax, RouteRule::Weights::softmax_of_chosen, RouteRule::Weights::sigmoid}) {
    const Routing to = route(s.scores, {.weights = weights, .experts = 4, .chosen = 2});
    for (const int32_t e : to.order->expert) {
      EXPECT_GE(e, 0);
      EXPECT_LT(e, 4);
    }
  }
}

// --- gradients ---

// The choice itself has no gradient, so scores are far enough apart that a small step chooses alike.
void check_route(const RouteRule& rule) {
  Leaf table({6, 8}, 1), router({rule.experts, 8}, 2);
  std::vector<Leaf> experts;
  for (int64_t e = 0; e < rule.experts; ++e) experts.emplace_back(Shape{5, 8}, static_cast<uint64_t>(10 + e));
  for (float& value : *router.values) value *= 2;
  std::vector<Leaf*> leaves = {&table, &router};
  for (Leaf& e : experts) leaves.push_back(&e);
  check_gradients(
      [&](Pass& pass) {
        const Tensor x = embed(pass, table.tensor);
        const Routing to = route(matmul_in_float(x, router.tensor), rule);
        std::vector<Tensor> matrices;
        for (const Leaf& e : experts) matrices.push_back(e.tensor);
        return combine(grouped_matmul(dispatch(x, to), to, matrices), to);
      },
      leaves);
}

TEST(Gradients, RouteSoftmax) { check_route({.experts = 4, .chosen = 2}); }
TEST(Gradients, RouteSoftmaxNormalised) { check_route({.experts = 4, .chosen = 2, .normalised = true, .scale = 1.5f}); }
TEST(Gradients, RouteSoftmaxOfChosen) {
  check_route({.weights = RouteRule::Weights::softmax_of_chosen, .experts = 4, .chosen = 3, .scale = 0.5f});
}
TEST(Gradients, RouteSigmoid) {
  check_route({.weights = RouteRule::Weights::sigmoid, .experts = 4, .chosen = 2, .scale = 2});
}
TEST(Gradients, RouteSigmoidNormalised) {
  check_route({.weights = RouteRule::Weights::sigmoid, .experts = 4, .chosen = 2, .normalised = true, .scale = 2.5f});
}

RouteRule two_of_four() { return {.weights = RouteRule::Weights::sigmoid, .experts = 4, .chosen = 2}; }

TEST(Gradients, GroupedMatmulByColumnsAndBias) {
  Leaf table({6, 8}, 1), router({4, 8}, 2), bias({4, 5}, 3);
  std::vector<Leaf> experts;
  for (uint64_t e = 0; e < 4; ++e) experts.emplace_back(Shape{8, 5}, 10 + e);
  check_gradients(
      [&](Pass& pass) {
        const Tensor x = embed(pass, table.tensor);
        const Routing to = route(matmul_in_float(x, router.tensor), two_of_four());
        std::vector<Tensor> matrices;
        for (const Leaf& e : experts) matrices.push_back(e.tensor);
        const Tensor y = grouped_matmul(dispatch(x, to), to, matrices, ExpertLayout::columns);
        return combine(grouped_bias(y, to, bias.tensor), to);
      },
      {&table, &bias, &experts[0], &experts[1], &experts[2], &experts[3]});
}

TEST(Gradients, WeightedBeforeTheExperts) {
  Leaf table({6, 8}, 1), router({4, 8}, 2);
  check_gradients(
      [&](Pass& pass) {
        const Tensor x = embed(pass, table.tensor);
        const Routing to = route(matmul_in_float(x, router.tensor), two_of_four());
        return combine(silu(weighted(dispatch(x, to), to)), to, false);
      },
      {&table, &router});
}

TEST(Gradients, ClampedSwiglu) {
  Leaf table({6, 24}, 1);
  for (float& value : *table.values) value *= 2;
  // No value within a step of the limit, where there is no slope.
  for (float& value : *table.values)
    if (std::fabs(std::fabs(value) - 1.5f) < 0.1f) value *= 1.3f;
  check_gradients([&](Pass& pass) { return clamped_swiglu(embed(pass, table.tensor), 1.702f, 1.5f); }, {&table});
}

TEST(ClampedSwiglu, IsItsDefinition) {
  Scored s({{1, 2, 9, -9, -9, 9}});
  const Tensor y = clamped_swiglu(s.scores, 1.702f, 7);
  const auto glu = [](double g) { return g / (1 + std::exp(-1.702 * g)); };
  EXPECT_NEAR(y.f32()[0], 3 * glu(1), 1e-5);
  EXPECT_NEAR(y.f32()[1], -6 * glu(7), 1e-5);
  EXPECT_NEAR(y.f32()[2], 8 * glu(-9), 1e-5);
}

// --- bits ---

std::shared_ptr<std::vector<uint16_t>> halves_of(const std::vector<float>& values) {
  auto bits = std::make_shared<std::vector<uint16_t>>();
  for (const float value : values) bits->push_back(f32_to_bf16(value));
  return bits;
}

struct Bits : ::testing::TestWithParam<DType> {
  static constexpr int64_t kTokens = 40, kWidth = 70, kOutputs = 53, kExperts = 6;
  Leaf table{{kTokens, kWidth}, 1}, router{{kExperts, kWidth}, 2};
  std::vector<Leaf> masters;
  std::vector<Tensor> experts;

  Bits() {
    for (uint64_t e = 0; e < kExperts; ++e) {
      const Leaf& leaf = masters.emplace_back(Shape{kOutputs, kWidth}, 10 + e);
      const auto bits = halves_of(*leaf.values);
      experts.push_back(GetParam() == DType::f32 ? leaf.tensor
                                                 : Tensor({kOutputs, kWidth}, DType::bf16, bits, bits->data()));
    }
  }
  ~Bits() override { use_kernels(*available_kernels().back()); }

  // Each token's answer, [T, kOutputs].
  std::vector<float> answers(std::span<const int32_t> ids, int threads, bool by_matmul = false) {
    Workspace workspace(threads);
    Pass pass(workspace);
    pass.add(ids);
    const Tensor x = embed(pass, table.tensor);
    const Routing to = route(matmul_in_float(x, router.tensor), {.experts = kExperts, .chosen = 3, .normalised = true});
    const Tensor d = dispatch(x, to);
    Tensor y = grouped_matmul(d, to, experts);
    if (by_matmul) {
      y = pass.empty(y.shape());
      for (size_t e = 0; e < kExperts; ++e) {
        const Tensor all = matmul(d, experts[e]);
        for (int64_t row = to.order->first[e]; row < to.order->first[e + 1]; ++row)
          std::memcpy(Pass::mutable_f32(y) + row * kOutputs, all.f32() + row * kOutputs, kOutputs * sizeof(float));
      }
    }
    const Tensor out = combine(y, to);
    return {out.values().begin(), out.values().end()};
  }
};
INSTANTIATE_TEST_SUITE_P(Mixture, Bits, ::testing::Values(DType::f32, DType::bf16),
                         [](const auto& type) { return type.param == DType::f32 ? "f32" : "bf16"; });

TEST_P(Bits, DoNotDependOnCompanyThreadsOrKernels) {
  std::vector<int32_t> ids(kTokens);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  const auto reference = answers(ids, 1);
  for (const Kernels* set : available_kernels()) {
    use_kernels(*set);
    for (const int threads : {1, 2}) EXPECT_EQ(answers(ids, threads), reference) << set->name << " " << threads;
    EXPECT_EQ(answers(ids, 2, true), reference) << set->name << ": a group's product is matmul's";
    for (size_t t = 0; t < ids.size(); t += 7)
      EXPECT_EQ(answers(std::span(ids).subspan(t, 1), 2),
                std::vector<float>(reference.begin() + static_cast<ptrdiff_t>(t * kOutputs),
                                   reference.begin() + static_cast<ptrdiff_t>((t + 1) * kOutputs)))
          << set->name << ", token " << t << " alone";
  }
}

// [k, n] in memory gives the bits that [n, k] gives.
TEST_P(Bits, DoNotDependOnLayout) {
  std::vector<int32_t> ids = {3, 1, 4, 1, 5, 9, 2, 6};
  const auto reference = answers(ids, 1);
  std::vector<Tensor> turned;
  for (const Leaf& leaf : masters) {
    auto values = std::make_shared<std::vector<float>>(leaf.values->size());
    for (int64_t o = 0; o < kOutputs; ++o)
      for (int64_t i = 0; i < kWidth; ++i)
        (*values)[static_cast<size_t>(i * kOutputs + o)] = (*leaf.values)[static_cast<size_t>(o * kWidth + i)];
    const auto bits = halves_of(*values);
    turned.push_back(GetParam() == DType::f32 ? Tensor({kWidth, kOutputs}, DType::f32, values, values->data())
                                              : Tensor({kWidth, kOutputs}, DType::bf16, bits, bits->data()));
  }
  Workspace workspace(2);
  Pass pass(workspace);
  pass.add(ids);
  const Tensor x = embed(pass, table.tensor);
  const Routing to = route(matmul_in_float(x, router.tensor), {.experts = kExperts, .chosen = 3, .normalised = true});
  const Tensor out = combine(grouped_matmul(dispatch(x, to), to, turned, ExpertLayout::columns), to);
  EXPECT_EQ(std::vector<float>(out.values().begin(), out.values().end()), reference);
}

// Experts whose inputs have orders of their own: each one's rows are what matmul() makes of them.
TEST(GroupedMatmul, TakesInputsInEachExpertsOrder) {
  constexpr int64_t kInputs = 64, kRows = 8;
  std::vector<std::vector<uint8_t>> bytes(4);
  std::vector<Tensor> experts;
  for (size_t e = 0; e < bytes.size(); ++e) {
    for (int64_t i = 0; i < kRows * kInputs / 32 * 20; ++i)
      bytes[e].push_back(static_cast<uint8_t>(philox(50 + e, static_cast<uint64_t>(i))[0]));
    for (size_t block = 0; block < bytes[e].size(); block += 20) {  // scale 1/16, zero point 8
      const std::array<uint8_t, 4> head = {0x00, 0x2c, 8, 0};
      std::copy(head.begin(), head.end(), bytes[e].begin() + static_cast<ptrdiff_t>(block));
    }
    const Tensor w({kRows, kInputs}, DType::i4, nullptr, bytes[e].data());
    std::vector<int32_t> order(kInputs);
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>((i * (2 * e + 3) + e) % kInputs);
    experts.push_back(e == 2 ? w : w.with_input_order(order));
  }
  Scored s({{0, 9, 8, 1}, {5, 1, 2, 4}, {3, 0, 7, 6}});
  const Routing to = route(s.scores, {.experts = 4, .chosen = 2});
  Tensor x = s.pass.empty({3, kInputs});
  for (int64_t i = 0; i < 3 * kInputs; ++i) Pass::mutable_f32(x)[i] = uniform(60, static_cast<uint64_t>(i)) - 0.5f;
  const Tensor y = grouped_matmul(dispatch(x, to), to, experts);
  for (size_t e = 0; e < experts.size(); ++e) {
    const Tensor all = matmul(x, experts[e]);
    for (int64_t row = to.order->first[e]; row < to.order->first[e + 1]; ++row)
      EXPECT_EQ(std::memcmp(y.f32() + row * kRows, all.f32() + to.order->source[static_cast<size_t>(row)] / 2 * kRows,
                            kRows * sizeof(float)),
                0)
          << "expert " << e;
  }
}

// Only the chosen are read: the others have no memory behind them at all.
TEST(GroupedMatmul, ReadsOnlyWhatWasChosen) {
  Scored s({{0, 9, 8, 1}});
  const Routing to = route(s.scores, {.experts = 4, .chosen = 2});
  Leaf one({3, 4}, 1), two({3, 4}, 2);
  const Tensor nowhere({3, 4}, DType::f32, nullptr, reinterpret_cast<const void*>(64));
  const std::vector<Tensor> experts = {nowhere, one.tensor, two.tensor, nowhere};
  const Tensor y = grouped_matmul(dispatch(s.scores, to), to, experts);
  EXPECT_NE(y.f32()[0], 0);
}

}  // namespace
}  // namespace glassbox
