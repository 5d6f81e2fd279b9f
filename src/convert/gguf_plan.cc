#include "convert/gguf_plan.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/quote.h"
#include "formats/config.h"
#include "formats/gguf_config.h"
#include "formats/gguf_file_type.h"
#include "formats/gguf_names.h"
#include "models/registry.h"
#include "nn/weights.h"
#include "tensor/numbers.h"

namespace glassbox {
namespace {

using Rows = GgufTensorRows;

// llama.cpp's order: what belongs to no layer, then layer by layer, each by name.
std::pair<int64_t, std::string_view> place_in_order(std::string_view name) {
  int64_t layer = -1;
  if (name.starts_with("blk.")) std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  return {layer, name};
}

void put(GgufPlan& plan, std::string tensor, DType dtype, std::vector<int64_t> shape, Rows from) {
  plan.tensors.push_back({std::move(tensor), dtype, std::move(shape)});
  plan.rows.push_back(std::move(from));
}

void put_in_order(GgufPlan& plan) {
  std::vector<size_t> by(plan.tensors.size());
  std::iota(by.begin(), by.end(), size_t{0});
  std::ranges::sort(by, {}, [&](size_t i) { return place_in_order(plan.tensors[i].name); });
  std::vector<TensorPlan> tensors;
  std::vector<Rows> rows;
  for (const size_t i : by) {
    tensors.push_back(std::move(plan.tensors[i]));
    rows.push_back(std::move(plan.rows[i]));
  }
  plan.tensors = std::move(tensors);
  plan.rows = std::move(rows);
}

// Where 1 + w, which GGUF holds, rounds: w as it is.
void note_norm(GgufPlan& plan, const StoredWeights& stored, const std::string& tensor, const StoredWeight& source) {
  std::vector<float> w(static_cast<size_t>(elements(source.shape)));
  stored.read(source, 0, 1, w.data());
  std::vector<float> again = w;
  for (float& value : again) value = (1 + value) - 1;
  if (std::memcmp(w.data(), again.data(), w.size() * sizeof(float)) != 0)
    plan.metadata.push_back({kExactNorm + tensor, GgufValue::array(w)});
}

// The GGUF tensor of a rule, from one tensor of the checkpoint or one of each expert.
void put_stack(GgufPlan& plan, const StoredWeights& stored, const std::string& tensor, Rows from, const Json& text) {
  const StoredWeight& first = from.parts[0];
  std::vector<int64_t> shape = first.shape;
  const auto demand = [&](bool holds, std::string_view expected) {
    if (!holds)
      fail(ErrorKind::bad_file, "{}: {}: expected {}, got shape [{}]", stored.checkpoint().source(), quote(tensor),
           expected, fmt::join(shape, ", "));
  };
  for (const StoredWeight& part : from.parts)
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
    fail(ErrorKind::unsupported, "{}: {}: shape [{}] has no place in GGUF", stored.checkpoint().source(), quote(tensor),
         fmt::join(shape, ", "));
  DType dtype = first.plain() ? first.dtype : first.dtype == DType::f4_e2m1 ? DType::mxfp4 : DType::bf16;
  if (dtype == DType::f64) dtype = DType::f32;
  if (from.change == GgufChange::plus_one) note_norm(plan, stored, tensor, first);
  put(plan, tensor, dtype, std::move(shape), std::move(from));
}

// Tensors in another dtype than most numbers have are named, so that the way back gives each its own.
void note_dtypes(GgufPlan& plan, const std::vector<StoredWeight>& sources) {
  std::map<DType, int64_t> values_of;
  for (const StoredWeight& source : sources)
    if (source.plain()) values_of[source.dtype] += elements(source.shape);
  if (values_of.size() < 2) return;
  const DType common = std::ranges::max_element(values_of, {}, [](const auto& entry) { return entry.second; })->first;
  Json others = Json::object();
  for (const StoredWeight& source : sources)
    if (source.plain() && is_float(source.dtype) && source.dtype != common)
      others[std::string(info(source.dtype).name)].push_back(source.name);
  plan.metadata.push_back({std::string(kOwnDtypes), GgufValue::of(dump_json(others))});
}

}  // namespace

GgufPlan plan_of_file(const Gguf& file) {
  gguf_family(file, known_families());  // one we know, and whole
  GgufPlan plan;
  for (const GgufEntry& entry : file.metadata())
    if (entry.key != kFileTypeKey) plan.metadata.push_back(entry);
  for (const TensorInfo& tensor : file.tensors())
    put(plan, tensor.name, tensor.dtype, tensor.shape,
        {{{tensor.name, tensor.dtype, tensor.shape, *file.tensor(tensor.name)}}});
  put_in_order(plan);
  return plan;
}

GgufPlan plan_of_checkpoint(const StoredWeights& stored, const Json& config, const std::string& where,
                            std::span<const std::string> ignore_keys) {
  const Checkpoint& checkpoint = stored.checkpoint();
  GgufPlan plan;
  const FamilyFormat* family = gguf_family_named(config.value("model_type", ""), known_families());
  if (!family)
    fail(ErrorKind::unsupported, "{}: model_type {} cannot be written as GGUF", where,
         quote(config.value("model_type", "")));

  // Every key must be one that this program knows; sizes that the file leaves to the family are filled in.
  Config known(config, where, ignore_keys);
  read_quantization(known);  // whose keys are then known, too
  PlannedWeights planned(DType::bf16, &stored.weights());
  const ModelShape shape = build_model(known, planned)->shape();
  known.finish();
  plan.vocabulary = shape.vocabulary;
  Json filled = config;
  Json& text = family->text ? filled["text_config"] : filled;
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
  const bool only_head = shape.tied && !checkpoint.find(table);
  std::map<std::string, std::map<int64_t, StoredWeight>> stacks;
  std::map<std::string, const GgufNameRule*> rule_of;
  std::vector<StoredWeight> sources;
  int64_t drafts = 0;
  for (const std::string_view tensor : checkpoint.names()) {
    if (tensor.ends_with("rotary_emb.inv_freq") || (shape.tied && !only_head && tensor == head)) continue;
    if (!tensor.starts_with(family->prefix) && config.contains("vision_config")) continue;  // a person said so
    const auto source = stored.of(tensor);
    if (!source) continue;
    const auto places = gguf_places(*family, only_head && tensor == head ? table : source->name);
    if (places.empty())
      fail(ErrorKind::unsupported, "{}: tensor {} has no name in GGUF", checkpoint.source(), quote(tensor));
    for (const GgufPlace& place : places) {
      stacks[place.name][place.expert] = *source;
      rule_of[place.name] = place.rule;
      drafts = std::max(drafts, place.layer + 1 - shape.layers);
    }
    sources.push_back(*source);
  }
  for (GgufEntry& entry : gguf_metadata(filled, *family, where, drafts)) plan.metadata.push_back(std::move(entry));
  for (auto& [tensor, parts] : stacks) {
    Rows rows{{}, rule_of[tensor]->change};
    if (rows.change == GgufChange::expert &&
        (parts.begin()->first != 0 || parts.rbegin()->first + 1 != static_cast<int64_t>(parts.size())))
      fail(ErrorKind::bad_file, "{}: {}: expected every expert from 0 to {}", checkpoint.source(), quote(tensor),
           parts.rbegin()->first);
    for (auto& [expert, source] : parts) rows.parts.push_back(std::move(source));
    put_stack(plan, stored, tensor, std::move(rows), text);
  }
  note_dtypes(plan, sources);
  if (auto factors = std::make_shared<const std::vector<float>>(gguf_rope_factors(filled, *family));
      !factors->empty()) {
    constexpr const char* kName = "rope_freqs.weight";
    const std::vector<int64_t> shape = {static_cast<int64_t>(factors->size())};
    const RawTensor raw{kName, DType::f32, shape, std::as_bytes(std::span(*factors)), factors};
    put(plan, kName, DType::f32, shape, {{{kName, DType::f32, shape, raw}}});
  }
  put_in_order(plan);

  // What a reader will make of this must be the model that was meant.
  const Json ours = own_keys(filled, Gguf::planned(plan.metadata, plan.tensors, checkpoint.source()), known_families(),
                             where, ignore_keys);
  if (ours.empty()) return plan;
  plan.metadata.push_back({std::string(kOwnConfig), GgufValue::of(dump_json(ours))});
  const Json missed = own_keys(filled, Gguf::planned(plan.metadata, plan.tensors, checkpoint.source()),
                               known_families(), where, ignore_keys);
  if (!missed.empty())
    fail(ErrorKind::unsupported, "{}: {}: GGUF has no place for it", where, missed.items().begin().key());
  return plan;
}

}  // namespace glassbox
