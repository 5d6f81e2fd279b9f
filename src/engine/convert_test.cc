#include "engine/convert.h"

#include <gmock/gmock.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "engine/gguf_source.h"
#include "engine/gguf_tokenizer.h"
#include "engine/model.h"
#include "engine/quantize.h"
#include "formats/gguf_checkpoint.h"
#include "formats/gguf_config.h"
#include "models/registry.h"
#include "nn/gguf_weights.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;
using testing::fixture;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

fs::path golden(const std::string& name) { return fixture("models/" + name); }
fs::path peers_file(const std::string& name) { return fixture("gguf/" + name + ".gguf"); }

std::vector<float> floats(const RawTensor& raw) {
  size_t count = 1;
  for (const int64_t size : raw.shape) count *= static_cast<size_t>(size);
  std::vector<float> values(count);
  to_float(raw.dtype, raw.bytes, values.data(), static_cast<int64_t>(count));
  return values;
}

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) { return std::ranges::equal(a, b); }

std::vector<float> logits(const LanguageModel& model) {
  Workspace workspace(1);
  Pass pass(workspace);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 40; ++i) tokens.push_back((i * 7 + 3) % 60);
  pass.add(tokens);
  const Tensor y = model(pass);
  return {y.values().begin(), y.values().end()};
}

std::unique_ptr<LanguageModel> from_folder(const fs::path& folder) {
  Config config = Config::open(folder);
  CheckpointWeights weights(Checkpoint::open(folder));
  return make_model(config, weights);
}

std::unique_ptr<LanguageModel> from_gguf(const fs::path& file) {
  const GgufCheckpoint checkpoint(Gguf::open(file));
  Config config(checkpoint.config(), file.string());
  GgufWeights weights(checkpoint);
  return make_model(config, weights);
}

// A folder as published: a golden model, and a tokenizer of its 64 ids.
void publish(const std::string& name, const fs::path& folder) {
  fs::create_directories(folder);
  fs::copy(golden(name) / "model.safetensors", folder);
  fs::copy(golden(name) / "config.json", folder);
  Json vocabulary = Json::object();
  for (int id = 2; id < 60; ++id) vocabulary[std::string(1, static_cast<char>('!' + id))] = id;
  const Json tokenizer = {
      {"version", "1.0"},
      {"added_tokens",
       {{{"id", 0}, {"content", "<s>"}, {"special", true}}, {{"id", 1}, {"content", "<tool>"}, {"special", false}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}}}};
  write_file(folder / "tokenizer.json", dump_json(tokenizer));
  write_file(
      folder / "tokenizer_config.json",
      dump_json({{"bos_token", "<s>"}, {"chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}"}}));
}

// What GGUF has no place for in these models: the scale of Gemma's queries (any but the published ones), OLMoE's clamp.
ConvertOptions unsaid(const std::string& name) {
  ConvertOptions options;
  if (name == "gemma2_tiny") options.ignore_keys = {"query_pre_attn_scalar"};
  if (name == "olmoe_tiny") options.ignore_keys = {"clip_qkv"};
  return options;
}

// Golden models as llama.cpp's own converter writes them (tests/reference/make_gguf_models.py).
class PeersFile : public ::testing::TestWithParam<const char*> {};

TEST_P(PeersFile, HasTheCheckpointsTensorsToTheBit) {
  const std::string name = GetParam();
  const Checkpoint meant = Checkpoint::open(golden(name));
  const GgufCheckpoint got(Gguf::open(peers_file(name)));
  size_t seen = 0;
  for (const std::string_view tensor : meant.names()) {
    const RawTensor a = *meant.find(tensor);
    const auto b = got.find(tensor);
    ASSERT_TRUE(b) << tensor;
    EXPECT_EQ(a.shape, b->shape) << tensor;
    // GGUF holds 1 + w of Gemma's norms: what is left of w is what the sum kept.
    std::vector<float> x = floats(a);
    if (name.starts_with("gemma") && tensor.find("norm") != tensor.npos)
      for (float& value : x) value = (value + 1) - 1;
    EXPECT_EQ(x, floats(*b)) << tensor;
    ++seen;
  }
  EXPECT_EQ(seen, got.tensors().size());
}

TEST_P(PeersFile, IsTheSameModel) {
  const std::string name = GetParam();
  // What llama.cpp's files do not say: Mistral's window, the scale of Gemma's queries, OLMoE's clamp.
  const bool says_less =
      name == "mistral_tiny" || name == "mixtral_tiny" || name == "gemma2_tiny" || name == "olmoe_tiny";
  const Json config = read_json(golden(name) / "config.json"),
             again = GgufCheckpoint(Gguf::open(peers_file(name))).config();
  if (says_less) {
    EXPECT_THROW(check_same_model(config, again, "config.json"), Error);
    return;
  }
  check_same_model(config, again, "config.json");
  EXPECT_EQ(logits(*from_folder(golden(name))), logits(*from_gguf(peers_file(name))));
}

TEST_P(PeersFile, IsWhatWeWrite) {
  const std::string name = GetParam();
  TemporaryFolder folder;
  publish(name, folder / "model");
  convert((folder / "model").string(), (folder / "model.gguf").string(), unsaid(name));
  const Gguf ours = Gguf::open(folder / "model.gguf"), theirs = Gguf::open(peers_file(name));
  ASSERT_EQ(ours.tensors().size(), theirs.tensors().size());
  for (const TensorInfo& tensor : theirs.tensors()) {
    const RawTensor a = *theirs.tensor(tensor.name);
    const auto b = ours.tensor(tensor.name);
    ASSERT_TRUE(b) << tensor.name;
    EXPECT_EQ(a.shape, b->shape) << tensor.name;
    EXPECT_EQ(a.dtype, b->dtype) << tensor.name;
    if (tensor.name == "rope_freqs.weight") continue;  // reckoned: the same within a rounding
    EXPECT_TRUE(same_bytes(a.bytes, b->bytes)) << tensor.name;
  }
  const std::string prefix = *theirs.string("general.architecture") + ".";
  EXPECT_EQ(ours.string("general.architecture"), theirs.string("general.architecture"));
  for (const auto& [key, value] : theirs.metadata()) {
    if (!key.starts_with(prefix)) continue;
    const GgufValue* mine = ours.find(key);
    // It writes the same number under several keys, some for models of other kinds: what counts is that ours agree.
    if (mine && mine->type() == value.type()) { EXPECT_EQ(mine->text(), value.text()) << key; }
  }
}

TEST_P(PeersFile, GoesThereAndBack) {
  const std::string name = GetParam();
  TemporaryFolder folder;
  publish(name, folder / "model");
  convert((folder / "model").string(), (folder / "model.gguf").string(), unsaid(name));
  convert((folder / "model.gguf").string(), (folder / "back").string(), {});
  const Checkpoint before = Checkpoint::open(folder / "model"), after = Checkpoint::open(folder / "back");
  ASSERT_EQ(before.names(), after.names());
  for (const std::string_view tensor : before.names()) {
    const RawTensor a = *before.find(tensor), b = *after.find(tensor);
    EXPECT_EQ(a.dtype, b.dtype) << tensor;
    // 1 + w keeps of w what the sum's bits reach.
    if (name == "gemma2_tiny" && tensor.find("norm") != tensor.npos) continue;
    EXPECT_TRUE(same_bytes(a.bytes, b.bytes)) << tensor;
  }
  if (unsaid(name).ignore_keys.empty()) {
    EXPECT_EQ(logits(*from_folder(folder / "model")), logits(*from_folder(folder / "back")));
  } else {
    EXPECT_THROW(convert((folder / "model").string(), (folder / "model.gguf").string(), {}), Error);
  }
  EXPECT_EQ(read_file(folder / "model/tokenizer.json"), read_file(folder / "back/tokenizer.json"));
  const auto model = open_model((folder / "model.gguf").string());
  EXPECT_EQ(model->render(OrderedJson{{"messages", {{{"content", "hi"}}}}}), "hi");
}

INSTANTIATE_TEST_SUITE_P(Golden, PeersFile,
                         ::testing::Values("llama32_tiny", "llama32_tiny_bf16", "mistral_tiny", "mixtral_tiny",
                                           "smollm3_tiny", "qwen2_tiny", "qwen3_tiny", "qwen3_moe_tiny", "olmo_tiny",
                                           "olmo2_tiny", "olmo3_tiny", "olmoe_tiny", "gemma2_tiny"),
                         [](const auto& each) { return std::string(each.param); });

TEST(Convert, SplitsBeyondASize) {
  TemporaryFolder folder;
  publish("qwen2_tiny", folder / "model");
  convert((folder / "model").string(), (folder / "m.gguf").string(), {});
  ConvertOptions options;
  options.shard_bytes = 20'000;
  uint64_t done = 0, total = 0;
  const Converted result =
      convert((folder / "m.gguf").string(), (folder / "back").string(), options, [&](const Progress& p) {
        EXPECT_GT(p.done, done);
        done = p.done;
        total = p.total;
      });
  EXPECT_EQ(done, total);
  EXPECT_EQ(result.bytes, total);
  EXPECT_TRUE(fs::exists(folder / "back/model.safetensors.index.json"));
  const Checkpoint before = Checkpoint::open(folder / "model"), after = Checkpoint::open(folder / "back");
  EXPECT_GT(after.files().size(), 3u);
  ASSERT_EQ(before.names(), after.names());
  for (const std::string_view tensor : before.names())
    EXPECT_TRUE(same_bytes(before.find(tensor)->bytes, after.find(tensor)->bytes));
}

TEST(Convert, RefusesWhatGgufCannotSay) {
  TemporaryFolder folder;
  publish("llama32_tiny", folder / "model");
  const auto error = [&](const std::string& key, const Json& value) {
    Json config = read_json(golden("llama32_tiny") / "config.json");
    config[key] = value;
    write_file(folder / "model/config.json", dump_json(config));
    try {
      convert((folder / "model").string(), (folder / "m.gguf").string(), {});
    } catch (const Error& e) {
      EXPECT_FALSE(fs::exists(folder / "m.gguf"));
      return std::string(e.what());
    }
    return std::string("(no error)");
  };
  EXPECT_THAT(error("logit_scale", 3), HasSubstr("logit_scale"));
  EXPECT_THAT(error("hidden_act", "gelu"), HasSubstr("hidden_act"));
  EXPECT_THAT(error("model_type", "gpt9"), HasSubstr("gpt9"));
  EXPECT_THROW(convert((folder / "model").string(), (folder / "other").string(), {}), Error);
}

TEST(Quantize, TypesAreLlamaCppsAndErrorsAreTrue) {
  TemporaryFolder folder;
  publish("llama32_tiny", folder / "model");
  QuantizeOptions options;
  options.type = "Q8_0";
  options.threads = 1;
  const auto report = quantize_model((folder / "model").string(), (folder / "q.gguf").string(), options);
  const Gguf file = Gguf::open(folder / "q.gguf");
  EXPECT_EQ(file.integer("general.file_type"), 7);
  EXPECT_EQ(file.string("general.base_model.0.name"), "model");
  EXPECT_TRUE(file.string("tokenizer.chat_template"));
  const Gguf plain = Gguf::open(peers_file("llama32_tiny"));
  for (const QuantizedTensor& tensor : report) {
    const RawTensor raw = *file.tensor(tensor.name);
    EXPECT_EQ(raw.dtype, tensor.type);
    if (tensor.name == "rope_freqs.weight") continue;
    const std::vector<float> meant = floats(*plain.tensor(tensor.name)), got = floats(raw);
    double sum = 0, largest = 0;
    for (size_t i = 0; i < meant.size(); ++i) {
      const double error = std::abs(static_cast<double>(meant[i]) - static_cast<double>(got[i]));
      sum += error * error;
      largest = std::max(largest, error);
    }
    EXPECT_NEAR(tensor.rms, std::sqrt(sum / static_cast<double>(meant.size())), 1e-12) << tensor.name;
    EXPECT_EQ(tensor.largest, largest) << tensor.name;
    EXPECT_LT(tensor.relative, 0.01);
  }
  options.type = "Q9";
  EXPECT_THROW(quantize_model((folder / "model").string(), (folder / "q.gguf").string(), options), Error);
}

TEST(Quantize, ImportanceIsReadInBothFormats) {
  TemporaryFolder folder;
  write_importance(folder / "i.gguf", {{"blk.0.attn_q.weight", {{2, 4, 8}, 4}}}, "text", 3, 512);
  const Importance a = Importance::open(folder / "i.gguf");
  EXPECT_EQ(a.of.at("blk.0.attn_q.weight").mean_square, (std::vector<float>{0.5f, 1, 2}));
  std::string old;
  const auto put = [&](const auto& value) { old.append(reinterpret_cast<const char*>(&value), sizeof(value)); };
  put(int32_t{1});
  put(int32_t{3});
  old += "abc";
  put(int32_t{2});
  put(int32_t{2});
  put(3.0f);
  put(5.0f);
  write_file(folder / "i.dat", old);
  EXPECT_EQ(Importance::open(folder / "i.dat").of.at("abc").mean_square, (std::vector<float>{1.5f, 2.5f}));
  for (size_t size = 0; size < old.size(); ++size) {
    write_file(folder / "cut.dat", old.substr(0, size));
    EXPECT_THROW(Importance::open(folder / "cut.dat"), Error) << size;
  }
}

}  // namespace
}  // namespace glassbox
