#include "audit/description.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "chat/gguf_model.h"
#include "engine/model.h"
#include "engine/sampling.h"
#include "formats/file_set.h"
#include "formats/gguf_config.h"
#include "formats/gguf_file_type.h"
#include "formats/model_reference.h"
#include "models/registry.h"
#include "nn/gguf_weights.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

using Tensors = std::vector<const TensorInfo*>;

OrderedJson describe_tensors(const Tensors& tensors) {
  OrderedJson list = OrderedJson::array();
  for (const TensorInfo* tensor : tensors)
    list.push_back({{"name", tensor->name},
                    {"dtype", info(tensor->dtype).name},
                    {"shape", tensor->shape},
                    {"bytes", tensor->bytes}});
  return list;
}

OrderedJson describe_weights(const Tensors& tensors) {
  int64_t parameters = 0;
  uint64_t bytes = 0;
  std::map<std::string, int64_t> by_dtype;
  for (const TensorInfo* tensor : tensors) {
    parameters += tensor->elements();
    bytes += tensor->bytes;
    by_dtype[std::string(info(tensor->dtype).name)] += tensor->elements();
  }
  return {{"parameters", parameters},
          {"parameters_by_dtype", by_dtype},
          {"bytes", bytes},
          {"tensors", describe_tensors(tensors)}};
}

OrderedJson describe_weights(const Checkpoint& checkpoint) {
  OrderedJson weights = describe_weights(checkpoint.tensors());
  weights["files"] = checkpoint.files().size();
  return weights;
}

// What an index says of shards that are not here.
OrderedJson describe_index(const fs::path& file) {
  const Json index = read_json(file, size_t{256} << 20);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    fail(ErrorKind::bad_file, "{}: expected an object with an object \"weight_map\"", file.string());
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) shards.insert(shard.dump());
  OrderedJson weights = {{"shards", shards.size()}, {"names", index["weight_map"].size()}};
  if (const Json size = index.value("/metadata/total_size"_json_pointer, Json()); size.is_number_unsigned())
    weights["bytes"] = size;
  return weights;
}

// What entering a matmul rounds to, by the weights' dtype (docs/design.md, Numbers).
std::string arithmetic(const Tensors& tensors) {
  std::map<DType, int64_t> of_layers;  // values of their matrices
  for (const TensorInfo* tensor : tensors)
    if (tensor->name.find(".layers.") != std::string::npos && tensor->shape.size() >= 2)
      of_layers[tensor->dtype] += tensor->elements();
  if (of_layers.empty()) return "";
  switch (std::ranges::max_element(of_layers, {}, &std::pair<const DType, int64_t>::second)->first) {
    case DType::f32:
    case DType::f16:
      return "float32 activations and sums";
    case DType::f64:
      return "weights rounded to float32 when opened, float32 activations and sums";
    case DType::bf16:
      return "bf16 activations, float32 sums in blocks of 32";
    case DType::f8_e4m3:
    case DType::f8_e5m2:
      return "bf16 activations, float32 sums, scaled block by block";
    default:
      return "int8 activations, exact sums within a block, float32 across blocks";
  }
}

// Weights and cache, were the matrices of another precision: each tensor as dtype_in_model() says.
struct Precision {
  const char* name;
  DType matrices, cache;
};
constexpr Precision kPrecisions[] = {{"f32", DType::f32, DType::f32},
                                     {"bf16", DType::bf16, DType::bf16},
                                     {"f8_e4m3", DType::f8_e4m3, DType::bf16},
                                     {"q8_0", DType::q8_0, DType::bf16},
                                     {"q4_k", DType::q4_k, DType::bf16}};

double weight_bytes(const Tensors& tensors, DType matrices) {
  double bytes = 0;
  for (const TensorInfo* tensor : tensors) {
    const auto count = static_cast<double>(tensor->elements());
    const DTypeInfo& held =
        info(dtype_in_model(matrices, tensor->name, Shape(std::span<const int64_t>(tensor->shape))));
    bytes += count / static_cast<double>(held.block) * static_cast<double>(held.bytes);
    if (held.name == info(DType::f8_e4m3).name) bytes += count / (128 * 128) * 4;  // a scale for 128 x 128
  }
  return bytes;
}

OrderedJson describe_model(const LanguageModel& model, const Tensors& tensors, const Config& config, int64_t context) {
  const ModelShape& s = model.shape();
  const int64_t tokens = context > 0 ? context : s.context;
  int64_t total = 0;
  double active = 0;
  uint64_t bytes = 0;
  for (const TensorInfo* tensor : tensors) {
    total += tensor->elements();
    active += s.used_by_a_token(tensor->name, tensor->elements());
    bytes += tensor->bytes;
  }
  const MemoryShape& remembered = model.memory_shape();
  OrderedJson memory = {
      {"as_published", {{"weights_bytes", bytes}, {"cache_bytes", remembered.bytes_seen(tokens - 1)}}}};
  for (const Precision& precision : kPrecisions)
    memory[precision.name] = {{"weights_bytes", weight_bytes(tensors, precision.matrices)},
                              {"cache_bytes", remembered.with_dtype(precision.cache).bytes_seen(tokens - 1)}};
  OrderedJson out = {{"supported", true},      {"model_type", s.model_type},     {"layers", s.layers},
                     {"hidden", s.hidden},     {"intermediate", s.intermediate}, {"heads", s.heads},
                     {"kv_heads", s.kv_heads}, {"head_dim", s.head_dim},         {"vocabulary", s.vocabulary},
                     {"context", s.context},   {"tied_embeddings", s.tied}};
  if (s.experts > 0) {
    out["experts"] = s.experts;
    out["experts_per_token"] = s.experts_per_token;
  }
  out["parameters"] = {{"total", total}, {"active", static_cast<int64_t>(active + 0.5)}};
  out["arithmetic"] = arithmetic(tensors);
  out["ignored_keys"] = config.ignored();
  out["memory_context"] = tokens;
  out["memory"] = std::move(memory);
  return out;
}

// A model over `weights`, whose tensors are known once it is built: described even where a key of its configuration, or
// a tensor, is what this build does not do.
template <class TensorsOf>
OrderedJson describe_architecture(Config& config, WeightSource& weights, const TensorsOf& tensors_of, int64_t context) {
  OrderedJson out;
  try {
    const auto model = build_model(config, weights);
    out = describe_model(*model, tensors_of(), config, context);
    config.finish();
    weights.finish();
    out["warnings"] = config.warnings();
    return out;
  } catch (const Error& error) {
    OrderedJson refused = {{"supported", false}, {"why", error.what()}};
    if (out.is_object()) {
      out.erase("supported");
      refused.update(out);
    }
    return refused;
  }
}

OrderedJson describe_architecture(Config config, const Checkpoint& checkpoint, int64_t context) {
  Quantization quantization;
  try {
    quantization = read_quantization(config);
  } catch (const Error& error) { return {{"supported", false}, {"why", error.what()}}; }
  CheckpointWeights weights(checkpoint, quantization);
  return describe_architecture(config, weights, [&] { return checkpoint.tensors(); }, context);
}

// A configuration by itself: what a model of it would be.
OrderedJson describe_config(const fs::path& file, const DescriptionOptions& options) {
  OrderedJson out = {{"model", file.string()}};
  try {
    Config config = Config::open(file, options.ignore_keys);
    if (!config.has("model_type")) {
      const auto name = config.optional<std::string>("_class_name");
      fail(ErrorKind::unsupported, "{}: no configuration of a language model: it has no model_type{}", file.string(),
           name ? " (_class_name is " + *name + ")" : "");
    }
    std::optional<DType> published = read_dtype(config).value_or(DType::f32);
    std::string why;
    try {
      if (const auto quantized = read_quantization(config).dtype()) published = quantized;
    } catch (const Error& error) {  // its numbers are written in a way unknown here; how many there are is known still
      why = error.what();
      published.reset();
    }
    PlannedWeights weights(published.value_or(DType::bf16));
    OrderedJson& architecture = out["architecture"];
    architecture = describe_architecture(config, weights, [&] { return weights.tensors(); }, options.context);
    if (!architecture.contains("parameters")) return out;
    if (published) {
      out["weights"] = describe_weights(weights.tensors());
    } else {
      architecture["supported"] = false;
      architecture["why"] = why;
      architecture["memory"].erase("as_published");
      architecture.erase("arithmetic");
    }
  } catch (const Error& error) { out["architecture"] = {{"supported", false}, {"why", error.what()}}; }
  return out;
}

OrderedJson describe_tokenizer(const Tokenizer& tokenizer) {
  return {{"tokenizer", tokenizer.describe()}, {"tokens", tokenizer.size()}};
}

OrderedJson describe_text(const Tokenizer& tokenizer, const std::optional<ChatTemplate>& chat_template,
                          const GenerationConfig& generation) {
  OrderedJson text = describe_tokenizer(tokenizer);
  text["chat_template"] = chat_template ? OrderedJson(chat_template->source()) : OrderedJson(nullptr);
  text["eos"] = generation.eos;
  const SamplingDefaults defaults = sampling_defaults(generation);
  text["sampling"] = values_json(defaults);
  text["sampling_from"] = sources_json(defaults);
  return text;
}

// A folder as published, or what is shipped.
OrderedJson describe_published(const FileSet& files, const DescriptionOptions& options) {
  const auto checkpoint = Checkpoint::open(files);
  OrderedJson out = {{"model", files.source()}};
  const ModelFile config = files.need("config.json");
  out["architecture"] = describe_architecture(Config(config.json(kMaxConfig), config.source, options.ignore_keys),
                                              checkpoint, options.context);
  try {
    const Tokenizer tokenizer = Tokenizer::open(files);
    std::vector<int32_t> eos;
    if (tokenizer.eos()) eos.push_back(*tokenizer.eos());
    out["text"] =
        describe_text(tokenizer, open_chat_template(files), read_generation_config(files, eos, options.ignore_keys));
  } catch (const Error& error) { out["text"] = {{"why", error.what()}}; }
  out["weights"] = describe_weights(checkpoint);
  return out;
}

// A GGUF file: what its metadata says as it stands, and what that makes of it.
OrderedJson describe_gguf(const fs::path& path, const DescriptionOptions& options) {
  const Gguf file = Gguf::open(path);
  OrderedJson out = {{"model", path.string()}};
  Tensors tensors;
  try {
    const GgufCheckpoint checkpoint = gguf_checkpoint(file);
    for (const TensorInfo& tensor : checkpoint.tensors()) tensors.push_back(&tensor);
    GgufWeights weights(checkpoint);
    Config config(checkpoint.config(), path.string(), options.ignore_keys);
    out["architecture"] = describe_architecture(config, weights, [&] { return tensors; }, options.context);
  } catch (const Error& error) { out["architecture"] = {{"supported", false}, {"why", error.what()}}; }
  try {
    const Tokenizer tokenizer = Tokenizer::from_gguf(file);
    std::vector<int32_t> eos;
    if (tokenizer.eos()) eos.push_back(*tokenizer.eos());
    out["text"] = describe_text(tokenizer, gguf_chat_template(file, tokenizer),
                                read_generation_config(gguf_generation_config(file), Json(), eos, options.ignore_keys));
  } catch (const Error& error) { out["text"] = {{"why", error.what()}}; }
  tensors.clear();  // by GGUF's own names
  for (const TensorInfo& tensor : file.tensors()) tensors.push_back(&tensor);
  out["weights"] = describe_weights(tensors);
  out["weights"]["files"] = file.files();
  OrderedJson metadata = OrderedJson::object();
  for (const auto& [key, value] : file.metadata()) metadata[key] = value.text();
  if (const auto type = file_type_of(file)) out["weights"]["quantization"] = *type;
  out["gguf"] = {{"version", file.version()}, {"metadata", std::move(metadata)}};
  return out;
}

// Whether a .json file is a tokenizer's rather than a configuration of something.
bool is_tokenizer(const fs::path& file) {
  const std::string name = file.filename().string();
  if (!name.ends_with(".json") || name == "tokenizer.json" || name == "tokenizer_config.json") return true;
  Json json;
  try {
    json = read_json(file, size_t{256} << 20);
  } catch (const Error&) { return false; }  // told by whoever reads it next
  return !json.is_object() || (json.contains("model") && json["model"].is_object()) || name == "vocab.json";
}

// One file of a published model, by what its name says it is.
OrderedJson describe_file(const fs::path& file, const DescriptionOptions& options) {
  const std::string name = file.filename().string();
  OrderedJson out = {{"model", file.string()}};
  if (name.ends_with(".safetensors")) {
    out["weights"] = describe_weights(Checkpoint::open(file));
  } else if (name.ends_with(".safetensors.index.json")) {
    out["weights"] = describe_index(file);
  } else if (name.ends_with(".jinja")) {
    out["text"] = {{"chat_template", ChatTemplate::parse(read_file(file), file.string()).source()}};
  } else if (is_tokenizer(file)) {
    out["text"] = describe_tokenizer(Tokenizer::open(file));
  } else {
    return describe_config(file, options);
  }
  return out;
}

}  // namespace

OrderedJson describe(std::string_view reference, const DescriptionOptions& options) {
  if (const auto files = FileSet::find(reference))
    return files->kind() == FileSet::Kind::gguf ? describe_gguf(files->path(), options)
                                                : describe_published(*files, options);
  const fs::path file(reference);
  if (!fs::exists(file)) fail(ErrorKind::not_found, "{}", why_no_model(reference));
  return describe_file(file, options);
}

}  // namespace glassbox
