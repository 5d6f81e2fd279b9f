// What tests of models share: golden files (tests/reference/make_family_goldens.py) and comparisons.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "formats/config.h"
#include "formats/safetensors.h"
#include "models/registry.h"
#include "tests/testing.h"

namespace glassbox::testing {

// A folder of tests/fixtures/models: a small random model as published, and what the reference made of it.
struct Golden {
  std::filesystem::path folder;
  SafeTensors file;

  explicit Golden(const std::string& name)
      : folder(fixture("models/" + name)), file(SafeTensors::open(folder / "golden.safetensors")) {}

  bool has(const std::string& name) const { return file.find(name).has_value(); }
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
  Checkpoint checkpoint() const { return Checkpoint::open(folder / "model.safetensors"); }
  Config config() const { return Config::open(folder); }
};

// As published.
inline std::unique_ptr<LanguageModel> open_model(const std::filesystem::path& folder,
                                                 const std::string& config_file = "config.json") {
  Config config = Config::open(folder / config_file);
  CheckpointWeights weights(Checkpoint::open(folder / "model.safetensors"));
  return make_model(config, weights);
}

// Tokens that have nothing to do with anything.
inline std::vector<int32_t> stranger(uint64_t key, size_t length, int64_t vocabulary) {
  std::vector<int32_t> ids(length);
  for (size_t i = 0; i < length; ++i) ids[i] = static_cast<int32_t>(philox(key, i)[0] % vocabulary);
  return ids;
}

// Logits of a sequence that is all there is.
inline std::vector<float> alone(const LanguageModel& model, std::span<const int32_t> ids, Workspace& workspace) {
  Pass pass(workspace);
  pass.add(ids);
  const Tensor logits = model(pass);
  return {logits.values().begin(), logits.values().end()};
}

inline double largest_of(std::span<const float> values) {
  double largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(static_cast<double>(value)));
  return largest;
}

// NaN if there is any on either side: no comparison lets it pass.
inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::fabs(static_cast<double>(a[i]) - b[i]);
    if (!(difference <= largest)) largest = difference;
    if (std::isnan(difference)) return difference;
  }
  return largest;
}

inline double root_mean_square(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

inline void expect_same_bits(std::span<const float> a, std::span<const float> b, const std::string& where) {
  ASSERT_EQ(a.size(), b.size()) << where;
  ASSERT_EQ(std::memcmp(a.data(), b.data(), a.size_bytes()), 0)
      << where << ": largest difference " << largest_difference(a, b);
}

}  // namespace glassbox::testing
