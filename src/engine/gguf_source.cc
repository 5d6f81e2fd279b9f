#include "engine/gguf_source.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>

#include "base/error.h"
#include "engine/gguf_tokenizer.h"
#include "engine/shipped.h"
#include "formats/config.h"
#include "formats/gguf_config.h"
#include "formats/gguf_families.h"
#include "formats/quote.h"
#include "tensor/blocks.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

// Where the rows of one GGUF tensor lie.
struct Rows {
  std::vector<RawTensor> parts;  // one, or one an expert
  GgufChange change = GgufChange::none;
  int64_t heads = 0;
};

// llama.cpp's order: what belongs to no layer, then layer by layer, each by name.
std::pair<int64_t, std::string_view> place_in_order(std::string_view name) {
  int64_t layer = -1;
  if (name.starts_with("blk.")) std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  return {layer, name};
}

}  // namespace

int64_t width_of(const TensorPlan& tensor) { return tensor.shape.back(); }
int64_t rows_of(const TensorPlan& tensor) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) rows *= tensor.shape[i];
  return rows;
}

bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

void to_float(DType dtype, std::span<const std::byte> bytes, float* values, int64_t count) {
  const auto each = [&]<class T>(T, const auto& widen) {
    for (int64_t i = 0; i < count; ++i) {
      T value;
      std::memcpy(&value, bytes.data() + static_cast<size_t>(i) * sizeof(T), sizeof(T));
      values[i] = widen(value);
    }
  };
  if (is_blocks(dtype)) return dequantize(dtype, bytes.data(), values, count);
  switch (dtype) {
    case DType::f32:
      std::memcpy(values, bytes.data(), static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::f16:
      return each(uint16_t{}, [](uint16_t bits) { return f16_to_f32(bits); });
    case DType::bf16:
      return each(uint16_t{}, [](uint16_t bits) { return bf16_to_f32(bits); });
    default:
      fail(ErrorKind::unsupported, "numbers of dtype {} cannot be converted", info(dtype).name);
  }
}

void from_float(DType dtype, std::span<const float> values, std::byte* bytes) {
  if (dtype == DType::f32) {
    std::memcpy(bytes, values.data(), values.size_bytes());
    return;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = dtype == DType::f16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
    std::memcpy(bytes + 2 * i, &bits, 2);
  }
}

struct GgufSource::State {
  std::string name;
  std::vector<GgufEntry> metadata;
  std::vector<TensorPlan> tensors;
  std::vector<Rows> rows;  // beside them
  std::optional<Gguf> file;
  std::optional<Checkpoint> checkpoint;
  std::vector<float> rope_factors;

  void open_file(const fs::path& path);
  void open_checkpoint(Checkpoint from, const Json& config, const std::string& config_source,
                       std::span<const std::string> ignore_keys);
  void put(std::string tensor, DType dtype, std::vector<int64_t> shape, Rows from) {
    tensors.push_back({std::move(tensor), dtype, std::move(shape)});
    rows.push_back(std::move(from));
  }
  void order();
};

void GgufSource::State::order() {
  std::vector<size_t> by(tensors.size());
  for (size_t i = 0; i < by.size(); ++i) by[i] = i;
  std::ranges::sort(by, {}, [&](size_t i) { return place_in_order(tensors[i].name); });
  std::vector<TensorPlan> sorted;
  std::vector<Rows> sorted_rows;
  for (const size_t i : by) {
    sorted.push_back(std::move(tensors[i]));
    sorted_rows.push_back(std::move(rows[i]));
  }
  tensors = std::move(sorted);
  rows = std::move(sorted_rows);
}

void GgufSource::State::open_file(const fs::path& path) {
  file = Gguf::open(path);
  gguf_family(*file);  // one we know, and whole
  name = file->string("general.name").value_or(path.stem().string());
  for (const GgufEntry& entry : file->metadata())
    if (entry.key != "general.file_type") metadata.push_back(entry);
  for (const TensorInfo& tensor : file->tensors())
    put(tensor.name, tensor.dtype, tensor.shape, {{*file->tensor(tensor.name)}, GgufChange::none, 0});
  order();
}

void GgufSource::State::open_checkpoint(Checkpoint from, const Json& config, const std::string& config_source,
                                        std::span<const std::string> ignore_keys) {
  checkpoint = std::move(from);
  for (GgufEntry& entry : gguf_metadata(config, config_source)) metadata.push_back(std::move(entry));
  const GgufFamily& family = *gguf_family_of_model_type(config.value("model_type", ""));
  const int64_t heads = config.value("num_attention_heads", int64_t{1});
  const int64_t kv_heads = config.value("num_key_value_heads", heads);

  std::map<std::string, std::map<int64_t, RawTensor>> stacks;
  std::map<std::string, const GgufNameRule*> rule_of;
  const bool tied = config.value("tie_word_embeddings", false);
  for (const std::string_view tensor : checkpoint->names()) {
    if (tensor.ends_with("rotary_emb.inv_freq") || (tied && tensor == "lm_head.weight")) continue;
    const auto place = gguf_place(family, tensor);
    if (!place) fail(ErrorKind::unsupported, "{}: tensor {} has no name in GGUF", checkpoint->source(), quote(tensor));
    const RawTensor raw = *checkpoint->find(tensor);
    if (!is_float(raw.dtype))
      fail(ErrorKind::unsupported, "{}: tensor {}: dtype {} cannot be written as GGUF", checkpoint->source(),
           quote(tensor), info(raw.dtype).name);
    stacks[place->name][place->expert] = raw;
    rule_of[place->name] = place->rule;
  }
  for (auto& [tensor, parts] : stacks) {
    Rows from{{}, rule_of[tensor]->change, 0};
    const RawTensor& first = parts.begin()->second;
    std::vector<int64_t> shape = first.shape;
    if (from.change == GgufChange::expert) {
      shape.insert(shape.begin(), static_cast<int64_t>(parts.size()));
      if (parts.begin()->first != 0 || parts.rbegin()->first + 1 != shape[0])
        fail(ErrorKind::bad_file, "{}: {}: expected every expert from 0 to {}", checkpoint->source(), quote(tensor),
             parts.rbegin()->first);
    }
    if (from.change == GgufChange::rotary_q || from.change == GgufChange::rotary_k) {
      from.heads = from.change == GgufChange::rotary_q ? heads : kv_heads;
      if (from.heads <= 0 || shape.empty() || shape[0] % (2 * from.heads) != 0)
        fail(ErrorKind::bad_file, "{}: {}: expected a multiple of {} rows", checkpoint->source(), quote(tensor),
             2 * from.heads);
    }
    for (const auto& [expert, raw] : parts) {
      if (raw.shape != first.shape || raw.dtype != first.dtype)
        fail(ErrorKind::bad_file, "{}: {}: experts differ in shape or dtype", checkpoint->source(), quote(tensor));
      from.parts.push_back(raw);
    }
    if (shape.empty() || shape.size() > 4 || std::ranges::find(shape, 0) != shape.end())
      fail(ErrorKind::unsupported, "{}: {}: shape [{}] has no place in GGUF", checkpoint->source(), quote(tensor),
           fmt::join(shape, ", "));
    const DType dtype = first.dtype;
    put(tensor, dtype, std::move(shape), std::move(from));
  }
  rope_factors = gguf_rope_factors(config);
  if (!rope_factors.empty()) {
    const RawTensor raw{"rope_freqs.weight",
                        DType::f32,
                        {static_cast<int64_t>(rope_factors.size())},
                        std::as_bytes(std::span(rope_factors)),
                        nullptr};
    const std::vector<int64_t> shape = raw.shape;
    put("rope_freqs.weight", DType::f32, shape, {{raw}, GgufChange::none, 0});
  }
  order();

  // What a reader will make of this must be the model that was meant.
  check_same_model(config, gguf_config(Gguf::planned(metadata, tensors, checkpoint->source())), config_source,
                   ignore_keys);
}

GgufSource GgufSource::open(const std::string& model, std::span<const std::string> ignore_keys) {
  auto state = std::make_shared<State>();
  if (const auto shipped = shipped_model(model)) {
    state->name = model;
    const Json config = parse_json(shipped->config, model + "/config.json");
    state->open_checkpoint(
        Checkpoint::of(SafeTensors::from_bytes(shipped->weights, nullptr, model + "/model.safetensors")), config,
        model + "/config.json", ignore_keys);
    for (GgufEntry& entry : gguf_tokenizer(shipped->tokenizer, shipped->tokenizer_config, shipped->chat_template, model,
                                           config.value("vocab_size", int64_t{0})))
      state->metadata.push_back(std::move(entry));
  } else if (fs::is_directory(model)) {
    const fs::path folder(model);
    state->name = fs::weakly_canonical(folder).filename().string();
    const Json config = read_json(folder / "config.json", kMaxConfig);
    state->open_checkpoint(Checkpoint::open(folder), config, (folder / "config.json").string(), ignore_keys);
    for (GgufEntry& entry : gguf_tokenizer(folder, config.value("vocab_size", int64_t{0})))
      state->metadata.push_back(std::move(entry));
  } else if (fs::path(model).extension() == ".gguf") {
    state->open_file(model);
  } else {
    fail(ErrorKind::not_found,
         "{}: no such model: expected a folder with config.json, a .gguf file, or one that is "
         "shipped ({})",
         model, fmt::join(shipped_models(), ", "));
  }
  if (!state->file) {
    state->metadata.insert(state->metadata.begin() + 1, {"general.name", GgufValue::of(state->name)});
    state->metadata.insert(state->metadata.begin() + 1, {"general.type", GgufValue::of("model")});
  }
  GgufSource source;
  source.state_ = std::move(state);
  return source;
}

const std::string& GgufSource::name() const { return state_->name; }
const std::vector<GgufEntry>& GgufSource::metadata() const { return state_->metadata; }
const std::vector<TensorPlan>& GgufSource::tensors() const { return state_->tensors; }

namespace {

std::span<const std::byte> stored_row(const Rows& from, int64_t row) {
  const RawTensor& first = from.parts[0];
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < first.shape.size(); ++i) rows *= first.shape[i];
  const bool vector = first.shape.size() == 1;
  if (from.heads > 0) {  // a bias is moved value by value, a matrix row by row
    const int64_t count = vector ? first.shape[0] : rows, head = count / from.heads, half = head / 2;
    const int64_t h = row / head, at = row % head;
    row = h * head + (at % 2) * half + at / 2;
    const size_t size = first.bytes.size() / static_cast<size_t>(count);
    return first.bytes.subspan(static_cast<size_t>(row) * size, size);
  }
  const RawTensor& part = from.parts[static_cast<size_t>(row / rows)];
  const size_t size = part.bytes.size() / static_cast<size_t>(rows);
  return part.bytes.subspan(static_cast<size_t>(row % rows) * size, size);
}

}  // namespace

std::span<const std::byte> GgufSource::row(size_t tensor, int64_t row) const {
  const Rows& from = state_->rows[tensor];
  if (from.change == GgufChange::plus_one || (from.heads > 0 && from.parts[0].shape.size() == 1)) return {};
  return stored_row(from, row);
}

void GgufSource::read(size_t tensor, int64_t first, int64_t count, float* values) const {
  const Rows& from = state_->rows[tensor];
  const TensorPlan& plan = state_->tensors[tensor];
  const int64_t width = width_of(plan);
  if (from.heads > 0 && plan.shape.size() == 1) {
    for (int64_t i = 0; i < width; ++i) to_float(plan.dtype, stored_row(from, i), values + i, 1);
    return;
  }
  for (int64_t r = 0; r < count; ++r) to_float(plan.dtype, stored_row(from, first + r), values + r * width, width);
  if (from.change == GgufChange::plus_one)
    for (int64_t i = 0; i < count * width; ++i) values[i] += 1;
}

void GgufSource::release(size_t tensor) const {
  for (const RawTensor& part : state_->rows[tensor].parts) {
    if (state_->file) state_->file->release(part.bytes);
    if (state_->checkpoint) state_->checkpoint->release(part.bytes);
  }
}

}  // namespace glassbox
