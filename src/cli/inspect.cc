// glassbox inspect: what a model is, before any of it is loaded.
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/command.h"
#include "engine/shipped.h"
#include "models/registry.h"

namespace glassbox {
namespace {

struct InspectOptions {
  std::string model;
  std::vector<std::string> ignore_keys;
  int64_t context = 0;
  bool json = false, tensors = false;
};

OrderedJson describe_tensors(const std::vector<const TensorInfo*>& tensors) {
  OrderedJson list = OrderedJson::array();
  for (const TensorInfo* tensor : tensors)
    list.push_back({{"name", tensor->name},
                    {"dtype", info(tensor->dtype).name},
                    {"shape", tensor->shape},
                    {"bytes", tensor->bytes}});
  return list;
}

// Everything that can be said from headers and configuration, as one object; printing is separate.
OrderedJson describe_weights(const std::vector<const TensorInfo*>& tensors) {
  int64_t parameters = 0;
  uint64_t bytes = 0;
  std::map<std::string, int64_t> by_dtype;
  for (const TensorInfo* tensor : tensors) {
    int64_t count = 1;
    for (const int64_t size : tensor->shape) count *= size;
    parameters += count;
    bytes += tensor->bytes;
    by_dtype[std::string(info(tensor->dtype).name)] += count;
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

// What entering a matmul rounds to, by the weights' dtype (docs/design.md, Numbers).
const char* arithmetic(const OrderedJson& weights) {
  for (const OrderedJson& tensor : weights["tensors"])
    if (tensor["name"].get<std::string>().ends_with("q_proj.weight"))
      return tensor["dtype"] == info(DType::bf16).name ? "bf16 activations, float32 sums in blocks of 32"
                                                       : "float32 activations and sums";
  return "";
}

OrderedJson describe_architecture(const LanguageModel& model, const Config& config, const OrderedJson& weights,
                                  int64_t context) {
  const ModelShape& s = model.shape();
  const CacheShape& cache = model.cache_shape();
  const int64_t tokens = context > 0 ? context : s.context;
  const double positions = static_cast<double>(tokens) * static_cast<double>(cache.position_bytes());
  const double cache_values = positions / static_cast<double>(info(cache.dtype).bytes);
  OrderedJson memory = {{"as_published", {{"weights_bytes", weights["bytes"]}, {"cache_bytes", positions}}}};
  for (const DType dtype : {DType::f32, DType::bf16})
    memory[dtype == DType::f32 ? "f32" : "bf16"] = {
        {"weights_bytes", weights["parameters"].get<double>() * static_cast<double>(info(dtype).bytes)},
        {"cache_bytes", cache_values * static_cast<double>(info(dtype).bytes)}};
  return {{"supported", true},
          {"model_type", s.model_type},
          {"layers", s.layers},
          {"hidden", s.hidden},
          {"intermediate", s.intermediate},
          {"heads", s.heads},
          {"kv_heads", s.kv_heads},
          {"head_dim", s.head_dim},
          {"vocabulary", s.vocabulary},
          {"context", s.context},
          {"tied_embeddings", s.tied},
          {"arithmetic", arithmetic(weights)},
          {"ignored_keys", config.ignored()},
          {"memory_context", tokens},
          {"memory", memory}};
}

OrderedJson describe_architecture(Config config, const Checkpoint& checkpoint, const OrderedJson& weights,
                                  int64_t context) {
  try {
    CheckpointWeights source(checkpoint);
    const auto model = make_model(config, source);
    return describe_architecture(*model, config, weights, context);
  } catch (const Error& error) { return {{"supported", false}, {"why", error.what()}}; }
}

// A configuration by itself: what a model of it would be.
OrderedJson describe_config(Config config, const InspectOptions& options) {
  OrderedJson out = {{"model", options.model}};
  try {
    PlannedWeights source(read_dtype(config).value_or(DType::f32));
    const auto model = make_model(config, source);
    const OrderedJson weights = describe_weights(source.tensors());
    out["architecture"] = describe_architecture(*model, config, weights, options.context);
    out["weights"] = weights;
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
  return text;
}

OrderedJson describe_shipped(const ShippedModel& shipped, const InspectOptions& options) {
  const std::string source(shipped.name);
  const auto checkpoint =
      Checkpoint::of(SafeTensors::from_bytes(shipped.weights, nullptr, source + "/model.safetensors"));
  const auto model = open_model(options.model);
  const OrderedJson weights = describe_weights(checkpoint);
  return {{"model", source},
          {"architecture", describe_architecture(Config(parse_json(shipped.config, source), source + "/config.json"),
                                                 checkpoint, weights, options.context)},
          {"text", describe_text(model->tokenizer, model->chat_template, model->generation)},
          {"weights", weights}};
}

OrderedJson describe_folder(const std::filesystem::path& folder, const InspectOptions& options) {
  const auto checkpoint = Checkpoint::open(folder);
  const OrderedJson weights = describe_weights(checkpoint);
  OrderedJson out = {{"model", folder.string()}};
  out["architecture"] =
      describe_architecture(Config::open(folder, options.ignore_keys), checkpoint, weights, options.context);
  try {
    const Tokenizer tokenizer = Tokenizer::open(folder);
    std::vector<int32_t> eos;
    if (tokenizer.eos()) eos.push_back(*tokenizer.eos());
    out["text"] =
        describe_text(tokenizer, open_chat_template(folder), read_generation_config(folder, eos, options.ignore_keys));
  } catch (const Error& error) { out["text"] = {{"why", error.what()}}; }
  out["weights"] = weights;
  return out;
}

// One file of a published model, by what its name says it is.
OrderedJson describe_file(const std::filesystem::path& file, const InspectOptions& options) {
  const std::string name = file.filename().string();
  OrderedJson out = {{"model", file.string()}};
  if (name.ends_with(".safetensors")) {
    out["weights"] = describe_weights(Checkpoint::open(file));
  } else if (name.ends_with(".safetensors.index.json")) {
    out["weights"] = describe_weights(Checkpoint::open(std::filesystem::absolute(file).parent_path()));
  } else if (name.ends_with(".jinja")) {
    out["text"] = {{"chat_template", ChatTemplate::parse(read_file(file), file.string()).source()}};
  } else if (name.ends_with("config.json") && name != "tokenizer_config.json") {
    return describe_config(Config::open(file, options.ignore_keys), options);
  } else {
    out["text"] = describe_tokenizer(Tokenizer::open(file));
  }
  return out;
}

OrderedJson describe(const InspectOptions& options) {
  if (const auto shipped = shipped_model(options.model)) return describe_shipped(*shipped, options);
  const std::filesystem::path path(options.model);
  if (!std::filesystem::exists(path))
    fail(ErrorKind::not_found, "{}: no such file, folder or shipped model", options.model);
  return std::filesystem::is_directory(path) ? describe_folder(path, options) : describe_file(path, options);
}

void line(std::string_view name, const std::string& value) { fmt::print("{:<16} {}\n", name, value); }

void print_architecture(const OrderedJson& a) {
  if (!a["supported"].get<bool>()) return line("cannot run", a["why"]);
  line("architecture",
       fmt::format("{}: {} layers, {} wide, {} heads of {} ({} for keys and values), MLP {}, vocabulary {}",
                   a["model_type"].get<std::string>(), a["layers"].get<int64_t>(), a["hidden"].get<int64_t>(),
                   a["heads"].get<int64_t>(), a["head_dim"].get<int64_t>(), a["kv_heads"].get<int64_t>(),
                   a["intermediate"].get<int64_t>(), with_commas(a["vocabulary"].get<int64_t>())));
  line("context", fmt::format("{} tokens", with_commas(a["context"].get<int64_t>())));
  line("arithmetic", a["arithmetic"]);
  for (const auto& [precision, needed] : a["memory"].items())
    line(
        "memory",
        fmt::format("{}: weights {}, cache {} at {} tokens", precision == "as_published" ? "as published" : precision,
                    human_bytes(needed["weights_bytes"].get<double>()),
                    human_bytes(needed["cache_bytes"].get<double>()), with_commas(a["memory_context"].get<int64_t>())));
  if (!a["ignored_keys"].empty()) line("ignored keys", a["ignored_keys"].dump());
}

void print_weights(const OrderedJson& weights, bool tensors) {
  std::string types;
  for (const auto& [dtype, count] : weights["parameters_by_dtype"].items())
    types += fmt::format("{}{} {}", types.empty() ? "" : ", ", with_commas(count.get<int64_t>()), dtype);
  line("parameters", fmt::format("{} ({})", with_commas(weights["parameters"].get<int64_t>()), types));
  std::string files = "not here";
  if (weights.contains("files"))
    files = fmt::format("in {} file{}", weights["files"].get<int64_t>(), weights["files"] == 1 ? "" : "s");
  line("weights",
       fmt::format("{} {}, {} tensors", human_bytes(weights["bytes"].get<double>()), files, weights["tensors"].size()));
  if (!tensors) return;
  for (const OrderedJson& tensor : weights["tensors"])
    fmt::print("  {:<56} {:<5} {:<18} {:>9}\n", tensor["name"].get<std::string>(), tensor["dtype"].get<std::string>(),
               tensor["shape"].dump(), human_bytes(tensor["bytes"].get<double>()));
}

void print_text(const OrderedJson& text) {
  if (text.contains("why")) line("tokenizer", text["why"]);
  if (text.contains("tokenizer")) line("tokenizer", text["tokenizer"]);
  if (text.contains("chat_template"))
    line("chat template", text["chat_template"].is_null()
                              ? "none: the model continues text"
                              : fmt::format("{} characters", text["chat_template"].get<std::string>().size()));
  if (text.contains("eos")) line("ends at", text["eos"].dump());
}

void print_for_people(const OrderedJson& description, bool tensors) {
  line("model", description["model"]);
  if (description.contains("architecture")) print_architecture(description["architecture"]);
  if (description.contains("weights")) print_weights(description["weights"], tensors);
  if (description.contains("text")) print_text(description["text"]);
}

int inspect(const InspectOptions& options) {
  const OrderedJson description = describe(options);
  if (options.json)
    fmt::print("{}\n", description.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
  else
    print_for_people(description, options.tensors);
  return 0;
}

}  // namespace

void add_inspect_command(Commands& commands) {
  auto options = std::make_shared<InspectOptions>();
  auto* command = commands.add("inspect", "What a model or file is, before loading it",
                               "glassbox inspect glassbox/prism --tensors", options, inspect);
  command
      ->add_option(
          "MODEL", options->model,
          "glassbox/prism, a folder as published, or one file of it: weights, index, config.json, tokenizer, template")
      ->required();
  command->add_option("--ignore-key", options->ignore_keys, "A key of config.json to run without, though it may matter")
      ->take_all();
  command
      ->add_option("--context", options->context,
                   "Tokens to reckon the cache's memory for (default: the model's context)")
      ->check(CLI::PositiveNumber);
  command->add_flag("--tensors", options->tensors, "List every tensor");
  command->add_flag("--json", options->json, "One JSON object, for programs");
}

}  // namespace glassbox
