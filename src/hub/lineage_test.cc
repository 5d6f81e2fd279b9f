#include "hub/lineage.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "hub/studies.h"
#include "hub/testing.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
  bool bf16 = false;
};

std::vector<float> random_values(int64_t count, uint64_t seed, float scale = 1.0f) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(scale * (uniform(seed, static_cast<uint64_t>(i)) - 0.5f));
  return values;
}

std::string safetensors(const std::vector<Tensor>& tensors) {
  Json header = Json::object();
  std::string data;
  for (const Tensor& tensor : tensors) {
    const size_t begin = data.size();
    for (const float value : tensor.values) {
      const uint16_t half = f32_to_bf16(value);
      data.append(tensor.bf16 ? reinterpret_cast<const char*>(&half) : reinterpret_cast<const char*>(&value),
                  tensor.bf16 ? 2 : 4);
    }
    header[tensor.name] = {
        {"dtype", tensor.bf16 ? "BF16" : "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  std::string size(8, '\0');
  for (size_t i = 0; i < 8; ++i) size[i] = static_cast<char>(text.size() >> (8 * i));
  return size + text + data;
}

class LineageTest : public ::testing::Test {
 protected:
  void publish(const std::string& name, const std::vector<Tensor>& tensors, const std::string& card = "",
               const std::vector<Change>& more = {}) {
    hub_.create(me_, kModel, "local", name, false);
    std::vector<Change> changes = more;
    changes.push_back(PutFile{"model.safetensors", safetensors(tensors)});
    if (!card.empty()) changes.push_back(PutFile{"README.md", "---\n" + card + "---\n"});
    hub_.commit(me_, kModel, "local/" + name, {std::string(kMainBranch), "weights", "", {}, changes});
  }
  Json lineage(const std::string& name) {
    hub_.studies().wait();
    return hub_.view(me_, [&](View& view) { return view.repository(kModel, "local/" + name).facts; })
        .value("lineage", Json::object())
        .value("local/base", Json::object());
  }
  std::string verdict(const std::string& name) { return lineage(name).value("verdict", "(none)"); }

  const std::string of_base = "base_model: local/base\n";
  const Tensor q{"layers.0.q_proj.weight", {64, 64}, random_values(4096, 1)};
  const Tensor k{"layers.0.k_proj.weight", {64, 64}, random_values(4096, 2)};
  const Tensor norm{"norm.weight", {2048}, std::vector<float>(2048, 1.0f)};
  testing::TemporaryFolder folder_;
  Hub hub_{folder_ / "hub"};
  Caller me_ = hub_.owner();
};

Tensor with(Tensor tensor, const std::vector<float>& change) {
  for (size_t i = 0; i < change.size(); ++i) tensor.values[i] += change[i];
  return tensor;
}

TEST_F(LineageTest, WhatHasTheBasesBytesIsVerified) {
  publish("base", {q, k, norm});
  publish("tuned", {q, with(k, random_values(4096, 3, 0.1f)), norm}, of_base);
  EXPECT_EQ(verdict("tuned"), "verified");
  EXPECT_EQ(lineage("tuned")["identical"], 2);
  EXPECT_EQ(lineage("tuned")["changed"], 1);
  EXPECT_NEAR(lineage("tuned")["change"].get<double>(), 0.1, 0.01);
}

TEST_F(LineageTest, WhatIsNearIsPlausible) {
  publish("base", {q, k, norm});
  publish("tuned", {with(q, random_values(4096, 4, 0.1f)), with(k, random_values(4096, 3, 0.1f)), norm}, of_base);
  EXPECT_EQ(verdict("tuned"), "plausible") << "norms of ones are alike everywhere";
}

TEST_F(LineageTest, RoundedToAnotherTypeItIsStillNear) {
  publish("base", {q, k});
  Tensor rounded = q, other = k;
  rounded.bf16 = other.bf16 = true;
  publish("rounded", {rounded, other}, of_base);
  EXPECT_EQ(verdict("rounded"), "plausible");
  EXPECT_LT(lineage("rounded")["change"].get<double>(), 0.01);
}

TEST_F(LineageTest, WhatIsUnrelatedIsContradicted) {
  publish("base", {q, k, norm});
  publish("other", {{q.name, q.shape, random_values(4096, 8)}, {k.name, k.shape, random_values(4096, 9)}, norm},
          of_base);
  EXPECT_EQ(verdict("other"), "contradicted");
  publish("shaped", {{q.name, {32, 128}, q.values}, k}, of_base);
  EXPECT_EQ(verdict("shaped"), "contradicted");
  publish("named", {{"x", {64, 64}, q.values}}, of_base);
  EXPECT_EQ(verdict("named"), "contradicted");
}

TEST_F(LineageTest, EqualConfigurationsShowNothing) {
  publish("base", {q}, "", {PutFile{"config.json", R"({"model_type": "llama"})"}});
  hub_.create(me_, kModel, "local", "empty", false);
  hub_.commit(
      me_, kModel, "local/empty",
      {std::string(kMainBranch),
       "card",
       "",
       {},
       {PutFile{"config.json", R"({"model_type": "llama"})"}, PutFile{"README.md", "---\n" + of_base + "---\n"}}});
  EXPECT_EQ(verdict("empty"), "unknown");
}

TEST_F(LineageTest, AnAdapterFitsOrDoesNot) {
  publish("base", {q, k});
  const PutFile config{"adapter_config.json", "{}"};
  const auto adapter = [&](const std::string& name, const std::string& module, int64_t inputs) {
    publish(name,
            {{"base_model.model." + module + ".lora_A.weight", {4, inputs}, random_values(4 * inputs, 5)},
             {"base_model.model." + module + ".lora_B.weight", {64, 4}, random_values(256, 6)}},
            of_base, {config});
    return verdict(name);
  };
  EXPECT_EQ(adapter("fits", "layers.0.q_proj", 64), "verified");
  EXPECT_EQ(adapter("wide", "layers.0.q_proj", 32), "contradicted");
  EXPECT_EQ(adapter("astray", "layers.9.q_proj", 64), "contradicted");
}

TEST_F(LineageTest, ABaseThatComesLaterIsHeldAgainst) {
  publish("tuned", {q, k}, of_base);
  EXPECT_EQ(verdict("tuned"), "unknown");
  publish("base", {q, k});
  EXPECT_EQ(verdict("tuned"), "verified");
}

TEST_F(LineageTest, HeadersOfStrangersAreChecked) {
  publish("m", {q});
  const auto tensors = [&](const std::string& bytes) {
    hub_.commit(me_, kModel, "local/m", {std::string(kMainBranch), "x", "", {}, {PutFile{"model.safetensors", bytes}}});
    const auto entry = hub_.view(me_, [](View& view) {
      return view.entry(view.resolve(view.repository(kModel, "local/m"), "main"), "model.safetensors");
    });
    return tensors_in(hub_.contents(), *entry);
  };
  const auto with_header = [](const std::string& header) {
    std::string size(8, '\0');
    size[0] = static_cast<char>(header.size());
    return size + header + std::string(8, 'x');
  };
  EXPECT_TRUE(tensors(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})")));
  for (const char* header : {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}})",
                             R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                             R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})",
                             R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})",
                             R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}})",
                             R"({"a":{"dtype":"F32","shape":[2]}})", R"({"a":3})", R"([1])", R"({"a":)"})
    EXPECT_FALSE(tensors(with_header(header))) << header;
  EXPECT_FALSE(tensors("short"));
  EXPECT_FALSE(tensors(std::string(8, '\xff') + "{}"));
}

}  // namespace
}  // namespace glassbox::hub
