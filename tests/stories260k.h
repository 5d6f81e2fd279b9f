// stories260K of the data folder (weights trained elsewhere, in the file layout of llama2.c) as a published
// directory.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "tests/testing.h"

namespace glassbox::testing {

// Reads values one after another, never past the end.
class Reader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view take(size_t size) {
    if (size > bytes_.size() - at_) throw std::runtime_error("stories260K: file ends early");
    at_ += size;
    return std::string_view(bytes_).substr(at_ - size, size);
  }
  template <class T>
  T value() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

// Protocol buffers, as much as a SentencePiece model needs: fields of integers, floats and bytes.
class ProtoWriter {
 public:
  ProtoWriter& integer(int field, uint64_t value) {
    varint(static_cast<uint64_t>(field) << 3);
    varint(value);
    return *this;
  }
  ProtoWriter& real(int field, float value) {
    varint(static_cast<uint64_t>(field) << 3 | 5);
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    for (int i = 0; i < 4; ++i) bytes_ += static_cast<char>(bits >> (8 * i));
    return *this;
  }
  ProtoWriter& text(int field, std::string_view value) {
    varint(static_cast<uint64_t>(field) << 3 | 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_ += static_cast<char>(value | 128);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

// tokenizer.bin: the longest piece's length, then score, length and bytes of every piece, U+2581 written as a
// space. As a SentencePiece model, which is what it was made from: merging by score is exact there.
inline std::string stories260k_sentencepiece(const std::filesystem::path& file, int vocabulary) {
  Reader in(read_file(file));
  in.value<int32_t>();
  ProtoWriter model;
  for (int id = 0; id < vocabulary; ++id) {
    const float score = in.value<float>();
    const std::string_view written = in.take(static_cast<size_t>(in.value<int32_t>()));
    std::string piece;
    for (const char c : written) piece += c == ' ' ? std::string("\u2581") : std::string(1, c);
    if (id == 1) piece = "<s>";  // written with line breaks around
    if (id == 2) piece = "</s>";
    enum Type { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };
    const Type type = id == 0 ? kUnknown : id < 3 ? kControl : id < 3 + 256 ? kByte : kNormal;
    model.text(1, ProtoWriter().text(1, piece).real(2, score).integer(3, type).bytes());
  }
  if (!in.at_end()) throw std::runtime_error("stories260K: tokenizer.bin is longer than its vocabulary");
  const ProtoWriter trainer = ProtoWriter()
                                  .integer(3, 2)  // BPE
                                  .integer(4, static_cast<uint64_t>(vocabulary))
                                  .integer(23, 1)  // split digits
                                  .integer(35, 1)  // byte fallback
                                  .integer(40, 0)  // unknown, begin, end
                                  .integer(41, 1)
                                  .integer(42, 2)
                                  .text(44, " \u2047 ");
  // Text stays as it is, after a space in front and with spaces as U+2581.
  const ProtoWriter normalizer = ProtoWriter().text(1, "identity").integer(3, 1).integer(4, 0).integer(5, 1);
  return model.text(2, trainer.bytes()).text(3, normalizer.bytes()).bytes();
}

// Rows of q or k, from neighbours that turn together to the checkpoint's halves of a head that do.
inline std::vector<float> stories260k_halves(const std::vector<float>& rows, int heads, int head_dim, int width) {
  std::vector<float> result(rows.size());
  for (int head = 0; head < heads; ++head)
    for (int pair = 0; pair < head_dim / 2; ++pair)
      for (int side = 0; side < 2; ++side)
        std::memcpy(&result[static_cast<size_t>((head * head_dim + side * head_dim / 2 + pair) * width)],
                    &rows[static_cast<size_t>((head * head_dim + 2 * pair + side) * width)], sizeof(float) * width);
  return result;
}

// config.json, generation_config.json, model.safetensors (f32), tokenizer.model and tokenizer_config.json in
// `folder`, made if it is not there. Source: `data`, which holds checkpoint_v1.bin and tokenizer.bin.
inline void write_stories260k(const std::filesystem::path& folder,
                              const std::filesystem::path& data = data_folder() / "weights" / "stories260K") {
  Reader in(read_file(data / "checkpoint_v1.bin"));
  constexpr uint32_t kMagic = 0x616b3432;  // "ak42", version 1: the header takes 256 bytes, weights are float32
  if (in.value<uint32_t>() != kMagic || in.value<int32_t>() != 1)
    throw std::runtime_error("stories260K: not a version 1 checkpoint");
  const int width = in.value<int32_t>(), inner = in.value<int32_t>(), layers = in.value<int32_t>();
  const int heads = in.value<int32_t>(), kv_heads = in.value<int32_t>();
  const int vocabulary = in.value<int32_t>(), context = in.value<int32_t>();
  const bool tied = in.value<uint8_t>() != 0;
  in.take(256 - 37);
  const int head_dim = width / heads, kv_width = kv_heads * head_dim;

  struct Weight {
    std::string name;
    std::vector<int64_t> shape;
    std::vector<float> values;
  };
  std::vector<Weight> weights;
  const auto read = [&](const std::string& name, std::vector<int64_t> shape) -> Weight& {
    size_t count = 1;
    for (const int64_t size : shape) count *= static_cast<size_t>(size);
    std::vector<float> values(count);
    std::memcpy(values.data(), in.take(count * sizeof(float)).data(), count * sizeof(float));
    return weights.emplace_back(Weight{name, std::move(shape), std::move(values)});
  };
  const auto each_layer = [&](const std::string& name, std::vector<int64_t> shape, int turned_heads = 0) {
    for (int layer = 0; layer < layers; ++layer) {
      Weight& weight = read("model.layers." + std::to_string(layer) + "." + name + ".weight", shape);
      if (turned_heads > 0) weight.values = stories260k_halves(weight.values, turned_heads, head_dim, width);
    }
  };
  each_layer("input_layernorm", {width});
  each_layer("post_attention_layernorm", {width});
  read("model.norm.weight", {width});
  read("model.embed_tokens.weight", {vocabulary, width});
  each_layer("self_attn.q_proj", {width, width}, heads);
  each_layer("self_attn.k_proj", {kv_width, width}, kv_heads);
  each_layer("self_attn.v_proj", {kv_width, width});
  each_layer("self_attn.o_proj", {width, width});
  each_layer("mlp.gate_proj", {inner, width});
  each_layer("mlp.down_proj", {width, inner});
  each_layer("mlp.up_proj", {inner, width});
  if (!tied) read("lm_head.weight", {vocabulary, width});
  if (!in.at_end()) throw std::runtime_error("stories260K: checkpoint_v1.bin is longer than its weights");

  std::filesystem::create_directories(folder);
  std::vector<RawTensor> tensors;
  for (const Weight& weight : weights)
    tensors.push_back({weight.name, DType::f32, weight.shape, std::as_bytes(std::span(weight.values)), nullptr});
  write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});

  const Json config = {{"architectures", {"LlamaForCausalLM"}},
                       {"attention_bias", false},
                       {"bos_token_id", 1},
                       {"eos_token_id", 2},
                       {"hidden_act", "silu"},
                       {"hidden_size", width},
                       {"intermediate_size", inner},
                       {"max_position_embeddings", context},
                       {"mlp_bias", false},
                       {"model_type", "llama"},
                       {"num_attention_heads", heads},
                       {"num_hidden_layers", layers},
                       {"num_key_value_heads", kv_heads},
                       {"rms_norm_eps", 1e-5},
                       {"rope_scaling", nullptr},
                       {"rope_theta", 10000.0},
                       {"tie_word_embeddings", tied},
                       {"torch_dtype", "float32"},
                       {"transformers_version", "4.45.0"},
                       {"vocab_size", vocabulary}};
  const Json generation = {{"bos_token_id", 1}, {"eos_token_id", 2}, {"do_sample", false}};
  const Json tokenizer = {{"add_bos_token", true},
                          {"add_eos_token", false},
                          {"bos_token", "<s>"},
                          {"eos_token", "</s>"},
                          {"unk_token", "<unk>"},
                          {"model_max_length", context},
                          {"legacy", true},
                          {"clean_up_tokenization_spaces", false},
                          {"tokenizer_class", "LlamaTokenizer"}};
  write_file(folder / "config.json", dump_json(config, 2) + "\n");
  write_file(folder / "generation_config.json", dump_json(generation, 2) + "\n");
  write_file(folder / "tokenizer_config.json", dump_json(tokenizer, 2) + "\n");
  write_file(folder / "tokenizer.model", stories260k_sentencepiece(data / "tokenizer.bin", vocabulary));
}

}  // namespace glassbox::testing
