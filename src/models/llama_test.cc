// Llama against what transformers computes with the same weights (tests/reference/make_llama_goldens.py), and the
// promise of bits that do not depend on company, cutting, threads or kernels.
#include "models/llama.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "base/file.h"
#include "base/random.h"
#include "kernels/kernels.h"
#include "models/registry.h"
#include "nn/parameters.h"
#include "tensor/words.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using testing::fixture;

std::unique_ptr<LanguageModel> open(const std::string& name, const std::string& config_file = "config.json") {
  Config config = Config::open(fixture("models/" + name) / config_file);
  CheckpointWeights weights(Checkpoint::open(fixture("models/" + name) / "model.safetensors"));
  return make_model(config, weights);
}

struct Golden {
  SafeTensors file;

  explicit Golden(const std::string& name)
      : file(SafeTensors::open(fixture("models/" + name) / "golden.safetensors")) {}

  std::vector<float> values(const std::string& name) const {
    const RawTensor raw = file.find(name).value();
    std::vector<float> list(raw.bytes.size() / sizeof(float));
    std::memcpy(list.data(), raw.bytes.data(), raw.bytes.size());
    return list;
  }
  std::vector<std::vector<int32_t>> sequences() const {
    const RawTensor raw = file.find("input_ids").value();
    std::vector<std::vector<int32_t>> list(static_cast<size_t>(raw.shape[0]));
    for (size_t i = 0; i < raw.bytes.size() / sizeof(int64_t); ++i) {
      int64_t id;
      std::memcpy(&id, raw.bytes.data() + i * sizeof(id), sizeof(id));
      list[i / static_cast<size_t>(raw.shape[1])].push_back(static_cast<int32_t>(id));
    }
    return list;
  }
};

double largest_of(std::span<const float> values) {
  double largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(static_cast<double>(value)));
  return largest;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

double root_mean_square(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

class LlamaGolden : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Tiny, LlamaGolden, ::testing::Values("llama2_tiny", "llama32_tiny", "llama_bias_tiny"),
                         [](const auto& name) { return name.param; });

TEST_P(LlamaGolden, LogitsEqualTheReference) {
  const Golden golden(GetParam());
  const auto expected = golden.values("logits");
  Workspace workspace(2);
  for (const char* spelling : {"config.json", "config.transformers4.json"}) {
    const auto model = open(GetParam(), spelling);
    Pass pass(workspace);
    for (const auto& ids : golden.sequences()) pass.add(ids);
    const Tensor logits = (*model)(pass);
    EXPECT_LT(largest_difference(logits.values(), expected), 1e-4 * largest_of(expected)) << spelling;
  }
}

TEST_P(LlamaGolden, GradientsEqualTheReference) {
  const Golden golden(GetParam());
  Workspace workspace(2);
  Config config = Config::open(fixture("models/" + GetParam()));
  Parameters parameters(DType::f32, Checkpoint::open(fixture("models/" + GetParam()) / "model.safetensors"));
  const auto model = make_model(config, parameters);
  parameters.publish(workspace.pool);
  Pass learn(workspace, {nullptr, true});
  const auto sequences = golden.sequences();
  std::vector<int32_t> targets;
  std::vector<float> weights;
  const auto predictions = static_cast<float>(sequences.size() * (sequences[0].size() - 1));
  for (const auto& ids : sequences) {
    learn.add(ids);
    targets.insert(targets.end(), ids.begin() + 1, ids.end());
    targets.push_back(0);
    weights.insert(weights.end(), ids.size() - 1, 1 / predictions);
    weights.push_back(0);
  }
  const Tensor loss = cross_entropy((*model)(learn), targets, weights);
  EXPECT_NEAR(loss.f32()[0], golden.values("loss")[0], 2e-5);
  learn.backward(loss);
  for (const Parameter& parameter : parameters.all()) {
    const auto expected = golden.values("grad/" + parameter.name);
    EXPECT_LT(largest_difference(parameter.gradients(), expected), 1e-4 * largest_of(expected) + 1e-8)
        << parameter.name;
  }
}

// Our bf16 is not the reference's: both round, in different places. Ours may be at most half as bad again.
TEST(LlamaBfloat, IsAsCloseToFloatAsTheReferenceIs) {
  const Golden golden("llama32_tiny_bf16");
  const auto exact = golden.values("logits"), theirs = golden.values("logits_bf16");
  const auto model = open("llama32_tiny_bf16");
  Workspace workspace(2);
  Pass pass(workspace);
  for (const auto& ids : golden.sequences()) pass.add(ids);
  const Tensor logits = (*model)(pass);
  EXPECT_GT(root_mean_square(theirs, exact), 0);
  EXPECT_LT(root_mean_square(logits.values(), exact), 1.5 * root_mean_square(theirs, exact));
}

TEST(LlamaTaps, HoldWhatTheReferencesModulesReturned) {
  const Golden golden("llama32_tiny");
  const auto model = open("llama32_tiny");
  Workspace workspace(2);
  int compared = 0;
  Taps taps;
  taps.listen("*", [&](std::string_view name, const Tensor& value) -> std::optional<Tensor> {
    if (!golden.file.find("taps/" + std::string(name))) return std::nullopt;
    const auto expected = golden.values("taps/" + std::string(name));
    EXPECT_LT(largest_difference(value.values(), expected), 1e-4 * largest_of(expected)) << name;
    ++compared;
    return std::nullopt;
  });
  Pass pass(workspace, {&taps});
  for (const auto& ids : golden.sequences()) pass.add(ids);
  (*model)(pass);
  EXPECT_GE(compared, 3);
}

// --- bits ---

// A Llama of odd sizes with weights of its own.
std::unique_ptr<LanguageModel> odd_model(DType dtype) {
  Json json = {{"model_type", "llama"},      {"vocab_size", 301},      {"hidden_size", 72},
               {"intermediate_size", 106},   {"num_hidden_layers", 2}, {"num_attention_heads", 6},
               {"num_key_value_heads", 2},   {"head_dim", 20},         {"max_position_embeddings", 512},
               {"rms_norm_eps", 1e-5},       {"rope_theta", 1e4},      {"hidden_act", "silu"},
               {"tie_word_embeddings", true}};
  Config config(json, "odd model");
  Parameters parameters(dtype, 7, 0.2f);
  auto model = make_model(config, parameters);
  ThreadPool pool(1);
  parameters.publish(pool);
  return model;
}

std::vector<int32_t> stranger(uint64_t key, size_t length) {
  std::vector<int32_t> ids(length);
  for (size_t i = 0; i < length; ++i) ids[i] = static_cast<int32_t>(philox(key, i)[0] % 301);
  return ids;
}

std::vector<float> alone(const LanguageModel& model, std::span<const int32_t> ids, Workspace& workspace) {
  Pass pass(workspace);
  pass.add(ids);
  const Tensor logits = model(pass);
  return {logits.values().begin(), logits.values().end()};
}

void expect_same_bits(std::span<const float> a, std::span<const float> b, const std::string& where) {
  ASSERT_EQ(a.size(), b.size()) << where;
  ASSERT_EQ(std::memcmp(a.data(), b.data(), a.size_bytes()), 0)
      << where << ": largest difference " << largest_difference(a, b);
}

class Invariance : public ::testing::TestWithParam<DType> {
 protected:
  ~Invariance() override { use_kernels(*available_kernels().back()); }
  const std::unique_ptr<LanguageModel> model = odd_model(GetParam());
  const std::vector<int32_t> prompt = stranger(1, 150);
  Workspace one{1}, two{2};
  const std::vector<float> reference = alone(*model, prompt, one);
};
INSTANTIATE_TEST_SUITE_P(Weights, Invariance, ::testing::Values(DType::f32, DType::bf16),
                         [](const auto& type) { return type.param == DType::f32 ? "f32" : "bf16"; });

TEST_P(Invariance, ThreadsAndKernelsDoNotMoveABit) {
  for (const Kernels* set : available_kernels()) {
    use_kernels(*set);
    expect_same_bits(alone(*model, prompt, one), reference, std::string(set->name) + ", 1 thread");
    expect_same_bits(alone(*model, prompt, two), reference, std::string(set->name) + ", 2 threads");
  }
}

TEST_P(Invariance, SixteenStrangersDoNotMoveABit) {
  for (const Kernels* set : available_kernels()) {
    use_kernels(*set);
    Pass pass(two);
    for (uint64_t i = 0; i < 8; ++i) pass.add(stranger(100 + i, 1 + i * 13), nullptr, Logits::none);
    pass.add(prompt);
    for (uint64_t i = 8; i < 16; ++i) pass.add(stranger(100 + i, 1 + i * 7), nullptr, Logits::none);
    expect_same_bits((*model)(pass).values(), reference, std::string(set->name));
  }
}

TEST_P(Invariance, ChunksDoNotMoveABit) {
  for (const Kernels* set : available_kernels()) {
    use_kernels(*set);
    for (const size_t chunk : {size_t{1}, size_t{7}, size_t{64}}) {
      KvCache cache(model->cache_shape());
      std::vector<float> logits;
      for (size_t at = 0; at < prompt.size(); at += chunk) {
        Pass pass(two);
        pass.add(std::span(prompt).subspan(at, std::min(chunk, prompt.size() - at)), &cache);
        const Tensor part = (*model)(pass);
        logits.insert(logits.end(), part.values().begin(), part.values().end());
      }
      expect_same_bits(logits, reference, std::string(set->name) + ", chunks of " + std::to_string(chunk));
    }
  }
}

TEST_P(Invariance, ASharedPrefixDoesNotMoveABit) {
  KvCache first(model->cache_shape());
  Pass fill(two);
  fill.add(std::span(prompt).first(100), &first);
  (*model)(fill);
  KvCache second = first;
  second.resize(83);
  Pass rest(two);
  rest.add(std::span(prompt).subspan(83), &second);
  expect_same_bits((*model)(rest).values(), std::span(reference).subspan(83 * 301), "after a shared prefix");
}

TEST_P(Invariance, TrainingSeesTheServedLogits) {
  Pass learn(two, {nullptr, true});
  learn.add(prompt);
  expect_same_bits((*model)(learn).values(), reference, "with a tape");
}

TEST_P(Invariance, LookingChangesNothing) {
  int looked = 0;
  Taps listen, echo;
  listen.listen("*", [&](std::string_view, const Tensor&) {
    ++looked;
    return std::nullopt;
  });
  echo.listen("*", [&](std::string_view, const Tensor& value) {
    Tensor same = value.pass()->empty(value.shape());
    std::memcpy(Pass::mutable_f32(same), value.f32(), value.bytes());
    return same;
  });
  for (const Taps* taps : {&listen, &echo}) {
    Pass pass(two, {taps});
    pass.add(stranger(3, 20), nullptr, Logits::none);
    pass.add(prompt);
    expect_same_bits((*model)(pass).values(), reference, taps == &listen ? "listening" : "replacing with the same");
  }
  EXPECT_GT(looked, 20);
}

TEST_P(Invariance, AReplacedPatternChangesOnlyItsRow) {
  Taps taps;
  taps.listen("model.layers.1.self_attn.pattern", [&](std::string_view, const Tensor& pattern) {
    Tensor changed = pattern.pass()->empty(pattern.shape());
    std::memcpy(Pass::mutable_f32(changed), pattern.f32(), pattern.bytes());
    const int64_t row = 149 * 6 + 2;  // the last token's third head looks at the first token only
    float* weights = Pass::mutable_f32(changed) + row * pattern.width();
    std::fill_n(weights, pattern.width(), 0.0f);
    weights[0] = 1;
    return changed;
  });
  Pass pass(two, {&taps});
  pass.add(prompt);
  const Tensor logits = (*model)(pass);
  expect_same_bits(logits.values().first(149 * 301), std::span(reference).first(149 * 301), "the other tokens");
  EXPECT_NE(std::memcmp(logits.f32() + 149 * 301, reference.data() + 149 * 301, 301 * sizeof(float)), 0);
}

// --- what is refused ---

TEST(LlamaRefuses, WeightsOfAnotherShapeAndWeightsOverAndAbove) {
  Config config = Config::open(fixture("models/llama2_tiny"));
  CheckpointWeights other(Checkpoint::open(fixture("models/llama32_tiny") / "model.safetensors"));
  EXPECT_THROW(make_model(config, other), Error);

  Json fewer = read_json(fixture("models/llama2_tiny") / "config.json");
  fewer["num_hidden_layers"] = 1;
  Config smaller(fewer, "config.json");
  CheckpointWeights weights(Checkpoint::open(fixture("models/llama2_tiny") / "model.safetensors"));
  try {
    make_model(smaller, weights);
    FAIL() << "nine tensors were left over";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("model.layers.1."), std::string::npos) << error.what();
  }
}

TEST(LlamaRefuses, FamiliesAndKeysItDoesNotKnow) {
  Json json = read_json(fixture("models/llama2_tiny") / "config.json");
  const auto message = [&](const Json& changed) -> std::string {
    try {
      Config config(changed, "config.json");
      CheckpointWeights weights(Checkpoint::open(fixture("models/llama2_tiny") / "model.safetensors"));
      make_model(config, weights);
      return "accepted";
    } catch (const Error& error) { return error.what(); }
  };
  Json changed = json;
  changed["attention_multiplier"] = 2.5;
  EXPECT_NE(message(changed).find("attention_multiplier"), std::string::npos) << message(changed);
  changed = json;
  changed["model_type"] = "mamba";
  EXPECT_NE(message(changed).find("mamba"), std::string::npos) << message(changed);
  changed = json;
  changed["hidden_act"] = "gelu";
  EXPECT_NE(message(changed).find("gelu"), std::string::npos) << message(changed);
  changed = json;
  changed["num_key_value_heads"] = 3;
  EXPECT_NE(message(changed).find("num_key_value_heads"), std::string::npos) << message(changed);
}

}  // namespace
}  // namespace glassbox
