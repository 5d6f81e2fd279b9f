// Adapters against what PEFT computes with the same files (tests/reference/make_adapter_goldens.py), several at once on
// one base, and from a first step of training back to serving.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "kernels/kernels.h"
#include "models/registry.h"
#include "nn/peft.h"
#include "tensor/words.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using testing::fixture;

std::unique_ptr<LanguageModel> open_base(const std::string& name = "llama_bias_tiny") {
  Config config = Config::open(fixture("models/" + name));
  CheckpointWeights weights(Checkpoint::open(fixture("models/" + name) / "model.safetensors"));
  return make_model(config, weights);
}

struct AdapterFile {
  SafeTensors file;
  explicit AdapterFile(const std::string& name)
      : file(SafeTensors::open(fixture("adapters/" + name) / "golden.safetensors")) {}

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

void expect_close(std::span<const float> a, std::span<const float> b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  double largest = 0, difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(b[i])));
    difference = std::max(difference, std::fabs(static_cast<double>(a[i]) - b[i]));
  }
  EXPECT_LT(difference, 1e-4 * largest + 1e-8) << what;
}

std::vector<float> logits_of(const LanguageModel& model, std::span<const int32_t> ids, Workspace& workspace,
                             const Adapter* adapter) {
  Pass pass(workspace);
  pass.add(ids, nullptr, Logits::all, adapter);
  const Tensor logits = model(pass);
  return {logits.values().begin(), logits.values().end()};
}

// Mean cross entropy of the next token over all sequences, on a tape.
Tensor loss_of(const LanguageModel& model, Pass& pass, const std::vector<std::vector<int32_t>>& sequences,
               const Adapter* adapter) {
  std::vector<int32_t> targets;
  std::vector<float> weights;
  const auto predictions = static_cast<float>(sequences.size() * (sequences[0].size() - 1));
  for (const auto& ids : sequences) {
    pass.add(ids, nullptr, Logits::all, adapter);
    targets.insert(targets.end(), ids.begin() + 1, ids.end());
    targets.push_back(0);
    weights.insert(weights.end(), ids.size() - 1, 1 / predictions);
    weights.push_back(0);
  }
  return cross_entropy(model(pass), targets, weights);
}

class AdapterGolden : public ::testing::TestWithParam<std::string> {};
// Every folder there is.
std::vector<std::string> goldens(bool with_gradients) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(fixture("adapters"))) {
    const std::string name = entry.path().filename().string();
    const AdapterFile golden(name);
    bool gradients = false;
    for (const std::string_view tensor : golden.file.names()) gradients |= tensor.starts_with("grad/");
    if (gradients || !with_gradients) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Peft, AdapterGolden, ::testing::ValuesIn(goldens(false)),
                         [](const auto& name) { return name.param; });

std::unique_ptr<LanguageModel> base_of(const std::string& adapter) {
  return open_base(read_adapter_config(Config::open(fixture("adapters/" + adapter) / "adapter_config.json")).base);
}

TEST_P(AdapterGolden, LogitsEqualTheReference) {
  const AdapterFile golden(GetParam());
  const auto model = base_of(GetParam());
  Workspace workspace(2);
  const auto adapter = open_adapter(fixture("adapters/" + GetParam()), model->adaptable_weights(workspace), workspace);
  Pass pass(workspace);
  for (const auto& ids : golden.sequences()) pass.add(ids, nullptr, Logits::all, adapter.get());
  const Tensor logits = (*model)(pass);
  expect_close(logits.values(), golden.values("logits"), "logits");
}

// Beside a run without an adapter and one with another, in any order: to the bit what each is alone.
TEST_P(AdapterGolden, OthersInTheBatchChangeNoBit) {
  const auto model = base_of(GetParam());
  Workspace workspace(2);
  const auto weights = model->adaptable_weights(workspace);
  const auto one = open_adapter(fixture("adapters/" + GetParam()), weights, workspace);
  const auto other = open_adapter(fixture("adapters/" + GetParam()), weights, workspace);
  const auto ids = AdapterFile(GetParam()).sequences()[0];
  const std::vector<int32_t> few(ids.begin(), ids.begin() + 7);
  for (const Kernels* set : available_kernels()) {
    use_kernels(*set);
    const auto plain = logits_of(*model, ids, workspace, nullptr), with = logits_of(*model, ids, workspace, one.get());
    EXPECT_NE(plain, with);
    Pass pass(workspace);
    pass.add(few, nullptr, Logits::last, other.get());
    pass.add(ids, nullptr, Logits::all, one.get());
    pass.add(few, nullptr, Logits::none, one.get());
    pass.add(ids);
    const Tensor together = (*model)(pass);
    const auto from = [&](size_t row) {
      return together.values().subspan(row * static_cast<size_t>(together.width()));
    };
    EXPECT_EQ(std::memcmp(from(1).data(), with.data(), with.size() * sizeof(float)), 0) << set->name;
    EXPECT_EQ(std::memcmp(from(1 + ids.size()).data(), plain.data(), plain.size() * sizeof(float)), 0) << set->name;
    const auto short_one = logits_of(*model, few, workspace, one.get());
    const auto width = static_cast<size_t>(together.width());
    EXPECT_EQ(std::memcmp(from(0).data(), short_one.data() + 6 * width, width * sizeof(float)), 0) << set->name;
  }
  use_kernels(*available_kernels().back());
}

class AdapterGradients : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Peft, AdapterGradients, ::testing::ValuesIn(goldens(true)),
                         [](const auto& name) { return name.param; });

TEST_P(AdapterGradients, EqualTheReference) {
  const AdapterFile golden(GetParam());
  const auto model = base_of(GetParam());
  Workspace workspace(2);
  const auto published =
      open_adapter(fixture("adapters/" + GetParam()), model->adaptable_weights(workspace), workspace);
  Adapter opened;
  std::map<std::string, std::vector<float>> sums;
  for (const auto& [name, weight] : published->replacements()) opened.replace(name, weight);
  for (const auto& [path, change] : published->changes()) {
    // Of an expert's factors the reference has the gradient in the tensor that holds those of all.
    if (path.find(".experts.") != path.npos) {
      opened.add(path, change);
      continue;
    }
    const bool embedding = path.ends_with("embed_tokens");
    const auto open = [&](const Tensor& t, const std::string& end) {
      if (!t) return t;
      auto& sum = sums["grad/base_model.model." + path + end];
      sum.assign(static_cast<size_t>(t.shape().elements()), 0.0f);
      auto gradient = std::make_shared<Gradient>();
      gradient->memory = {std::shared_ptr<void>(), sum.data()};
      gradient->size = t.shape().elements();
      return t.opened(gradient);
    };
    opened.add(path, {open(change.a, embedding ? ".lora_embedding_A" : ".lora_A.weight"),
                      open(change.b, embedding ? ".lora_embedding_B" : ".lora_B.weight"),
                      change.scale,
                      open(change.magnitude, ".lora_magnitude_vector"),
                      {}});
  }
  Pass learn(workspace, {.record = true});
  const Tensor loss = loss_of(*model, learn, golden.sequences(), &opened);
  EXPECT_NEAR(loss.f32()[0], golden.values("loss")[0], 2e-5);
  learn.backward(loss);
  EXPECT_GE(sums.size(), 4u);
  for (const auto& [name, sum] : sums) expect_close(sum, golden.values(name), name);
}

TEST(AdapterConfig, ScalesThatFloat32CannotHoldAreRefused) {
  const auto scale = [](double alpha, bool rslora = false) -> std::string {
    AdapterConfig config;
    config.alpha = alpha;
    config.rslora = rslora;
    try {
      return fmt::format("{}", config.scale("model.layers.0.self_attn.q_proj", 4));
    } catch (const Error& error) { return error.what(); }
  };
  EXPECT_EQ(scale(16), "4");
  EXPECT_EQ(scale(16, true), "8");
  EXPECT_EQ(scale(-0.0), "-0");
  EXPECT_EQ(scale(1e-320), "0");
  EXPECT_EQ(
      scale(1e308),
      "lora_alpha: expected a scale that float32 holds, got 1e+308 for model.layers.0.self_attn.q_proj, of rank 4");
  EXPECT_EQ(scale(-1e39, true).find("lora_alpha: expected a scale"), 0u);
}

TEST(Adapters, SeveralAtOnceGiveTheBitsOfEachAlone) {
  const auto model = open_base();
  Workspace workspace(2);
  const auto weights = model->adaptable_weights(workspace);
  std::vector<std::shared_ptr<const Adapter>> adapters = {nullptr};
  for (const char* name : {"lora", "rslora", "dora"})
    adapters.push_back(open_adapter(fixture("adapters/" + std::string(name)), weights, workspace));
  const auto ids = AdapterFile("lora").sequences()[0];
  for (const Kernels* set : available_kernels()) {
    use_kernels(*set);
    Pass pass(workspace);
    const std::vector<size_t> order = {2, 0, 1, 3, 0, 1};
    for (size_t i : order) pass.add(ids, nullptr, Logits::all, adapters[i].get());
    const Tensor together = (*model)(pass);
    const size_t size = ids.size() * static_cast<size_t>(together.width());
    for (size_t i = 0; i < order.size(); ++i) {
      const auto alone = logits_of(*model, ids, workspace, adapters[order[i]].get());
      EXPECT_EQ(std::memcmp(together.f32() + i * size, alone.data(), size * sizeof(float)), 0)
          << set->name << ", run " << i;
    }
  }
  use_kernels(*available_kernels().back());
}

TEST(Adapters, AreTrainedSavedAndServedWithTheSameBits) {
  for (const bool dora : {false, true}) {
    const auto model = open_base("llama2_tiny");
    Workspace workspace(2);
    const auto weights = model->adaptable_weights(workspace);
    AdapterConfig config;
    config.rank = 4;
    config.dora = dora;
    config.targets = {"q_proj", "down_proj", "embed_tokens", "lm_head"};
    Parameters parameters(DType::f32, 5);
    const auto adapter = make_adapter(config, weights, parameters, 5, workspace);
    const auto sequences = AdapterFile("lora").sequences();
    const auto before = logits_of(*model, sequences[0], workspace, nullptr);
    const auto untrained = logits_of(*model, sequences[0], workspace, adapter.get());
    for (size_t i = 0; i < before.size(); ++i) ASSERT_EQ(before[i], untrained[i]) << "a new adapter changes nothing";

    double first = 0;
    for (int step = 0; step < 3; ++step) {
      Pass learn(workspace, {.record = true});
      const Tensor loss = loss_of(*model, learn, sequences, adapter.get());
      if (step == 0) first = loss.f32()[0];
      if (step == 2) { EXPECT_LT(loss.f32()[0], first - 0.02); }
      parameters.clear_gradients(workspace.pool);
      learn.backward(loss);
      for (Parameter& parameter : parameters.all())
        for (size_t i = 0; i < parameter.master.size(); ++i) parameter.master[i] -= 0.05f * parameter.gradients()[i];
      parameters.publish(workspace.pool);
    }
    const auto trained = logits_of(*model, sequences[0], workspace, adapter.get());
    EXPECT_NE(trained, before);

    const testing::TemporaryFolder folder;
    save_adapter(folder.path(), config, parameters);
    const auto served = open_adapter(folder.path(), weights, workspace);
    EXPECT_EQ(logits_of(*model, sequences[0], workspace, served.get()), trained);
  }
}

class AdapterRefuses : public ::testing::Test {
 protected:
  std::string message(const std::function<void(Json&)>& change, const std::string& base = "llama_bias_tiny") {
    Json config = read_json(fixture("adapters/lora") / "adapter_config.json");
    change(config);
    std::filesystem::copy_file(fixture("adapters/lora") / "adapter_model.safetensors",
                               folder / "adapter_model.safetensors", std::filesystem::copy_options::overwrite_existing);
    write_file(folder / "adapter_config.json", config.dump());
    return opening(base);
  }
  std::string opening(const std::string& base = "llama_bias_tiny") {
    try {
      const auto model = open_base(base);
      open_adapter(folder.path(), model->adaptable_weights(workspace), workspace);
      return "accepted";
    } catch (const Error& error) { return error.what(); }
  }
  const testing::TemporaryFolder folder;
  Workspace workspace{1};
};

TEST_F(AdapterRefuses, WhatItDoesNotDoByName) {
  using ::testing::HasSubstr;
  EXPECT_EQ(message([](Json&) {}), "accepted");
  EXPECT_THAT(message([](Json& c) { c["bias"] = "some"; }), HasSubstr("bias"));
  EXPECT_THAT(message([](Json& c) { c["trainable_token_indices"] = {1}; }), HasSubstr("trainable_token_indices"));
  EXPECT_THAT(message([](Json& c) { c["alora_invocation_tokens"] = {1}; }), HasSubstr("alora_invocation_tokens"));
  EXPECT_THAT(message([](Json& c) { c["peft_type"] = "IA3"; }), HasSubstr("IA3"));
  EXPECT_THAT(message([](Json& c) { c["init_lora_weights"] = "pissa"; }), HasSubstr("pissa"));
  EXPECT_THAT(message([](Json& c) { c["modules_to_save"] = {"lm_head"}; }),
              HasSubstr("modules_to_save has lm_head, but there is no lm_head.weight"));
  EXPECT_THAT(message([](Json& c) { c["layer_replication"] = {{0, 1}}; }), HasSubstr("layer_replication"));
  EXPECT_THAT(message([](Json& c) { c["fan_in_fan_out"] = true; }), HasSubstr("fan_in_fan_out"));
  EXPECT_THAT(message([](Json& c) { c["lora_bias"] = true; }), HasSubstr("lora_bias"));
  EXPECT_THAT(message([](Json& c) { c["alpha_pattern"] = {{"(layers", 3}}; }), HasSubstr("alpha_pattern.\"(layers\""));
  EXPECT_THAT(message([](Json& c) { c["alpha_pattern"] = {{"(?a)q_proj", 3}}; }),
              HasSubstr("alpha_pattern.\"(?a)q_proj\""));
  EXPECT_THAT(message([](Json& c) { c["use_dora"] = true; }), HasSubstr("magnitude"));
  EXPECT_THAT(message([](Json& c) { c["r"] = 0; }), HasSubstr("r: "));
}

TEST_F(AdapterRefuses, NothingForWhatChangesNothing) {
  EXPECT_EQ(message([](Json& c) {
              c["target_modules"] = ".*\\.(q|k)_proj";
              c["exclude_modules"] = "(?!x).*lm_head";
              c["rank_pattern"] = {{"^model\\.layers\\.\\d+\\.q_proj", 4}};
              c["trainer_note"] = "x";
            }),
            "accepted");
  const auto config = read_adapter_config(Config::open(folder / "adapter_config.json"));
  ASSERT_EQ(config.warnings.size(), 1u);
  EXPECT_THAT(config.warnings[0], ::testing::HasSubstr("\"trainer_note\": read by nothing"));
}

// As peft 0.21.2's get_pattern_key says of each.
TEST(AdapterPatterns, AreReadAsPythonReadsThem) {
  const auto alpha = [](const std::string& pattern, const std::string& path) {
    AdapterConfig config;
    config.alpha = 1;
    config.alpha_pattern = {{pattern, 5}};
    return config.scale(path, 1);
  };
  const std::string q = "model.layers.11.self_attn.q_proj";
  for (const char* fits :
       {"q_proj", "self_attn.q_proj", "^model.layers.11.self_attn.q_proj", "layers\\.\\d+\\.self_attn\\.[qk]_proj",
        "(?P<x>q)_proj", "\\w+", "(?!k)._proj", "layers\\.1{2}\\..*", "(?i:Q)_proj", "k_proj|q_proj", "a)|(.*q_proj"})
    EXPECT_EQ(alpha(fits, q), 5) << fits;
  for (const char* other : {"_proj", "proj", "q_pro", "^q_proj", "layers.1.self_attn.q_proj", "layers\\.\\d\\..*",
                            "Q_proj", "q_proj\\.", "(?!q)._proj", ""})
    EXPECT_EQ(alpha(other, q), 1) << other;
}

TEST_F(AdapterRefuses, ABaseItDoesNotFit) {
  using ::testing::HasSubstr;
  EXPECT_THAT(message([](Json&) {}, "llama2_tiny"), HasSubstr("expected shape"));
}

TEST_F(AdapterRefuses, TensorsThatBelongToNothing) {
  using ::testing::HasSubstr;
  message([](Json&) {});
  const std::vector<float> zeros(64);
  const auto bytes = std::as_bytes(std::span(zeros));
  const auto with = [&](const std::string& name) {
    const std::vector<RawTensor> tensors = {{name, DType::f32, {2, 32}, bytes, nullptr}};
    write_safetensors(folder / "adapter_model.safetensors", tensors);
    return opening();
  };
  EXPECT_THAT(with("base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight"), HasSubstr("only one"));
  EXPECT_THAT(with("base_model.model.model.layers.9.self_attn.k_proj.lora_A.weight"), HasSubstr("layers.9"));
  EXPECT_THAT(with("base_model.model.model.embed_tokens.lora_embedding_A"),
              HasSubstr("embed_tokens, lora_A and lora_B"));
  EXPECT_THAT(with("base_model.model.model.embed_tokens.weight"), HasSubstr("embed_tokens.weight: expected shape"));
  EXPECT_THAT(with("base_model.model.model.layers.0.sinks.weight"), HasSubstr("layers.0.sinks.weight"));
  EXPECT_THAT(with("base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"),
              HasSubstr("trainable_tokens_delta"));
  EXPECT_THAT(with("model.layers.0.self_attn.k_proj.lora_A.weight"), HasSubstr("base_model.model."));
  write_safetensors(folder / "adapter_model.safetensors", {});
  EXPECT_THAT(opening(), HasSubstr("changes nothing"));
  std::filesystem::remove(folder / "adapter_model.safetensors");
  write_file(folder / "adapter_model.bin", "pickle");
  EXPECT_THAT(opening(), HasSubstr("pickle"));
}

}  // namespace
}  // namespace glassbox
