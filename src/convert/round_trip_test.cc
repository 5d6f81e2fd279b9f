// Every golden model from safetensors to GGUF and back: the same model to the bit, and the same bytes. A folder under
// tests/fixtures/models is all it takes to be tested here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"
#include "convert/convert.h"
#include "convert/convert_testing.h"
#include "formats/gguf_config.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;
using testing::from_folder;
using testing::from_gguf;
using testing::golden;
using testing::logits;
using testing::publish;
using testing::same_bytes;
using testing::TemporaryFolder;

// What GGUF truly cannot say, and why. Nothing so far.
const std::map<std::string, std::string> kCannotBeSaid = {};

std::vector<std::string> fixtures() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(testing::fixture("models")))
    if (fs::exists(entry.path() / "golden.safetensors") && !kCannotBeSaid.contains(entry.path().filename()))
      names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

class RoundTrip : public ::testing::TestWithParam<std::string> {
 protected:
  TemporaryFolder folder;
  std::string there = (folder / "model.gguf").string(), back = (folder / "back").string();
  void SetUp() override { publish(GetParam(), folder / "model"); }

  void expect_same_tensors() const {
    const Checkpoint before = Checkpoint::open(folder / "model"), after = Checkpoint::open(folder / "back");
    ASSERT_EQ(before.names(), after.names());
    for (const std::string_view tensor : before.names()) {
      const RawTensor a = *before.find(tensor), b = *after.find(tensor);
      EXPECT_EQ(a.dtype, b.dtype) << tensor;
      EXPECT_EQ(a.shape, b.shape) << tensor;
      EXPECT_TRUE(same_bytes(a.bytes, b.bytes)) << tensor;
    }
  }
};

TEST_P(RoundTrip, IsTheSameModelInBothFormats) {
  convert((folder / "model").string(), there, {});
  const std::vector<float> meant = logits(*from_folder(folder / "model"));
  EXPECT_EQ(meant, logits(*from_gguf(there)));
  convert(there, back, {});
  EXPECT_EQ(meant, logits(*from_folder(back)));
  EXPECT_EQ(read_file(folder / "model/tokenizer.json"), read_file(folder / "back/tokenizer.json"));
}

TEST_P(RoundTrip, GivesBackEveryByte) {
  convert((folder / "model").string(), there, {});
  convert(there, back, {});
  expect_same_tensors();
}

// By way of the other spelling of config.json, and of float32, which holds every bf16.
TEST_P(RoundTrip, GivesBackEveryByteThroughFloats) {
  fs::remove(folder / "model/config.json");
  fs::copy_file(golden(GetParam()) / "config.transformers4.json", folder / "model/config.json");
  ConvertOptions wide;
  wide.dtype = DType::f32;
  convert((folder / "model").string(), there, wide);
  const auto model = from_gguf(there);
  EXPECT_EQ(model->shape().model_type, from_folder(folder / "model")->shape().model_type);
  const Checkpoint before = Checkpoint::open(folder / "model");
  const Gguf file = Gguf::open(there);
  for (const TensorInfo& tensor : file.tensors()) EXPECT_EQ(tensor.dtype, DType::f32) << tensor.name;
  convert(there, back, {});
  const Checkpoint after = Checkpoint::open(folder / "back");
  ASSERT_EQ(before.names(), after.names());
  for (const std::string_view tensor : before.names())
    EXPECT_EQ(testing::floats(*before.find(tensor)), testing::floats(*after.find(tensor))) << tensor;
}

INSTANTIATE_TEST_SUITE_P(Golden, RoundTrip, ::testing::ValuesIn(fixtures()),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace glassbox
