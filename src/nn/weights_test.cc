// Quantized checkpoints in their own layouts, against what tests/reference/make_block_goldens.py makes of them.
#include "nn/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "nn/parameters.h"
#include "tensor/product.h"
#include "tensor/words.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using testing::fixture;
using ::testing::HasSubstr;

using Method = Quantization::Method;

struct Golden {
  CheckpointWeights weights;
  Checkpoint values;

  Golden(const std::string& method, Quantization quantization)
      : weights(Checkpoint::open(fixture("blocks") / (method + ".safetensors")), quantization),
        values(Checkpoint::open(fixture("blocks") / (method + "_values.safetensors"))) {}

  // The weight means, to the bit, what the reference says; a product with it is one with those values.
  void expect(const std::string& name, DType dtype) {
    const RawTensor raw = *values.find(name);
    const Tensor w = weights.get(name, Shape(std::span<const int64_t>(raw.shape)));
    EXPECT_EQ(w.dtype(), dtype);
    std::vector<float> got(static_cast<size_t>(w.shape().elements()));
    widen(w, 0, w.rows(), got.data());
    EXPECT_EQ(std::memcmp(got.data(), raw.bytes.data(), raw.bytes.size()), 0) << name;
    const Tensor matrix = w.shape().rank() == 3 ? w.select(1) : w;
    const std::span<const float> means =
        std::span<const float>(got).last(static_cast<size_t>(matrix.shape().elements()));
    Workspace workspace(1);
    Pass pass(workspace);
    Tensor x = pass.empty({1, matrix.width()});
    for (int64_t i = 0; i < matrix.width(); ++i) Pass::mutable_f32(x)[i] = static_cast<float>(i % 5 - 2) * 0.25f;
    const Tensor y = matmul(x, matrix), want = matmul(x, Tensor(matrix.shape(), DType::f32, nullptr, means.data()));
    for (int64_t o = 0; o < y.width(); ++o) {
      double size = 0;
      for (int64_t i = 0; i < matrix.width(); ++i)
        size += std::abs(x.f32()[i] * means[static_cast<size_t>(o * matrix.width() + i)]);
      EXPECT_NEAR(y.f32()[o], want.f32()[o], size * 0.01) << name << " output " << o;  // int8 activations
    }
  }
};

TEST(QuantizedCheckpoints, Fp8) {
  Golden golden("fp8", {Method::fp8, 128, 128});
  golden.expect("a.weight", DType::f8_e4m3);
  golden.expect("b.weight", DType::f8_e4m3);
  golden.expect("c.weight", DType::f8_e4m3);
  EXPECT_NO_THROW(golden.weights.finish());  // scales are parts of their weights
}

TEST(QuantizedCheckpoints, Mxfp4) {
  Golden golden("mxfp4", {Method::mxfp4});
  EXPECT_FALSE(golden.weights.has("gate_up_proj"));
  golden.expect("gate_up_proj", DType::f4_e2m1);
  EXPECT_NO_THROW(golden.weights.finish());
}

TEST(QuantizedCheckpoints, Awq) {
  Golden golden("awq", {Method::awq, 0, 0, 32});
  EXPECT_TRUE(golden.weights.has("q_proj.weight"));
  golden.expect("q_proj.weight", DType::i4);
  EXPECT_NO_THROW(golden.weights.finish());
}

TEST(QuantizedCheckpoints, Gptq) {
  Golden golden("gptq", {Method::gptq, 0, 0, 32, true});
  golden.expect("q_proj.weight", DType::i4);
  EXPECT_NO_THROW(golden.weights.finish());
}

std::string refusal(ErrorKind kind, const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "nothing was refused";
}

// A checkpoint of one file with these tensors of zeros.
struct Zero {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
};
Checkpoint zeros(const testing::TemporaryFolder& folder, const std::vector<Zero>& tensors) {
  const std::vector<std::byte> bytes(1 << 16);
  std::vector<RawTensor> raw;
  for (const Zero& zero : tensors)
    raw.push_back(
        {zero.name, zero.dtype, zero.shape, std::span(bytes).first(*tensor_bytes(zero.dtype, zero.shape)), {}});
  write_safetensors(folder / "model.safetensors", raw);
  return Checkpoint::open(folder / "model.safetensors");
}

TEST(QuantizedCheckpoints, WhatDoesNotFitIsRefusedByName) {
  const testing::TemporaryFolder folder;
  const auto ask = [&](Quantization quantization, const Shape& shape, const std::vector<Zero>& tensors,
                       ErrorKind kind = ErrorKind::bad_file) {
    return refusal(kind, [&] { CheckpointWeights(zeros(folder, tensors), quantization).get("a.weight", shape); });
  };
  const Quantization fp8{Method::fp8, 128, 128}, gptq{Method::gptq, 0, 0, 32, true}, awq{Method::awq, 0, 0, 32};
  const Zero weight{"a.weight", DType::f8_e4m3, {200, 64}};
  EXPECT_THAT(ask(fp8, {200, 64}, {weight}), HasSubstr("a.weight: expected a.weight_scale_inv or a.weight_scale"));
  EXPECT_THAT(ask(fp8, {200, 64}, {weight, {"a.weight_scale_inv", DType::f32, {1, 1}}}),
              HasSubstr("a.weight_scale_inv: expected shape [2, 1], got [1, 1]"));
  EXPECT_THAT(ask(fp8, {200, 64}, {weight, {"a.weight_scale", DType::f32, {64}}}),
              HasSubstr("expected shape [200], got [64]"));
  EXPECT_THAT(ask(fp8, {200, 64}, {weight, {"a.weight_scale", DType::u8, {1}}}, ErrorKind::unsupported),
              HasSubstr("scales of dtype U8"));
  EXPECT_THAT(ask({Method::fp8}, {200, 64}, {weight, {"a.weight_scale_inv", DType::f32, {2, 1}}}),
              HasSubstr("quantization_config.weight_block_size"));
  EXPECT_THAT(ask({}, {4}, {{"a.weight", DType::i32, {4}}}, ErrorKind::unsupported), HasSubstr("dtype I32"));

  EXPECT_THAT(ask({}, {2, 64}, {{"a.weight_blocks", DType::u8, {2, 2, 15}}, {"a.weight_scales", DType::u8, {2, 2}}}),
              HasSubstr("a.weight_blocks: expected U8 of shape [2, 2, 16]"));
  EXPECT_THAT(ask({}, {2, 64}, {{"a.weight_blocks", DType::u8, {2, 2, 16}}, {"a.weight_scales", DType::u8, {2, 3}}}),
              HasSubstr("a.weight_scales: expected U8 of shape [2, 2]"));
  EXPECT_THAT(ask({}, {2, 40}, {{"a.weight_blocks", DType::u8, {2, 1, 16}}, {"a.weight_scales", DType::u8, {2, 1}}}),
              HasSubstr("for [2, 40]"));

  const std::vector<Zero> good = {
      {"a.qweight", DType::i32, {8, 16}}, {"a.qzeros", DType::i32, {2, 2}}, {"a.scales", DType::f16, {2, 16}}};
  const auto with = [&](size_t i, Zero zero) {
    auto tensors = good;
    tensors[i] = std::move(zero);
    return tensors;
  };
  EXPECT_THAT(ask({}, {16, 64}, good, ErrorKind::unsupported), HasSubstr("quant_method awq or gptq"));
  EXPECT_THAT(ask(awq, {16, 64}, good), HasSubstr("a.qweight: expected I32 of shape [64, 2]"));
  EXPECT_THAT(ask(gptq, {16, 64}, with(1, {"a.qzeros", DType::i32, {1, 2}})), HasSubstr("a.qzeros: expected"));
  EXPECT_THAT(ask(gptq, {16, 64}, with(2, {"a.scales", DType::bf16, {2, 16}}), ErrorKind::unsupported),
              HasSubstr("a.scales: expected F16 of shape [2, 16], got BF16"));
  EXPECT_THAT(ask(gptq, {12, 64}, good, ErrorKind::unsupported), HasSubstr("no whole number of words"));
  auto ordered = good;
  ordered.push_back({"a.g_idx", DType::i32, {64}});  // all of group 0
  EXPECT_THAT(ask(gptq, {16, 64}, ordered), HasSubstr("a.g_idx: expected 32 inputs of each group, group 0 has more"));
}

// Inputs in an order of their own (desc_act): the golden's, shuffled together with what they belong to, mean the same
// and give products of the same bits.
TEST(QuantizedCheckpoints, GptqWithInputsInAnyOrder) {
  const Quantization gptq{Method::gptq, 0, 0, 32, true};
  const Checkpoint published = Checkpoint::open(fixture("blocks") / "gptq.safetensors");
  const RawTensor values = *Checkpoint::open(fixture("blocks") / "gptq_values.safetensors").find("q_proj.weight");
  const auto q = *published.find("q_proj.qweight");
  const int64_t n = values.shape[0], k = values.shape[1];
  std::vector<int32_t> moved(static_cast<size_t>(k)), groups(moved.size());  // where each input goes
  for (int64_t i = 0; i < k; ++i) moved[static_cast<size_t>(i)] = static_cast<int32_t>(i * 37 % k);
  ASSERT_EQ(std::gcd(int64_t{37}, k), 1);
  std::vector<uint32_t> words(static_cast<size_t>(k / 8 * n));
  for (int64_t i = 0; i < k; ++i) {
    const int64_t to = moved[static_cast<size_t>(i)];
    groups[static_cast<size_t>(to)] = static_cast<int32_t>(i / 32);
    for (int64_t o = 0; o < n; ++o) {
      uint32_t word;
      std::memcpy(&word, q.bytes.data() + (i / 8 * n + o) * 4, 4);
      words[static_cast<size_t>(to / 8 * n + o)] |= (word >> (i % 8 * 4) & 15u) << (to % 8 * 4);
    }
  }
  const testing::TemporaryFolder folder;
  std::vector<RawTensor> tensors = {{"q_proj.qweight", DType::i32, q.shape, std::as_bytes(std::span(words)), {}},
                                    {"q_proj.g_idx", DType::i32, {k}, std::as_bytes(std::span(groups)), {}},
                                    *published.find("q_proj.qzeros"),
                                    *published.find("q_proj.scales")};
  write_safetensors(folder / "model.safetensors", tensors);
  CheckpointWeights straight(published, gptq), ordered(Checkpoint::open(folder / "model.safetensors"), gptq);
  const Tensor a = straight.get("q_proj.weight", {n, k}), b = ordered.get("q_proj.weight", {n, k});
  EXPECT_NO_THROW(ordered.finish());
  std::vector<float> mean_a(static_cast<size_t>(n * k)), mean_b(mean_a.size()), row(static_cast<size_t>(k));
  widen(a, 0, n, mean_a.data());
  widen(b, 0, n, mean_b.data());
  for (int64_t o = 0; o < n; ++o)
    for (int64_t i = 0; i < k; ++i)
      ASSERT_EQ(mean_a[static_cast<size_t>(o * k + i)],
                mean_b[static_cast<size_t>(o * k + moved[static_cast<size_t>(i)])]);
  // Within a group inputs come in the order of the file, so scales of activations and sums within a block are the same.
  Workspace workspace(2);
  Pass pass(workspace);
  const Tensor x = pass.empty({3, k}), shuffled = pass.empty({3, k});
  for (int64_t r = 0; r < 3; ++r)
    for (int64_t i = 0; i < k; ++i)
      Pass::mutable_f32(shuffled)[r * k + moved[static_cast<size_t>(i)]] = Pass::mutable_f32(x)[r * k + i] =
          std::sin(static_cast<float>(r * k + i));
  const Tensor y = matmul(x, a), z = matmul(shuffled, b);
  EXPECT_EQ(std::memcmp(y.f32(), z.f32(), y.bytes()), 0);
}

TEST(Checkpoints, WeightsOfF64AreRoundedOnce) {
  const testing::TemporaryFolder folder;
  std::vector<double> numbers = {1.0 / 3, -2.5, 1e-60, 0x1.000001p0};
  const auto open = [&] {
    const std::vector<RawTensor> tensors = {{"a.weight", DType::f64, {2, 2}, std::as_bytes(std::span(numbers)), {}}};
    write_safetensors(folder / "model.safetensors", tensors);
    return CheckpointWeights(Checkpoint::open(folder / "model.safetensors")).get("a.weight", {2, 2});
  };
  const Tensor w = open();
  EXPECT_EQ(w.dtype(), DType::f32);
  for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(w.f32()[i], static_cast<float>(numbers[i]));
  numbers[2] = 1e300;
  EXPECT_THAT(refusal(ErrorKind::unsupported, open), HasSubstr("a.weight: 1e+300 is more than float32 holds"));
}

TEST(QuantizedCheckpoints, CannotBeOpenedToTrain) {
  const testing::TemporaryFolder folder;
  Parameters parameters(DType::f32, zeros(folder, {{"a.weight", DType::f8_e4m3, {4, 64}}}));
  EXPECT_THAT(refusal(ErrorKind::unsupported, [&] { parameters.get("a.weight", {4, 64}); }),
              HasSubstr("a.weight: weights of dtype F8_E4M3 cannot be trained"));
}

TEST(QuantizedCheckpoints, ConfigurationsAreReadOrRefusedByName) {
  const auto read = [](const std::string& text) {
    const Config config(parse_json("{\"quantization_config\":" + text + "}", "config.json"), "config.json");
    config.judged_by([](std::string_view key) -> std::string_view { return key == "quant_algo" ? "a family" : ""; });
    const Quantization q = read_quantization(config);
    config.finish();
    return q;
  };
  const Quantization fp8 =
      read(R"({"activation_scheme":"dynamic","fmt":"e4m3","quant_method":"fp8","weight_block_size":[128,64]})");
  EXPECT_EQ(fp8.method, Method::fp8);
  EXPECT_EQ(fp8.block_rows, 128);
  EXPECT_EQ(fp8.block_columns, 64);
  EXPECT_EQ(read(R"({"quant_method":"mxfp4","modules_to_not_convert":["lm_head"]})").method, Method::mxfp4);
  EXPECT_EQ(read(R"({"quant_method":"awq","bits":4,"group_size":128,"zero_point":true,"version":"gemm"})").group, 128);
  EXPECT_TRUE(read(R"({"quant_method":"gptq","bits":4,"group_size":-1,"desc_act":false,"sym":true})").zeros_less_one);
  EXPECT_FALSE(
      read(R"({"quant_method":"gptq","bits":4,"group_size":64,"checkpoint_format":"gptq_v2"})").zeros_less_one);
  EXPECT_EQ(read(R"({"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"group_0":
      {"targets":["Linear"],"weights":{"num_bits":8,"type":"float","strategy":"channel","symmetric":true}}}})")
                .method,
            Method::fp8);
  EXPECT_EQ(read("null").method, Method::none);

  const auto refused = [&](const std::string& text, ErrorKind kind = ErrorKind::unsupported) {
    return refusal(kind, [&] { read(text); });
  };
  EXPECT_THAT(refused(R"({"quant_method":"modelopt"})"), HasSubstr("quantization_config.quant_method"));
  EXPECT_THAT(refused(R"({"quant_method":"fp8","fmt":"e5m2"})"), HasSubstr("quantization_config.fmt"));
  EXPECT_THAT(refused(R"({"quant_method":"fp8","quant_algo":"MIXED_PRECISION"})"), HasSubstr("quant_algo"));
  EXPECT_THAT(refused(R"({"quant_method":"fp8","weight_block_size":[128]})", ErrorKind::bad_file),
              HasSubstr("weight_block_size"));
  EXPECT_THAT(refused(R"({"quant_method":"awq","bits":8,"group_size":128})"), HasSubstr("not of 8"));
  EXPECT_THAT(refused(R"({"quant_method":"awq","bits":4,"group_size":128,"version":"gemv"})"), HasSubstr("version"));
  EXPECT_THAT(refused(R"({"quant_method":"gptq","bits":4,"group_size":20})"), HasSubstr("group_size"));
  EXPECT_THAT(refused(R"({"quant_method":"compressed-tensors","format":"pack-quantized"})"), HasSubstr("format"));
  EXPECT_THAT(refused(R"({"quant_method":"compressed-tensors","format":"mxfp4-pack-quantized"})"), HasSubstr("format"));
}

TEST(RandomWeights, HaveTheBlocksThatFit) {
  RandomWeights weights(DType::q4_k);
  EXPECT_EQ(weights.get("model.layers.0.mlp.up_proj.weight", {4, 512}).dtype(), DType::q4_k);
  EXPECT_EQ(weights.get("a.weight", {4, 576}).dtype(), DType::q5_0);
  EXPECT_EQ(weights.get("norm.weight", {576}).dtype(), DType::f32);
  RandomWeights f8(DType::f8_e4m3);
  const Tensor w = f8.get("b.weight", {300, 200});
  ASSERT_TRUE(w.scales());
  EXPECT_EQ(w.scales()->rows, 128);
  EXPECT_EQ(f8.get("norm.weight", {200}).dtype(), DType::bf16);
  EXPECT_EQ(f8.get("lm_head.weight", {300, 200}).dtype(), DType::bf16);
  for (const Tensor& t : {w, weights.get("a.weight", {4, 576})}) {
    std::vector<float> values(static_cast<size_t>(t.shape().elements()));
    widen(t, 0, t.rows(), values.data());
    float most = 0;
    for (const float value : values) {
      ASSERT_TRUE(std::isfinite(value));
      most = std::max(most, std::abs(value));
    }
    EXPECT_GT(most, 0.01f);
    EXPECT_LT(most, 5.0f);
  }
  PlannedWeights planned(DType::q4_k);
  EXPECT_EQ(planned.get("a.weight", {4, 576}).bytes(), weights.get("a.weight", {4, 576}).bytes());
}

}  // namespace
}  // namespace glassbox
