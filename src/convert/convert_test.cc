#include "convert/convert.h"

#include <gmock/gmock.h>

#include <cstring>
#include <functional>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "chat/gguf_model.h"
#include "chat/gguf_model.h"
#include "convert/convert_testing.h"
#include "convert/gguf_source.h"
#include "convert/gguf_tokenizer.h"
#include "convert/quantize.h"
#include "engine/model.h"
#include "formats/gguf_checkpoint.h"
#include "formats/gguf_config.h"
#include "models/registry.h"
#include "nn/gguf_weights.h"
#include "tensor/blocks.h"
#include "tests/testing.h"
#include "tokenizer/tokenizer.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;
using testing::floats;
using testing::from_folder;
using testing::from_gguf;
using testing::golden;
using ::testing::HasSubstr;
using testing::logits;
using testing::peers_file;
using testing::publish;
using testing::same_bytes;
using testing::TemporaryFolder;

// Golden models as llama.cpp's own converter writes them (tests/reference/make_gguf_models.py).
class PeersFile : public ::testing::TestWithParam<const char*> {};

TEST_P(PeersFile, HasTheCheckpointsTensorsToTheBit) {
  const std::string name = GetParam();
  const Checkpoint meant = Checkpoint::open(golden(name));
  const GgufCheckpoint got = gguf_checkpoint(Gguf::open(peers_file(name)));
  size_t seen = 0;
  for (const std::string_view tensor : meant.names()) {
    if (name == "deepseek_v3_tiny" && tensor.starts_with("model.layers.2.")) continue;  // it leaves out what drafts
    const RawTensor a = *meant.find(tensor);
    const auto b = got.find(tensor);
    ASSERT_TRUE(b) << tensor;
    std::vector<float> x = floats(a), y = floats(*b);
    if (got.is_transposed(tensor)) {
      ASSERT_EQ(b->shape, (std::vector<int64_t>{a.shape[0], a.shape[2], a.shape[1]})) << tensor;
      const auto k = static_cast<size_t>(a.shape[1]), n = static_cast<size_t>(a.shape[2]);
      std::vector<float> transposed(y.size());
      for (size_t i = 0; i < y.size(); ++i) transposed[i / (n * k) * n * k + i % k * n + i / k % n] = y[i];
      y = std::move(transposed);
    } else {
      EXPECT_EQ(a.shape, b->shape) << tensor;
    }
    // GGUF holds 1 + w of Gemma's norms: what is left of w is what the sum kept.
    if (name.starts_with("gemma") && tensor.find("norm") != tensor.npos)
      for (float& value : x) value = (value + 1) - 1;
    EXPECT_EQ(x, y) << tensor;
    ++seen;
  }
  EXPECT_EQ(seen, got.tensors().size());
}

// What llama.cpp's files do not say: Mistral's window, the scale of Gemma's queries, OLMoE's clamp, where DeepSeek's
// mscale differs from mscale_all_dim, gpt-oss's clamp, most of what Llama 4 has numbers for.
bool says_less(const std::string& name) {
  for (const char* one : {"mistral_tiny", "mixtral_tiny", "gemma2_tiny", "olmoe_tiny", "deepseek_v3_tiny",
                          "gpt_oss_tiny", "llama4_text_tiny"})
    if (name == one) return true;
  return false;
}

TEST_P(PeersFile, IsTheSameModel) {
  const std::string name = GetParam();
  const Json config = read_json(golden(name) / "config.json");
  const Json missed = own_keys(config, Gguf::open(peers_file(name)), known_families(), "config.json");
  EXPECT_EQ(!missed.empty(), says_less(name)) << missed;
  if (missed.empty()) { EXPECT_EQ(logits(*from_folder(golden(name))), logits(*from_gguf(peers_file(name)))); }
}

TEST_P(PeersFile, IsWhatWeWrite) {
  const std::string name = GetParam();
  TemporaryFolder folder;
  publish(name, folder / "model");
  convert((folder / "model").string(), (folder / "model.gguf").string(), {});
  const Gguf ours = Gguf::open(folder / "model.gguf"), theirs = Gguf::open(peers_file(name));
  if (name != "deepseek_v3_tiny") { ASSERT_EQ(ours.tensors().size(), theirs.tensors().size()); }
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
    if (name == "deepseek_v3_tiny" && key == "deepseek2.block_count") continue;  // it leaves out the layer that drafts
    const GgufValue* mine = ours.find(key);
    // It writes the same number under several keys, some for models of other kinds: what counts is that ours agree.
    if (mine && mine->type() == value.type()) { EXPECT_EQ(mine->text(), value.text()) << key; }
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, PeersFile,
                         ::testing::Values("llama32_tiny", "llama32_tiny_bf16", "mistral_tiny", "mixtral_tiny",
                                           "smollm3_tiny", "qwen2_tiny", "qwen3_tiny", "qwen3_moe_tiny", "olmo_tiny",
                                           "olmo2_tiny", "olmo3_tiny", "olmoe_tiny", "gemma2_tiny",
                                           "deepseek_v2_groups_tiny", "deepseek_v3_tiny", "gpt_oss_tiny",
                                           "llama4_text_tiny"),
                         [](const auto& each) { return std::string(each.param); });

// A file of ours with other tensors and metadata: `change` may drop or rename what it gets.
void rewrite(const fs::path& from, const fs::path& to, const std::function<void(std::vector<GgufEntry>&)>& metadata,
             const std::function<std::optional<RawTensor>(RawTensor)>& change) {
  const Gguf file = Gguf::open(from);
  std::vector<GgufEntry> entries = file.metadata();
  metadata(entries);
  std::vector<TensorPlan> plans;
  std::vector<RawTensor> tensors;
  for (const TensorInfo& tensor : file.tensors())
    if (const auto kept = change(*file.tensor(tensor.name))) {
      plans.push_back({std::string(kept->name), kept->dtype, kept->shape});
      tensors.push_back(*kept);
    }
  write_gguf(to, entries, plans, [&](size_t i, const AppendBytes& append) { append(tensors[i].bytes); });
}

// As llama.cpp wrote DeepSeek's files before latent attention was absorbed: kv_b_proj whole, sizes of expanded heads.
TEST(Convert, OlderFilesOfDeepseekAreRead) {
  TemporaryFolder folder;
  const Checkpoint checkpoint = Checkpoint::open(golden("deepseek_v2_groups_tiny"));
  rewrite(
      peers_file("deepseek_v2_groups_tiny"), folder / "old.gguf",
      [](std::vector<GgufEntry>& entries) {
        std::erase_if(entries, [](const GgufEntry& entry) { return entry.key.ends_with("_mla"); });
        for (GgufEntry& entry : entries) {
          if (entry.key == "deepseek2.attention.head_count_kv") entry.value = GgufValue::of(uint32_t{4});
          if (entry.key == "deepseek2.attention.key_length") entry.value = GgufValue::of(uint32_t{14});
          if (entry.key == "deepseek2.attention.value_length") entry.value = GgufValue::of(uint32_t{10});
        }
      },
      [&](RawTensor raw) -> std::optional<RawTensor> {
        const std::string name(raw.name);
        if (name.ends_with("attn_v_b.weight")) return std::nullopt;
        if (!name.ends_with("attn_k_b.weight")) return raw;
        raw = *checkpoint.find("model.layers." + name.substr(4, 1) + ".self_attn.kv_b_proj.weight");
        raw.name = name.starts_with("blk.0") ? "blk.0.attn_kv_b.weight" : "blk.1.attn_kv_b.weight";
        return raw;
      });
  EXPECT_EQ(logits(*from_folder(golden("deepseek_v2_groups_tiny"))), logits(*from_gguf(folder / "old.gguf")));
}

// Where every layer has a value of its own, and all are the same, that is one number.
TEST(Convert, NumbersMayComeOneALayer) {
  TemporaryFolder folder;
  const auto with = [&](const std::string& key, GgufValue value) {
    rewrite(
        peers_file("llama32_tiny"), folder / "each.gguf",
        [&](std::vector<GgufEntry>& entries) {
          const auto found = std::ranges::find(entries, key, &GgufEntry::key);
          ASSERT_NE(found, entries.end()) << key;
          found->value = value;
        },
        [](RawTensor raw) { return std::optional(raw); });
    return folder / "each.gguf";
  };
  const auto error = [&](const std::string& key, GgufValue value) -> std::string {
    const fs::path file = with(key, std::move(value));
    try {
      gguf_checkpoint(Gguf::open(file));
    } catch (const Error& e) { return std::string(e.what()).substr(file.string().size()); }
    return "(no error)";
  };
  const Gguf file = Gguf::open(peers_file("llama32_tiny"));
  const Json config = gguf_checkpoint(file).config();
  ASSERT_EQ(file.integer("llama.block_count"), 3);
  for (const std::string key : {"llama.feed_forward_length", "llama.attention.head_count",
                                "llama.attention.head_count_kv", "llama.attention.key_length"}) {
    const auto value = static_cast<int32_t>(*file.integer(key));
    EXPECT_EQ(gguf_checkpoint(Gguf::open(with(key, GgufValue::array(std::vector(3, value))))).config(), config) << key;
    EXPECT_EQ(error(key, GgufValue::array(std::vector{value, value, value + 1})),
              fmt::format(": {}: {} in layer 0 and {} in layer 2: layers that differ in it are not supported", key,
                          value, value + 1));
    EXPECT_EQ(error(key, GgufValue::array(std::vector(2, value))),
              fmt::format(": {}: expected a number, or one for each of the 3 layers, got 2", key));
    EXPECT_THAT(error(key, GgufValue::array(std::vector<int32_t>())), HasSubstr("got 0"));
    EXPECT_THAT(error(key, GgufValue::array(std::vector<std::string>(3, "8"))), HasSubstr("whole numbers"));
  }
  const std::string epsilon = "llama.attention.layer_norm_rms_epsilon";
  const auto value = static_cast<float>(*file.number(epsilon));
  EXPECT_EQ(gguf_checkpoint(Gguf::open(with(epsilon, GgufValue::array(std::vector(3, value))))).config(), config);
  EXPECT_THAT(error(epsilon, GgufValue::array(std::vector{value, value * 2, value})), HasSubstr("in layer 1"));

  // A mix is chosen by the same numbers.
  const fs::path each =
      with("llama.attention.head_count_kv",
           GgufValue::array(std::vector(3, static_cast<int32_t>(*file.integer("llama.attention.head_count_kv")))));
  QuantizeOptions options;
  options.type = "Q4_K_M";
  options.force = true;
  const auto types = [&](const fs::path& from) {
    std::vector<DType> chosen;
    for (const QuantizedTensor& tensor : quantize_model(from.string(), (folder / "q.gguf").string(), options, {}))
      chosen.push_back(tensor.type);
    return chosen;
  };
  EXPECT_EQ(types(each), types(peers_file("llama32_tiny")));
}

// A model in each type that is read and not written, beside one of the same numbers in F32.
TEST(Convert, TypesThatAreOnlyReadRun) {
  TemporaryFolder folder;
  const std::vector<std::pair<std::string, std::vector<int64_t>>> shapes = {
      {"token_embd.weight", {64, 256}},    {"output.weight", {64, 256}},
      {"output_norm.weight", {256}},       {"blk.0.attn_norm.weight", {256}},
      {"blk.0.attn_q.weight", {256, 256}}, {"blk.0.attn_k.weight", {128, 256}},
      {"blk.0.attn_v.weight", {128, 256}}, {"blk.0.attn_output.weight", {256, 256}},
      {"blk.0.ffn_norm.weight", {256}},    {"blk.0.ffn_gate.weight", {512, 256}},
      {"blk.0.ffn_up.weight", {512, 256}}, {"blk.0.ffn_down.weight", {256, 512}}};
  std::vector<GgufEntry> metadata = {{"general.architecture", GgufValue::of("llama")},
                                     {"llama.attention.layer_norm_rms_epsilon", GgufValue::of(1e-5f)}};
  for (const auto& [key, value] : std::map<std::string, uint32_t>{{"block_count", 1},
                                                                  {"context_length", 128},
                                                                  {"embedding_length", 256},
                                                                  {"feed_forward_length", 512},
                                                                  {"attention.head_count", 4},
                                                                  {"attention.head_count_kv", 2}})
    metadata.push_back({"llama." + key, GgufValue::of(value)});
  for (const DType type : {DType::iq1_s, DType::iq1_m, DType::iq2_xxs, DType::iq2_xs, DType::iq2_s, DType::iq3_xxs,
                           DType::iq3_s, DType::tq1_0, DType::tq2_0, DType::nvfp4, DType::q1_0, DType::q2_0}) {
    const std::string name(info(type).name);
    RandomWeights weights(type);
    const fs::path file = folder / (name + ".gguf"), wide = folder / (name + "-f32.gguf");
    for (const bool as_it_is : {true, false}) {
      std::vector<TensorPlan> plans;
      for (const auto& [tensor, shape] : shapes)
        plans.push_back({tensor, shape.size() > 1 && as_it_is ? type : DType::f32, shape});
      write_gguf(as_it_is ? file : wide, metadata, plans, [&](size_t i, const AppendBytes& append) {
        const auto& [tensor, shape] = shapes[i];
        const Tensor w = weights.get(tensor, Shape(std::span<const int64_t>(shape)));
        std::vector<float> values(static_cast<size_t>(w.shape().elements()));
        if (shape.size() == 1) return append(std::as_bytes(w.values()));
        if (as_it_is) return append({w.data<std::byte>(), *tensor_bytes(type, shape)});
        dequantize(type, w.data<void>(), values.data(), static_cast<int64_t>(values.size()));
        append(std::as_bytes(std::span(values)));
      });
    }
    const std::vector<float> got = logits(*from_gguf(file)), want = logits(*from_gguf(wide));
    double error = 0, size = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      error += (got[i] - want[i]) * (got[i] - want[i]);
      size += want[i] * want[i];
    }
    EXPECT_GT(size, 0) << name;
    EXPECT_LT(error, 0.05 * 0.05 * size) << name << ": activations of 8 bits";
    EXPECT_EQ(got, logits(*from_gguf(file)));

    QuantizeOptions options;
    options.type = "Q8_0";
    options.force = true;
    const auto from = [&](const fs::path& source) {
      quantize_model(source.string(), (folder / "q.gguf").string(), options, {});
      return read_file(folder / "q.gguf");
    };
    const auto tensors = [](const std::string& bytes) {
      const Gguf made = Gguf::from_bytes(std::as_bytes(std::span(bytes)), nullptr, "q.gguf");
      return bytes.substr(bytes.size() - made.total_bytes());
    };
    EXPECT_TRUE(tensors(from(file)) == tensors(from(wide))) << name;
    options.type = name;
    try {
      from(file);
      ADD_FAILURE() << name;
    } catch (const Error& error) { EXPECT_THAT(error.what(), HasSubstr(name + " is read, not written")); }
  }
}

TEST(Convert, AModelIsCalledByItsFileOrItsOwnName) {
  const Gguf file = Gguf::open(peers_file("llama32_tiny"));
  const auto named = [](const char* name) {
    const GgufEntry entry{"general.name", GgufValue::of(name)};
    return Gguf::planned({&entry, 1}, {}, "file");
  };
  EXPECT_EQ(gguf_model_name(named("Its Name"), "a/b/Model-Q8_0.gguf"), "Model-Q8_0");
  EXPECT_EQ(gguf_model_name(named("Its Name"), "a/MODEL.GGUF"), "MODEL");
  EXPECT_EQ(gguf_model_name(named("Its Name"), "a/Model-00001-of-00003.gguf"), "Model");
  EXPECT_EQ(gguf_model_name(named("Its Name"), "store/sha256-0123"), "Its Name");
  EXPECT_EQ(gguf_model_name(named(""), "store/sha256-0123"), "sha256-0123");
  EXPECT_EQ(gguf_model_name(named("two\nlines"), "store/sha256-0123"), "sha256-0123");
  EXPECT_EQ(gguf_model_name(named("\xff"), "store/sha256-0123"), "sha256-0123");
  EXPECT_EQ(gguf_model_name(named(std::string(201, 'a').c_str()), "store/sha256-0123"), "sha256-0123");
  EXPECT_EQ(gguf_model_name(Gguf::planned({}, {}, "file"), "store/sha256-0123"), "sha256-0123");
}

TEST(Convert, HalvesAndOurOwnKeysAreChecked) {
  TemporaryFolder folder;
  const auto error = [&](const std::function<void(std::vector<GgufEntry>&)>& metadata,
                         const std::function<std::optional<RawTensor>(RawTensor)>& change) -> std::string {
    rewrite(peers_file("gpt_oss_tiny"), folder / "bad.gguf", metadata, change);
    try {
      gguf_checkpoint(Gguf::open(folder / "bad.gguf"));
    } catch (const Error& e) { return e.what(); }
    return "(no error)";
  };
  const auto as_it_is = [](RawTensor raw) { return std::optional(raw); };
  const auto nothing = [](std::vector<GgufEntry>&) {};
  EXPECT_EQ(error(nothing, as_it_is), "(no error)");
  EXPECT_THAT(
      error(nothing,
            [](RawTensor raw) { return raw.name == "blk.1.ffn_up_exps.weight" ? std::nullopt : std::optional(raw); }),
      HasSubstr("blk.1.ffn_gate_exps.weight"));
  EXPECT_THAT(error(nothing,
                    [](RawTensor raw) {
                      if (raw.name == "blk.1.ffn_up_exps.weight") {
                        raw.shape[0] -= 1;
                        raw.bytes = raw.bytes.first(raw.bytes.size() / 5 * 4);
                      }
                      return std::optional(raw);
                    }),
              HasSubstr("one shape"));
  const auto own = [&](const char* text) {
    return error([&](std::vector<GgufEntry>& entries) { entries.push_back({"glassbox.config", GgufValue::of(text)}); },
                 as_it_is);
  };
  EXPECT_EQ(own("{\"swiglu_limit\":1.5}"), "(no error)");
  EXPECT_THAT(own("[]"), HasSubstr("object"));
  EXPECT_THAT(own("{"), HasSubstr("glassbox.config"));
  EXPECT_THAT(own("{\"vocab_size\":7}"), HasSubstr("vocab_size"));
}

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
}

// Folders whose tokenizer is no tokenizer.json.
TEST(Convert, GoesFromFolderToFolderAndFromFileToFile) {
  TemporaryFolder folder;
  publish("llama32_tiny", folder / "m");
  const fs::path m = folder / "m";
  write_file(m / "generation_config.json", R"({"temperature":0.5})");
  write_file(m / "README.md", "a card\n");
  write_file(m / "chat_template.jinja", "{{ messages[0].content }}");
  fs::create_directories(m / "additional_chat_templates");
  write_file(m / "additional_chat_templates/tool.jinja", "tool");
  write_file(m / "pytorch_model.bin", "a pickle stays where it is");
  ConvertOptions half;
  half.dtype = DType::bf16;
  half.shard_bytes = 20000;
  const Converted done = convert(m.string(), (folder / "half").string(), half);
  EXPECT_TRUE(fs::exists(folder / "half/model.safetensors.index.json"));
  const Checkpoint from = Checkpoint::open(m), to = Checkpoint::open(folder / "half");
  EXPECT_EQ(done.tensors, from.names().size());
  EXPECT_EQ(from.names(), to.names());
  for (const TensorInfo* tensor : to.tensors()) {
    EXPECT_EQ(tensor->dtype, DType::bf16) << tensor->name;
    std::vector<float> meant = floats(*from.find(tensor->name));
    for (float& value : meant) value = bf16_to_f32(f32_to_bf16(value));
    EXPECT_EQ(floats(*to.find(tensor->name)), meant) << tensor->name;
  }
  Json config = read_json(m / "config.json"), written = read_json(folder / "half/config.json");
  EXPECT_EQ(written.contains("dtype") ? written["dtype"] : written["torch_dtype"], "bfloat16");
  for (Json* one : {&config, &written})
    for (const char* key : {"dtype", "torch_dtype"}) one->erase(key);
  EXPECT_EQ(config, written);
  for (const char* name : {"generation_config.json", "README.md", "chat_template.jinja", "tokenizer.json",
                           "tokenizer_config.json", "additional_chat_templates/tool.jinja"})
    EXPECT_EQ(read_file(folder / "half" / name), read_file(m / name)) << name;
  EXPECT_FALSE(fs::exists(folder / "half/pytorch_model.bin"));
  EXPECT_EQ(open_model((folder / "half").string())->tokenizer.encode("%&"), Tokenizer::open(m).encode("%&"));

  // A GGUF file in another dtype, as from the folder.
  convert(m.string(), (folder / "m.gguf").string(), {});
  convert((folder / "m.gguf").string(), (folder / "copy.gguf").string(), {});
  EXPECT_EQ(logits(*from_gguf(folder / "copy.gguf")), logits(*from_folder(m)));
  convert((folder / "m.gguf").string(), (folder / "half.gguf").string(), half);
  convert(m.string(), (folder / "direct.gguf").string(), half);
  EXPECT_EQ(logits(*from_gguf(folder / "half.gguf")), logits(*from_gguf(folder / "direct.gguf")));

  convert("glassbox/prism", (folder / "prism").string(), {});
  EXPECT_EQ(logits(*open_model((folder / "prism").string())->network), logits(*open_model("glassbox/prism")->network));
  EXPECT_TRUE(fs::exists(folder / "prism/chat_template.jinja"));
}

std::string refused(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "nothing";
}

TEST(Convert, NeverLosesWhatItReadsOrWhatIsThere) {
  TemporaryFolder folder;
  publish("llama32_tiny", folder / "m");
  const std::string m = (folder / "m").string(), file = (folder / "m.gguf").string();
  convert(m, file, {});
  const std::string bytes = read_file(file), weights = read_file(folder / "m/model.safetensors");
  fs::create_symlink(file, folder / "link.gguf");
  fs::create_hard_link(file, folder / "hard.gguf");
  ConvertOptions force;
  force.force = true;
  QuantizeOptions quantize;
  quantize.type = "Q8_0";
  for (const bool forced : {false, true}) {
    force.force = quantize.force = forced;
    for (const std::string& target : {file, (folder / "./m.gguf").string(), (folder / "link.gguf").string(),
                                      (folder / "hard.gguf").string(), (folder / "m/../m.gguf").string()}) {
      EXPECT_THAT(refused([&] { quantize_model(file, target, quantize); }), HasSubstr("is what is read")) << target;
      EXPECT_THAT(refused([&] { convert(file, target, force); }), HasSubstr("is what is read")) << target;
    }
    EXPECT_THAT(refused([&] { convert(m, m + "/", force); }), HasSubstr("is what is read"));
    EXPECT_THAT(refused([&] { convert(file, folder.path().string(), force); }), HasSubstr("holds what is read"));
  }
  EXPECT_EQ(read_file(file), bytes);
  EXPECT_EQ(read_file(folder / "m/model.safetensors"), weights);

  // What is there is replaced only where a person says so, and whole.
  write_file(folder / "old.gguf", "old");
  EXPECT_THAT(refused([&] { convert(m, (folder / "old.gguf").string(), {}); }),
              HasSubstr("old.gguf: exists already: --force replaces it"));
  EXPECT_EQ(read_file(folder / "old.gguf"), "old");
  convert(m, (folder / "old.gguf").string(), force);
  EXPECT_EQ(read_file(folder / "old.gguf"), bytes);
  ConvertOptions sharded = force;
  sharded.shard_bytes = 20000;
  convert(m, (folder / "to").string(), sharded);
  write_file(folder / "to/mine.txt", "mine");
  EXPECT_THAT(refused([&] { convert(m, (folder / "to").string(), {}); }), HasSubstr("to: exists already: --force"));
  convert(file, (folder / "to").string(), force);
  EXPECT_EQ(read_file(folder / "to/mine.txt"), "mine");
  EXPECT_FALSE(fs::exists(folder / "to/model.safetensors.index.json"));
  EXPECT_EQ(logits(*from_folder(folder / "to")), logits(*from_folder(m)));
  for (const auto& entry : fs::recursive_directory_iterator(folder.path()))
    EXPECT_EQ(entry.path().string().find(".partial"), std::string::npos) << entry.path();
}

TEST(Convert, NamesANumberThatTheDtypeCannotHold) {
  TemporaryFolder folder;
  publish("llama32_tiny", folder / "m");
  const Checkpoint from = Checkpoint::open(golden("llama32_tiny"));
  std::vector<RawTensor> tensors;
  std::vector<float> large;
  for (const std::string_view tensor : from.names()) {
    RawTensor raw = *from.find(tensor);
    if (raw.name.ends_with("layers.0.mlp.up_proj.weight")) {
      large = floats(raw);
      large[3] = 70000;
      raw.bytes = std::as_bytes(std::span(large));
    }
    tensors.push_back(raw);
  }
  write_safetensors(folder / "m/model.safetensors", tensors);
  ConvertOptions half;
  half.dtype = DType::f16;
  for (const char* target : {"to", "to.gguf"})
    EXPECT_THAT(refused([&] { convert((folder / "m").string(), (folder / target).string(), half); }),
                HasSubstr("70000 is more than F16 holds"))
        << target;
  EXPECT_FALSE(fs::exists(folder / "to"));
  EXPECT_FALSE(fs::exists(folder / "to.gguf"));
}

TEST(Convert, TakesEveryFormOfTokenizerAlong) {
  GLASSBOX_NEEDS_DATA();
  const fs::path data = testing::data_folder() / "tokenizers";
  for (const auto& [from, as] :
       {std::pair{"llama2/tokenizer.model", "tokenizer.model"}, std::pair{"llama3/tokenizer.model", "tokenizer.model"},
        std::pair{"tiny/m.model", "tokenizer.model"}}) {
    SCOPED_TRACE(from);
    TemporaryFolder folder;
    fs::create_directories(folder / "model");
    fs::copy(data / from, folder / "model" / as);
    const Tokenizer published = Tokenizer::open(folder / "model");
    const std::vector<GgufEntry> entries =
        gguf_tokenizer(FileSet::of_folder(folder / "model"), static_cast<int64_t>(published.size()) + 64);
    const Gguf file = Gguf::planned(entries, {}, "m.gguf");
    const std::string text = "Hello,  world's 123 \u00e9t\u00e9s \u4f60\u597d\n\n  x";
    EXPECT_EQ(Tokenizer::from_gguf(file).encode(text), published.encode(text));
    if (std::string_view(from) == "tiny/m.model") {  // a Unigram: only GGUF says it
      EXPECT_THROW(tokenizer_files(file), Error);
      continue;
    }
    for (const NamedText& one : tokenizer_files(file)) {
      fs::create_directories(folder / "back");
      write_file(folder / "back" / one.name, one.text);
    }
    const Tokenizer back = Tokenizer::open(folder / "back");
    EXPECT_EQ(back.encode(text), published.encode(text));
    EXPECT_EQ(back.bos(), published.bos());
    EXPECT_EQ(back.eos(), published.eos());
  }
}

TEST(Convert, TakesNamedTemplatesAlong) {
  TemporaryFolder folder;
  publish("llama32_tiny", folder / "model");
  fs::create_directories(folder / "model/additional_chat_templates");
  write_file(folder / "model/chat_template.jinja", "plain {{ bos_token }}");
  write_file(folder / "model/additional_chat_templates/tool_use.jinja", "tools");
  const auto published = open_chat_template(folder / "model");
  const Gguf file = Gguf::planned(gguf_tokenizer(FileSet::of_folder(folder / "model"), 64), {}, "m.gguf");
  const auto inside = gguf_chat_template(file, Tokenizer::from_gguf(file));
  fs::create_directories(folder / "back");
  for (const NamedText& one : tokenizer_files(file)) write_file(folder / "back" / one.name, one.text);
  for (const auto& chat : {inside, open_chat_template(folder / "back")}) {
    ASSERT_TRUE(chat);
    EXPECT_EQ(chat->names(), published->names());
    for (const OrderedJson& context : {OrderedJson::object(), OrderedJson{{"tools", OrderedJson::array()}}})
      EXPECT_EQ(chat->render(context).text, published->render(context).text);
  }
  const Gguf one = Gguf::planned(
      std::vector<GgufEntry>{{"tokenizer.chat_templates", GgufValue::array(std::vector<std::string>{"rag"})},
                             {"tokenizer.chat_template.rag", GgufValue::of("r")}},
      {}, "one.gguf");
  EXPECT_EQ(gguf_chat_template(one, Tokenizer::open(folder / "model"))->names(), std::vector<std::string>{"rag"});
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

// A folder's card, its licence and tags go along, and the folder made of a quantized file says of what.
TEST(Quantize, CardsGoAlong) {
  TemporaryFolder folder;
  publish("qwen2_tiny", folder / "model");
  write_file(folder / "model/README.md", "---\nlicense: mit\ntags:\n- small\nbase_model: org/first\n---\n# Words\n");
  QuantizeOptions options;
  options.type = "Q8_0";
  options.threads = 1;
  quantize_model((folder / "model").string(), (folder / "q.gguf").string(), options);
  const Gguf file = Gguf::open(folder / "q.gguf");
  EXPECT_EQ(file.string("general.license"), "mit");
  EXPECT_EQ(file.string("general.base_model.0.name"), "model");
  EXPECT_FALSE(file.find("general.base_model.0.organization"));
  const auto tags = file.strings("general.tags");
  ASSERT_TRUE(tags);
  EXPECT_EQ(*tags, (std::vector<std::string_view>{"small", "base_model:quantized:model"}));
  convert((folder / "q.gguf").string(), (folder / "back").string(), {});
  EXPECT_EQ(read_file(folder / "back/README.md"),
            "---\nlicense: mit\ntags:\n- small\nbase_model: \"model\"\nbase_model_relation: quantized\n---\n# Words\n");
}

TEST(Quantize, ImportanceIsReadInBothFormats) {
  TemporaryFolder folder;
  write_importance(folder / "i.gguf",
                   {{"blk.0.attn_q.weight", {{2, 4, 8}, {4}}}, {"blk.0.ffn_up_exps.weight", {{3, 6, 0, 0}, {3, 0}}}},
                   "text", 3, 512);
  const Importance a = Importance::open(folder / "i.gguf");
  EXPECT_EQ(a.of.at("blk.0.attn_q.weight").mean_square, (std::vector<float>{0.5f, 1, 2}));
  // All inputs of an expert that saw nothing count alike.
  EXPECT_EQ(a.of.at("blk.0.ffn_up_exps.weight").mean_square, (std::vector<float>{1, 2, 1, 1}));
  EXPECT_EQ(a.of.at("blk.0.ffn_up_exps.weight").experts, 2);
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
