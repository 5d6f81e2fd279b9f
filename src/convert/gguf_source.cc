#include "convert/gguf_source.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/file.h"
#include "base/quote.h"
#include "convert/gguf_tokenizer.h"
#include "convert/model_card.h"
#include "convert/stored_weights.h"
#include "formats/config.h"
#include "formats/gguf_config.h"
#include "formats/gguf_families.h"
#include "formats/model_reference.h"
#include "formats/quantization.h"
#include "formats/shipped.h"
#include "models/registry.h"
#include "nn/weights.h"
#include "tensor/blocks.h"
#include "tensor/product.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

using Source = StoredWeight;

// Where the rows of one GGUF tensor lie.
struct Rows {
  std::vector<Source> parts;  // one, or one an expert
  GgufChange change = GgufChange::none;
  int64_t heads = 0;             // of rotary_q and rotary_k
  int64_t keys = 0, values = 0;  // of a head of latent attention
};

// Of the pairs and stacks: which outputs of the checkpoint's matrix these are.
struct Outputs {
  int64_t first = 0, step = 1;
};
Outputs outputs_of(GgufChange change, int64_t count) {
  switch (change) {
    case GgufChange::up_half:
      return {count, 1};
    case GgufChange::gate_turns:
    case GgufChange::gate_bias:
      return {0, 2};
    case GgufChange::up_turns:
    case GgufChange::up_bias:
      return {1, 2};
    default:
      return {};
  }
}
bool is_stack(GgufChange change) {
  return change == GgufChange::stacked || change == GgufChange::gate_half || change == GgufChange::up_half ||
         change == GgufChange::gate_turns || change == GgufChange::up_turns;
}
bool is_half(GgufChange change) { return is_stack(change) && change != GgufChange::stacked; }
bool is_bias(GgufChange change) { return change == GgufChange::gate_bias || change == GgufChange::up_bias; }

int64_t times(std::span<const int64_t> shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

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
    case DType::f64:
      return each(double{}, [](double value) {
        const auto rounded = static_cast<float>(value);
        if (std::isinf(rounded) && std::isfinite(value))
          fail(ErrorKind::unsupported, "a number of dtype F64, {}, is more than float32 holds", value);
        return rounded;
      });
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
  std::optional<StoredWeights> stored;
  int64_t vocabulary = 0;
  std::vector<float> rope_factors;

  // What was widened last, as rows are asked for in order.
  struct Recent {
    const Source* source = nullptr;
    int64_t group = -1;
    std::vector<float> values;
  };
  std::unique_ptr<Recent> recent = std::make_unique<Recent>();
  mutable std::mutex turning;  // held while rows are read across: group() keeps one at a time

  void open_file(const fs::path& path);
  void open_checkpoint(Checkpoint from, const Json& config, const std::string& config_source,
                       std::span<const std::string> ignore_keys);
  void put(std::string tensor, DType dtype, std::vector<int64_t> shape, Rows from) {
    tensors.push_back({std::move(tensor), dtype, std::move(shape)});
    rows.push_back(std::move(from));
  }
  void order();
  void put_stack(const std::string& tensor, Rows from, const Json& text);
  void note_dtypes(const std::vector<Source>& sources);
  void note_norm(const std::string& tensor, const Source& source);

  void load(const Source& source, int64_t first, int64_t count, float* values) const {
    return stored ? stored->read(source, first, count, values) : read_plain(source, first, count, values);
  }
  void read(const Rows& from, const TensorPlan& plan, int64_t row, float* values) const;
  const float* group(const Source& source, int64_t index, int64_t first, int64_t count) const;
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
  name = file->string("general.name").value_or(gguf_stem(path));
  for (const GgufEntry& entry : file->metadata())
    if (entry.key != "general.file_type") metadata.push_back(entry);
  for (const TensorInfo& tensor : file->tensors())
    put(tensor.name, tensor.dtype, tensor.shape,
        {{{tensor.name, tensor.dtype, tensor.shape, *file->tensor(tensor.name)}}});
  order();
}

// The GGUF tensor of a rule, from one tensor of the checkpoint or one of each expert.
void GgufSource::State::put_stack(const std::string& tensor, Rows from, const Json& text) {
  const Source& first = from.parts[0];
  std::vector<int64_t> shape = first.shape;
  const auto demand = [&](bool holds, std::string_view expected) {
    if (!holds)
      fail(ErrorKind::bad_file, "{}: {}: expected {}, got shape [{}]", checkpoint->source(), quote(tensor), expected,
           fmt::join(shape, ", "));
  };
  for (const Source& part : from.parts)
    demand(part.shape == first.shape && part.dtype == first.dtype, "experts of one shape and dtype");
  if (from.change == GgufChange::expert) shape.insert(shape.begin(), static_cast<int64_t>(from.parts.size()));
  if (from.change == GgufChange::rotary_q || from.change == GgufChange::rotary_k) {
    const int64_t heads = text.value("num_attention_heads", int64_t{1});
    from.heads = from.change == GgufChange::rotary_q ? heads : text.value("num_key_value_heads", heads);
    demand(from.heads > 0 && !shape.empty() && shape[0] % (2 * from.heads) == 0, "two halves of every head");
  }
  if (is_stack(from.change)) {
    demand(shape.size() == 3, "a stack of matrices");
    if (first.plain()) std::swap(shape[1], shape[2]);  // else rows are outputs already
    demand(!is_half(from.change) || shape[1] % 2 == 0, "as many outputs of up as of the gate");
    if (is_half(from.change)) shape[1] /= 2;
  }
  if (is_bias(from.change)) {
    demand(shape.size() == 2 && shape[1] % 2 == 0, "as many outputs of up as of the gate");
    shape[1] /= 2;
  }
  if (from.change == GgufChange::key_part || from.change == GgufChange::value_part) {
    from.keys = text.value("qk_nope_head_dim", int64_t{0});
    from.values = text.value("v_head_dim", int64_t{0});
    const int64_t rows = from.keys + from.values;
    demand(shape.size() == 2 && from.keys > 0 && from.values > 0 && shape[0] % rows == 0,
           "rows for keys and values of every head");
    const bool keys = from.change == GgufChange::key_part;
    shape = {shape[0] / rows, keys ? shape[1] : from.values, keys ? from.keys : shape[1]};
  }
  if (shape.empty() || shape.size() > 4 || std::ranges::find(shape, 0) != shape.end())
    fail(ErrorKind::unsupported, "{}: {}: shape [{}] has no place in GGUF", checkpoint->source(), quote(tensor),
         fmt::join(shape, ", "));
  DType dtype = first.plain() ? first.dtype : first.dtype == DType::f4_e2m1 ? DType::mxfp4 : DType::bf16;
  if (dtype == DType::f64) dtype = DType::f32;
  if (from.change == GgufChange::plus_one) note_norm(tensor, first);
  put(tensor, dtype, std::move(shape), std::move(from));
}

// Tensors in another dtype than most numbers have are named, so that the way back gives each its own.
void GgufSource::State::note_dtypes(const std::vector<Source>& sources) {
  std::map<DType, int64_t> values_of;
  for (const Source& source : sources)
    if (source.plain()) values_of[source.dtype] += times(source.shape);
  if (values_of.size() < 2) return;
  const DType common = std::ranges::max_element(values_of, {}, [](const auto& entry) { return entry.second; })->first;
  Json others = Json::object();
  for (const Source& source : sources)
    if (source.plain() && is_float(source.dtype) && source.dtype != common)
      others[std::string(info(source.dtype).name)].push_back(source.name);
  metadata.push_back({std::string(kOwnDtypes), GgufValue::of(dump_json(others))});
}

void GgufSource::State::note_norm(const std::string& tensor, const Source& source) {
  std::vector<float> w(static_cast<size_t>(times(source.shape)));
  load(source, 0, 1, w.data());
  std::vector<float> again = w;
  for (float& value : again) value = (1 + value) - 1;
  if (std::memcmp(w.data(), again.data(), w.size() * sizeof(float)) != 0)
    metadata.push_back({kExactNorm + tensor, GgufValue::array(w)});
}

void GgufSource::State::open_checkpoint(Checkpoint from, const Json& config, const std::string& config_source,
                                        std::span<const std::string> ignore_keys) {
  checkpoint = std::move(from);
  const GgufFamily* family = gguf_family_of_model_type(config.value("model_type", ""));
  if (!family)
    fail(ErrorKind::unsupported, "{}: model_type {} cannot be written as GGUF", config_source,
         quote(config.value("model_type", "")));

  // Every key must be one that this program knows; sizes that the file leaves to the family are filled in.
  Config known(config, config_source, ignore_keys);
  const Quantization quantization = read_quantization(known);
  stored.emplace(*checkpoint, quantization);
  PlannedWeights planned(DType::bf16, &stored->weights());
  const ModelShape shape = build_model(known, planned)->shape();
  known.finish();
  vocabulary = shape.vocabulary;
  Json filled = config;
  Json& text = family->prefix.empty() ? filled : filled["text_config"];
  const auto fill = [&](const char* key, int64_t value) {
    if (!text.contains(key) || text[key].is_null()) text[key] = value;
  };
  fill("vocab_size", shape.vocabulary);
  fill("num_attention_heads", shape.heads);
  fill("num_key_value_heads", shape.kv_heads);
  fill("head_dim", shape.head_dim);
  fill("max_position_embeddings", shape.context);
  text["tie_word_embeddings"] = shape.tied;

  const std::string before(family->prefix), head = before + "lm_head.weight",
                                            table = before + "model.embed_tokens.weight";
  const bool only_head = shape.tied && !checkpoint->find(table);
  std::map<std::string, std::map<int64_t, Source>> stacks;
  std::map<std::string, const GgufNameRule*> rule_of;
  std::vector<Source> sources;
  int64_t drafts = 0;
  for (const std::string_view tensor : checkpoint->names()) {
    if (tensor.ends_with("rotary_emb.inv_freq") || (shape.tied && !only_head && tensor == head)) continue;
    if (!tensor.starts_with(family->prefix) && config.contains("vision_config")) continue;  // a person said so
    const auto source = stored->of(tensor);
    if (!source) continue;
    const auto places = gguf_places(*family, only_head && tensor == head ? table : source->name);
    if (places.empty())
      fail(ErrorKind::unsupported, "{}: tensor {} has no name in GGUF", checkpoint->source(), quote(tensor));
    for (const GgufPlace& place : places) {
      stacks[place.name][place.expert] = *source;
      rule_of[place.name] = place.rule;
      drafts = std::max(drafts, place.layer + 1 - shape.layers);
    }
    sources.push_back(*source);
  }
  for (GgufEntry& entry : gguf_metadata(filled, config_source, drafts)) metadata.push_back(std::move(entry));
  for (auto& [tensor, parts] : stacks) {
    Rows rows_of_tensor{{}, rule_of[tensor]->change};
    if (rows_of_tensor.change == GgufChange::expert &&
        (parts.begin()->first != 0 || parts.rbegin()->first + 1 != static_cast<int64_t>(parts.size())))
      fail(ErrorKind::bad_file, "{}: {}: expected every expert from 0 to {}", checkpoint->source(), quote(tensor),
           parts.rbegin()->first);
    for (auto& [expert, source] : parts) rows_of_tensor.parts.push_back(std::move(source));
    put_stack(tensor, std::move(rows_of_tensor), text);
  }
  note_dtypes(sources);
  rope_factors = gguf_rope_factors(filled);
  if (!rope_factors.empty()) {
    const RawTensor raw{"rope_freqs.weight",
                        DType::f32,
                        {static_cast<int64_t>(rope_factors.size())},
                        std::as_bytes(std::span(rope_factors)),
                        nullptr};
    put("rope_freqs.weight", DType::f32, raw.shape, {{{"rope_freqs.weight", DType::f32, raw.shape, raw}}});
  }
  order();

  // What a reader will make of this must be the model that was meant.
  const Json said =
      own_keys(filled, Gguf::planned(metadata, tensors, checkpoint->source()), config_source, ignore_keys);
  if (said.empty()) return;
  metadata.push_back({std::string(kOwnConfig), GgufValue::of(dump_json(said))});
  const Json missed =
      own_keys(filled, Gguf::planned(metadata, tensors, checkpoint->source()), config_source, ignore_keys);
  if (!missed.empty())
    fail(ErrorKind::unsupported, "{}: {}: GGUF has no place for it", config_source, missed.items().begin().key());
}

GgufSource GgufSource::open(const std::string& model, std::span<const std::string> ignore_keys) try {
  auto state = std::make_shared<State>();
  if (const auto shipped = shipped_model(model)) {
    state->name = model;
    const Json config = parse_json(shipped->config, model + "/config.json");
    state->open_checkpoint(
        Checkpoint::of(SafeTensors::from_bytes(shipped->weights, nullptr, model + "/model.safetensors")), config,
        model + "/config.json", ignore_keys);
    for (GgufEntry& entry : gguf_tokenizer(shipped->tokenizer, shipped->tokenizer_config, shipped->chat_template, model,
                                           state->vocabulary))
      state->metadata.push_back(std::move(entry));
  } else if (fs::is_directory(model)) {
    const fs::path folder(model);
    state->name = fs::weakly_canonical(folder).filename().string();
    const Json config = read_json(folder / "config.json", kMaxConfig);
    state->open_checkpoint(Checkpoint::open(folder), config, (folder / "config.json").string(), ignore_keys);
    for (GgufEntry& entry : gguf_tokenizer(folder, state->vocabulary)) state->metadata.push_back(std::move(entry));
    if (const fs::path card = folder / "README.md"; fs::exists(card))
      for (GgufEntry& entry : card_metadata(read_file(card))) state->metadata.push_back(std::move(entry));
  } else if (is_gguf_file(model)) {
    state->open_file(model);
  } else {
    fail(ErrorKind::not_found, "{}", why_no_model(model));
  }
  if (!state->file) {
    state->metadata.insert(state->metadata.begin() + 1, {"general.name", GgufValue::of(state->name)});
    state->metadata.insert(state->metadata.begin() + 1, {"general.type", GgufValue::of("model")});
  }
  GgufSource source;
  source.state_ = std::move(state);
  return source;
} catch (const Json::exception& error) {
  // A text where a number is meant, and the like: models read their config strictly, this reads it as far as it must.
  const std::string_view what = error.what();
  fail(ErrorKind::bad_file, "{}: config.json or a file beside it: {}", model, what.substr(what.find(']') + 2));
}

const std::string& GgufSource::name() const { return state_->name; }
const std::vector<GgufEntry>& GgufSource::metadata() const { return state_->metadata; }
const std::vector<TensorPlan>& GgufSource::tensors() const { return state_->tensors; }

// `count` rows of a weight as float32, kept until others are asked for. REQUIRES: `turning` is held.
const float* GgufSource::State::group(const Source& source, int64_t index, int64_t first, int64_t count) const {
  if (recent->source != &source || recent->group != index) {
    recent->values.resize(static_cast<size_t>(count * source.shape.back()));
    load(source, first, count, recent->values.data());
    recent->source = &source;
    recent->group = index;
  }
  return recent->values.data();
}

namespace {

// The checkpoint's row behind a row of GGUF, where one is the other.
struct Row {
  const Source* source;
  int64_t row;
};
Row row_behind(const Rows& from, const TensorPlan& plan, int64_t row) {
  const Source& first = from.parts[0];
  switch (from.change) {
    case GgufChange::rotary_q:
    case GgufChange::rotary_k: {
      const int64_t head = rows_of(plan) / from.heads, half = head / 2, at = row % head;
      return {&first, row - at + (at % 2) * half + at / 2};
    }
    case GgufChange::expert: {
      const int64_t rows = plan.shape.size() < 3 ? 1 : plan.shape[1];
      return {&from.parts[static_cast<size_t>(row / rows)], row % rows};
    }
    case GgufChange::value_part:
      return {&first, row / from.values * (from.keys + from.values) + from.keys + row % from.values};
    default:
      break;
  }
  if (!is_stack(from.change)) return {&first, row};
  const int64_t outputs = plan.shape[1];
  const Outputs which = outputs_of(from.change, outputs);
  return {&first, row / outputs * outputs * (is_half(from.change) ? 2 : 1) + which.first + row % outputs * which.step};
}

bool is_vector(const Rows& from) { return from.parts[0].shape.size() == 1; }

// Whether each row is a row of the source, if in another place.
bool by_rows(const Rows& from) {
  if (is_vector(from)) return from.heads == 0;
  return !is_bias(from.change) && from.change != GgufChange::key_part &&
         !(is_stack(from.change) && from.parts[0].plain());
}

// As published (value 2 i of a byte i in its low half, 16 bytes a block) to GGUF's (value i low, i + 16 high).
void repack_mxfp4(const std::byte* blocks, const std::byte* scales, int64_t count, std::byte* to) {
  for (int64_t b = 0; b < count; ++b, blocks += 16, to += 17) {
    to[0] = scales[b];
    const auto value = [&](int i) { return blocks[i / 2] >> (i % 2 * 4) & std::byte{15}; };
    for (int i = 0; i < 16; ++i) to[1 + i] = value(i) | value(i + 16) << 4;
  }
}

}  // namespace

bool GgufSource::as_stored(size_t tensor) const {
  const Rows& from = state_->rows[tensor];
  return by_rows(from) && from.change != GgufChange::plus_one &&
         (from.parts[0].plain() ? from.parts[0].dtype == state_->tensors[tensor].dtype
                                : from.parts[0].dtype == DType::f4_e2m1);
}

void GgufSource::copy(size_t tensor, int64_t first, int64_t count, const AppendBytes& append) const {
  const Rows& from = state_->rows[tensor];
  const TensorPlan& plan = state_->tensors[tensor];
  const size_t size = static_cast<size_t>(width_of(plan)) / info(plan.dtype).block * info(plan.dtype).bytes;
  std::vector<std::byte> packed;
  for (int64_t r = first; r < first + count; ++r) {
    const Row behind = row_behind(from, plan, r);
    if (behind.source->plain()) {
      append(behind.source->raw.bytes.subspan(static_cast<size_t>(behind.row) * size, size));
      continue;
    }
    const RawTensor blocks = *state_->checkpoint->find(behind.source->name + "_blocks"),
                    scales = *state_->checkpoint->find(behind.source->name + "_scales");
    const int64_t many = width_of(plan) / 32;
    if (scales.bytes.size() * 16 != blocks.bytes.size())
      fail(ErrorKind::bad_file, "{}: tensor {}: expected a scale for each block", state_->checkpoint->source(),
           quote(blocks.name));
    packed.resize(size);
    repack_mxfp4(blocks.bytes.data() + behind.row * many * 16, scales.bytes.data() + behind.row * many, many,
                 packed.data());
    append(packed);
  }
}

// One row that lies across the rows of the source.
void GgufSource::State::read(const Rows& from, const TensorPlan& plan, int64_t row, float* values) const {
  const Source& source = from.parts[0];
  const int64_t width = width_of(plan);
  if (is_vector(from)) {  // a bias is moved value by value
    const float* all = group(source, 0, 0, 1);
    TensorPlan turned = plan;
    turned.shape = {width, 1};
    for (int64_t i = 0; i < width; ++i) values[i] = all[row_behind(from, turned, i).row];
  } else if (is_bias(from.change)) {
    const Outputs which = outputs_of(from.change, width);
    const float* both = group(source, row, row, 1);
    for (int64_t i = 0; i < width; ++i) values[i] = both[which.first + i * which.step];
  } else if (from.change == GgufChange::key_part) {
    const int64_t inputs = plan.shape[1], head = row / inputs;
    const float* keys = group(source, head, head * (from.keys + from.values), from.keys);
    for (int64_t i = 0; i < width; ++i) values[i] = keys[i * inputs + row % inputs];
  } else {  // a stack whose outputs are columns
    const int64_t outputs = plan.shape[1], matrix = row / outputs;
    const Outputs which = outputs_of(from.change, outputs);
    const float* columns = group(source, matrix, matrix * width, width) + which.first + row % outputs * which.step;
    for (int64_t i = 0; i < width; ++i) values[i] = columns[i * source.shape.back()];
  }
}

void GgufSource::read(size_t tensor, int64_t first, int64_t count, float* values) const {
  const Rows& from = state_->rows[tensor];
  const TensorPlan& plan = state_->tensors[tensor];
  const int64_t width = width_of(plan);
  const bool whole = by_rows(from);
  const std::unique_lock<std::mutex> hold = whole ? std::unique_lock<std::mutex>() : std::unique_lock(state_->turning);
  for (int64_t r = 0; r < count; ++r) {
    if (whole) {
      const Row behind = row_behind(from, plan, first + r);
      state_->load(*behind.source, behind.row, 1, values + r * width);
    } else {
      state_->read(from, plan, first + r, values + r * width);
    }
  }
  if (from.change == GgufChange::plus_one)
    for (int64_t i = 0; i < count * width; ++i) values[i] += 1;
}

void GgufSource::release(size_t tensor) const {
  for (const Source& part : state_->rows[tensor].parts) {
    if (state_->file) state_->file->release(part.raw.bytes);
    if (state_->stored) state_->stored->release(part);
  }
}

}  // namespace glassbox
