// Checkpoints with weights of a few bits as they are published (FP8 in blocks, MXFP4, int4 of AWQ and GPTQ), written as
// GGUF: the numbers their bytes mean.
#include <gmock/gmock.h>

#include <cstring>
#include <functional>
#include <map>

#include "base/error.h"
#include "base/random.h"
#include "convert/convert.h"
#include "convert/convert_testing.h"
#include "convert/quantize.h"
#include "formats/quantization.h"
#include "tensor/blocks.h"
#include "tensor/product.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;
using testing::from_folder;
using testing::from_gguf;
using testing::logits;
using testing::TemporaryFolder;

// Tensors that are being made up; bytes are owned here.
struct Checkpoints {
  std::map<std::string, std::vector<std::byte>> bytes;
  std::vector<RawTensor> tensors;

  void add(const std::string& name, DType dtype, std::vector<int64_t> shape, std::vector<std::byte> data) {
    const auto kept = bytes.emplace(name, std::move(data)).first;
    tensors.push_back({kept->first, dtype, std::move(shape), kept->second, nullptr});
  }
  // Any bits, but for what `fix` makes of each byte.
  void add_random(const std::string& name, DType dtype, std::vector<int64_t> shape,
                  const std::function<std::byte(std::byte)>& fix = {}) {
    std::vector<std::byte> data(*tensor_bytes(dtype, shape));
    for (size_t i = 0; i < data.size(); ++i) {
      data[i] = static_cast<std::byte>(philox(key_of(7, name), i)[0]);
      if (fix) data[i] = fix(data[i]);
    }
    add(name, dtype, std::move(shape), std::move(data));
  }
  template <class T>
  void add_values(const std::string& name, DType dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
    std::vector<std::byte> data(values.size() * sizeof(T));
    std::memcpy(data.data(), values.data(), data.size());
    add(name, dtype, std::move(shape), std::move(data));
  }
};

const Json kQwen2 = {{"model_type", "qwen2"},       {"vocab_size", 64},
                     {"hidden_size", 64},           {"intermediate_size", 96},
                     {"num_hidden_layers", 2},      {"num_attention_heads", 4},
                     {"num_key_value_heads", 2},    {"max_position_embeddings", 512},
                     {"rms_norm_eps", 1e-6},        {"rope_theta", 10000.0},
                     {"tie_word_embeddings", false}};
const Json kDeepseek = {{"model_type", "deepseek_v3"},
                        {"vocab_size", 64},
                        {"hidden_size", 160},
                        {"intermediate_size", 192},
                        {"num_hidden_layers", 2},
                        {"num_attention_heads", 4},
                        {"max_position_embeddings", 512},
                        {"rms_norm_eps", 1e-6},
                        {"rope_theta", 10000.0},
                        {"tie_word_embeddings", false},
                        {"num_experts_per_tok", 2},
                        {"n_routed_experts", 3},
                        {"n_group", 1},
                        {"topk_group", 1},
                        {"n_shared_experts", 1},
                        {"routed_scaling_factor", 2.5},
                        {"norm_topk_prob", true},
                        {"moe_intermediate_size", 64},
                        {"first_k_dense_replace", 1},
                        {"q_lora_rank", 64},
                        {"kv_lora_rank", 96},
                        {"qk_nope_head_dim", 32},
                        {"qk_rope_head_dim", 16},
                        {"v_head_dim", 48}};
const Json kGptOss = {{"model_type", "gpt_oss"},  {"vocab_size", 64},       {"hidden_size", 64},
                      {"intermediate_size", 96},  {"num_hidden_layers", 2}, {"num_attention_heads", 4},
                      {"num_key_value_heads", 2}, {"head_dim", 16},         {"max_position_embeddings", 512},
                      {"rms_norm_eps", 1e-5},     {"rope_theta", 150000.0}, {"tie_word_embeddings", false},
                      {"num_experts_per_tok", 2}, {"num_local_experts", 3}, {"sliding_window", 8},
                      {"attention_bias", true}};

bool is_projection(const std::string& name) { return name.find("_proj") != name.npos && name.ends_with(".weight"); }

void add_fp8(Checkpoints& all, const std::string& name, const std::vector<int64_t>& shape) {
  // Neither NaN nor numbers so large that logits say nothing.
  all.add_random(name, DType::f8_e4m3, shape, [](std::byte b) { return b & std::byte{0xb7}; });
  const std::vector<int64_t> blocks = {(shape[0] + 127) / 128, (shape[1] + 127) / 128};
  std::vector<float> scales;
  for (int64_t i = 0; i < blocks[0] * blocks[1]; ++i) scales.push_back(0.01f + 0.003f * static_cast<float>(i));
  all.add_values(name + "_scale_inv", DType::f32, blocks, scales);
}

void add_int4(Checkpoints& all, const std::string& name, const std::vector<int64_t>& shape, bool awq, bool in_order) {
  const std::string stem = name.substr(0, name.size() - 6);
  const int64_t n = shape[0], k = shape[1], groups = k / 32;
  all.add_random(stem + "qweight", DType::i32, awq ? std::vector{k, n / 8} : std::vector{k / 8, n});
  all.add_random(stem + "qzeros", DType::i32, {groups, n / 8});
  std::vector<uint16_t> scales;
  for (int64_t i = 0; i < groups * n; ++i) scales.push_back(f32_to_f16(0.004f + 0.0001f * static_cast<float>(i % 13)));
  all.add_values(stem + "scales", DType::f16, {groups, n}, scales);
  if (awq) return;
  std::vector<int32_t> order;
  for (int64_t i = 0; i < k; ++i) order.push_back(static_cast<int32_t>((in_order ? i : k - 1 - i) / 32));
  all.add_values(stem + "g_idx", DType::i32, {k}, order);
}

void add_mxfp4(Checkpoints& all, const std::string& name, const std::vector<int64_t>& shape) {
  std::vector<int64_t> sizes = {shape[0], shape[1], shape[2] / 32};
  all.add_random(name + "_scales", DType::u8, sizes, [](std::byte b) { return (b & std::byte{3}) | std::byte{120}; });
  sizes.push_back(16);
  all.add_random(name + "_blocks", DType::u8, sizes);
}

// Everything the model of a configuration asks for; a tokenizer; quantization_config.
void publish(const fs::path& folder, const std::string& method) {
  const Json& base = method == "fp8" ? kDeepseek : method == "mxfp4" ? kGptOss : kQwen2;
  Json config = base;
  if (method == "fp8")
    config["quantization_config"] = {
        {"quant_method", "fp8"}, {"fmt", "e4m3"}, {"activation_scheme", "dynamic"}, {"weight_block_size", {128, 128}}};
  if (method == "mxfp4") config["quantization_config"] = {{"quant_method", "mxfp4"}};
  if (method == "awq")
    config["quantization_config"] = {
        {"quant_method", "awq"}, {"bits", 4}, {"group_size", 32}, {"zero_point", true}, {"version", "gemm"}};
  if (method.starts_with("gptq"))
    config["quantization_config"] = {{"quant_method", "gptq"},
                                     {"bits", 4},
                                     {"group_size", 32},
                                     {"sym", false},
                                     {"desc_act", method == "gptq_order"}};
  testing::publish("qwen2_tiny", folder);
  write_file(folder / "config.json", dump_json(config));
  Checkpoints all;
  Config asked(base, "config.json");
  PlannedWeights planned(method == "mxfp4" ? DType::f4_e2m1 : DType::bf16);
  build_model(asked, planned);
  for (const TensorInfo* tensor : planned.tensors()) {
    const std::string& name = tensor->name;
    if (method == "fp8" && is_projection(name)) {
      add_fp8(all, name, tensor->shape);
    } else if (method == "mxfp4" && tensor->dtype == DType::f4_e2m1) {
      add_mxfp4(all, name, tensor->shape);
    } else if ((method == "awq" || method.starts_with("gptq")) && is_projection(name)) {
      add_int4(all, name, tensor->shape, method == "awq", method != "gptq_order");
    } else {
      std::vector<uint16_t> values;
      for (uint64_t i = 0; i < *tensor_bytes(DType::bf16, tensor->shape) / 2; ++i)
        values.push_back(f32_to_bf16(tensor->shape.size() == 1 ? 1 : uniform(key_of(3, name), i) - 0.5f));
      all.add_values(name, DType::bf16, tensor->shape, values);
    }
  }
  write_safetensors(folder / "model.safetensors", all.tensors);
}

class PublishedFormat : public ::testing::TestWithParam<const char*> {};

TEST_P(PublishedFormat, MeansTheSameInGguf) {
  TemporaryFolder folder;
  publish(folder / "model", GetParam());
  convert((folder / "model").string(), (folder / "m.gguf").string(), {});
  const GgufCheckpoint got(Gguf::open(folder / "m.gguf"));
  Config config = Config::open(folder / "model");
  CheckpointWeights meant(Checkpoint::open(folder / "model"), read_quantization(config));
  int64_t seen = 0;
  for (const TensorInfo& tensor : got.tensors()) {
    const Tensor w = meant.get(tensor.name, Shape(std::span<const int64_t>(tensor.shape)));
    const RawTensor raw = *got.find(tensor.name);
    if (w.dtype() == DType::f4_e2m1) { EXPECT_EQ(raw.dtype, DType::mxfp4) << tensor.name; }
    const std::vector<float> y = testing::floats(raw);
    std::vector<float> x(y.size());
    if (tensor.shape.size() == 3) {
      for (int64_t e = 0; e < tensor.shape[0]; ++e)
        widen(w.select(e), 0, tensor.shape[1], x.data() + e * tensor.shape[1] * tensor.shape[2]);
    } else if (tensor.shape.size() == 2) {
      widen(w, 0, tensor.shape[0], x.data());
    } else {
      continue;
    }
    if (w.dtype() != DType::f4_e2m1)
      for (float& value : x) value = bf16_to_f32(f32_to_bf16(value));
    EXPECT_EQ(x, y) << tensor.name;
    seen += w.dtype() != DType::bf16;
  }
  EXPECT_GE(seen, 4);
}

// From folder to folder: byte by byte, or all weights in a dtype, by way of GGUF or not.
TEST_P(PublishedFormat, MeansTheSameInAFolderOfAnotherDtype) {
  TemporaryFolder folder;
  publish(folder / "model", GetParam());
  convert((folder / "model").string(), (folder / "same").string(), {});
  const Checkpoint before = Checkpoint::open(folder / "model"), same = Checkpoint::open(folder / "same");
  ASSERT_EQ(before.names(), same.names());
  for (const std::string_view tensor : before.names())
    EXPECT_TRUE(testing::same_bytes(before.find(tensor)->bytes, same.find(tensor)->bytes)) << tensor;
  EXPECT_EQ(read_json(folder / "same/config.json"), read_json(folder / "model/config.json"));
  EXPECT_EQ(read_file(folder / "same/tokenizer.json"), read_file(folder / "model/tokenizer.json"));

  ConvertOptions wide;
  wide.dtype = DType::bf16;
  convert((folder / "model").string(), (folder / "wide").string(), wide);
  convert((folder / "model").string(), (folder / "m.gguf").string(), wide);
  convert((folder / "m.gguf").string(), (folder / "back").string(), wide);
  const Checkpoint there = Checkpoint::open(folder / "wide"), back = Checkpoint::open(folder / "back");
  ASSERT_EQ(there.names(), back.names());
  for (const TensorInfo* tensor : there.tensors()) {
    const RawTensor other = *back.find(tensor->name);
    EXPECT_EQ(tensor->dtype, DType::bf16) << tensor->name;
    EXPECT_EQ(tensor->shape, other.shape) << tensor->name;
    EXPECT_TRUE(testing::same_bytes(there.find(tensor->name)->bytes, other.bytes)) << tensor->name;
  }
  EXPECT_FALSE(read_json(folder / "wide/config.json").contains("quantization_config"));
  EXPECT_EQ(read_json(folder / "wide/config.json")["torch_dtype"], "bfloat16");
  EXPECT_EQ(logits(*from_folder(folder / "wide")).size(), 40u * 64);
}

TEST_P(PublishedFormat, CanBeQuantized) {
  TemporaryFolder folder;
  publish(folder / "model", GetParam());
  QuantizeOptions options;
  options.type = "Q8_0";
  options.threads = 1;
  for (const QuantizedTensor& tensor :
       quantize_model((folder / "model").string(), (folder / "q.gguf").string(), options))
    EXPECT_LT(tensor.relative, 0.02) << tensor.name;
  EXPECT_EQ(logits(*from_gguf(folder / "q.gguf")).size(), 40u * 64);
}

INSTANTIATE_TEST_SUITE_P(Methods, PublishedFormat, ::testing::Values("fp8", "mxfp4", "awq", "gptq", "gptq_order"),
                         [](const auto& each) { return std::string(each.param); });

// gpt-oss as it is published goes there and back with every byte, and computes the same to the bit.
TEST(PublishedMxfp4, PassesThrough) {
  TemporaryFolder folder;
  publish(folder / "model", "mxfp4");
  convert((folder / "model").string(), (folder / "m.gguf").string(), {});
  convert((folder / "m.gguf").string(), (folder / "back").string(), {});
  EXPECT_EQ(logits(*from_folder(folder / "model")), logits(*from_gguf(folder / "m.gguf")));
  const Checkpoint before = Checkpoint::open(folder / "model"), after = Checkpoint::open(folder / "back");
  ASSERT_EQ(before.names(), after.names());
  for (const std::string_view tensor : before.names()) {
    EXPECT_EQ(before.find(tensor)->shape, after.find(tensor)->shape) << tensor;
    EXPECT_TRUE(testing::same_bytes(before.find(tensor)->bytes, after.find(tensor)->bytes)) << tensor;
  }
  EXPECT_EQ(logits(*from_folder(folder / "model")), logits(*from_folder(folder / "back")));
  // As other numbers where a person asks for them.
  ConvertOptions wide;
  wide.dtype = DType::bf16;
  convert((folder / "m.gguf").string(), (folder / "wide").string(), wide);
  const Checkpoint widened = Checkpoint::open(folder / "wide");
  for (const TensorInfo* tensor : widened.tensors()) EXPECT_EQ(tensor->dtype, DType::bf16);
  EXPECT_EQ(logits(*from_folder(folder / "wide")).size(), 40u * 64);
}

// F64 is rounded to float32, as on opening; the rest stays.
TEST(PublishedF64, IsRounded) {
  TemporaryFolder folder;
  testing::publish("qwen2_tiny", folder / "model");
  {
    const Checkpoint narrow = Checkpoint::open(testing::golden("qwen2_tiny"));
    Checkpoints all;
    for (const TensorInfo* tensor : narrow.tensors()) {
      const RawTensor raw = *narrow.find(tensor->name);
      std::vector<double> wide;
      for (const float value : testing::floats(raw)) wide.push_back(static_cast<double>(value) * (1 + 1e-12));
      all.add_values(tensor->name, DType::f64, tensor->shape, wide);
    }
    write_safetensors(folder / "model/model.safetensors", all.tensors);
  }
  convert((folder / "model").string(), (folder / "m.gguf").string(), {});
  EXPECT_EQ(logits(*from_gguf(folder / "m.gguf")), logits(*from_folder(testing::golden("qwen2_tiny"))));
}

}  // namespace
}  // namespace glassbox
