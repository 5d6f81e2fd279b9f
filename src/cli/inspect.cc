// glassbox inspect: what a model is, before any of it is loaded.
#include <filesystem>
#include <map>

#include "base/error.h"
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
OrderedJson describe_weights(const Checkpoint& checkpoint) {
  int64_t parameters = 0;
  std::map<std::string, int64_t> by_dtype;
  for (const TensorInfo* tensor : checkpoint.tensors()) {
    int64_t count = 1;
    for (const int64_t size : tensor->shape) count *= size;
    parameters += count;
    by_dtype[std::string(info(tensor->dtype).name)] += count;
  }
  return {{"parameters", parameters},
          {"parameters_by_dtype", by_dtype},
          {"bytes", checkpoint.total_bytes()},
          {"files", checkpoint.files().size()},
          {"tensors", describe_tensors(checkpoint.tensors())}};
}

// What entering a matmul rounds to, by the weights' dtype (docs/design.md, Numbers).
const char* arithmetic(DType dtype) {
  return dtype == DType::bf16 ? "bf16 activations, float32 sums in blocks of 32" : "float32 activations and sums";
}

OrderedJson describe_architecture(Config config, const Checkpoint& checkpoint, int64_t context) {
  try {
    CheckpointWeights weights(checkpoint);
    const auto model = make_model(config, weights);
    weights.finish();
    const ModelShape& s = model->shape();
    const int64_t tokens = context > 0 ? context : s.context;
    const auto count = static_cast<double>(describe_weights(checkpoint)["parameters"].get<int64_t>());
    const auto positions = static_cast<double>(tokens) * static_cast<double>(model->cache_shape().position_bytes());
    const double cache_values = positions / static_cast<double>(info(model->cache_shape().dtype).bytes);
    OrderedJson memory = OrderedJson::object();
    memory["as_published"] = {{"weights_bytes", checkpoint.total_bytes()}, {"cache_bytes", positions}};
    for (const DType dtype : {DType::f32, DType::bf16})
      memory[dtype == DType::f32 ? "f32" : "bf16"] = {
          {"weights_bytes", count * static_cast<double>(info(dtype).bytes)},
          {"cache_bytes", cache_values * static_cast<double>(info(dtype).bytes)}};
    const auto raw = checkpoint.find("model.layers.0.self_attn.q_proj.weight");
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
            {"arithmetic", raw ? arithmetic(raw->dtype) : ""},
            {"ignored_keys", config.ignored()},
            {"memory_context", tokens},
            {"memory", memory}};
  } catch (const Error& error) { return {{"supported", false}, {"why", error.what()}}; }
}

OrderedJson describe_text(const Tokenizer& tokenizer, const std::optional<ChatTemplate>& chat_template,
                          const GenerationConfig& generation) {
  return {{"tokenizer", tokenizer.describe()},
          {"tokens", tokenizer.size()},
          {"chat_template", chat_template ? OrderedJson(chat_template->source()) : OrderedJson(nullptr)},
          {"eos", generation.eos}};
}

OrderedJson describe(const InspectOptions& options) {
  if (const auto shipped = shipped_model(options.model)) {
    const std::string source(shipped->name);
    const auto checkpoint =
        Checkpoint::of(SafeTensors::from_bytes(shipped->weights, nullptr, source + "/model.safetensors"));
    const auto model = open_model(options.model);
    OrderedJson out = {{"model", source}};
    out["architecture"] = describe_architecture(Config(parse_json(shipped->config, source), source + "/config.json"),
                                                checkpoint, options.context);
    out["weights"] = describe_weights(checkpoint);
    out["text"] = describe_text(model->tokenizer, model->chat_template, model->generation);
    return out;
  }
  const std::filesystem::path path(options.model);
  OrderedJson out = {{"model", path.string()}};
  if (!std::filesystem::exists(path))
    fail(ErrorKind::not_found, "{}: no such file, folder or shipped model", options.model);
  const bool folder = std::filesystem::is_directory(path);
  const auto checkpoint = Checkpoint::open(path);
  if (folder) {
    out["architecture"] = describe_architecture(Config::open(path, options.ignore_keys), checkpoint, options.context);
    try {
      const Tokenizer tokenizer = Tokenizer::open(path);
      std::vector<int32_t> eos;
      if (tokenizer.eos()) eos.push_back(*tokenizer.eos());
      out["text"] =
          describe_text(tokenizer, open_chat_template(path), read_generation_config(path, eos, options.ignore_keys));
    } catch (const Error& error) { out["text"] = {{"why", error.what()}}; }
  }
  out["weights"] = describe_weights(checkpoint);
  return out;
}

void print_for_people(const OrderedJson& d, bool tensors) {
  const auto line = [](std::string_view name, const std::string& value) { fmt::print("{:<16} {}\n", name, value); };
  line("model", d["model"]);
  const OrderedJson& weights = d["weights"];
  if (d.contains("architecture")) {
    const OrderedJson& a = d["architecture"];
    if (!a["supported"].get<bool>()) {
      line("cannot run", a["why"]);
    } else {
      line("architecture",
           fmt::format("{}: {} layers, {} wide, {} heads of {} ({} for keys and values), MLP {}, vocabulary {}",
                       a["model_type"].get<std::string>(), a["layers"].get<int64_t>(), a["hidden"].get<int64_t>(),
                       a["heads"].get<int64_t>(), a["head_dim"].get<int64_t>(), a["kv_heads"].get<int64_t>(),
                       a["intermediate"].get<int64_t>(), with_commas(a["vocabulary"].get<int64_t>())));
      line("context", fmt::format("{} tokens", with_commas(a["context"].get<int64_t>())));
      line("arithmetic", a["arithmetic"]);
      for (const auto& [precision, needed] : a["memory"].items())
        line("memory", fmt::format("{}: weights {}, cache {} at {} tokens",
                                   precision == "as_published" ? "as published" : precision,
                                   human_bytes(needed["weights_bytes"].get<double>()),
                                   human_bytes(needed["cache_bytes"].get<double>()),
                                   with_commas(a["memory_context"].get<int64_t>())));
      if (!a["ignored_keys"].empty()) line("ignored keys", a["ignored_keys"].dump());
    }
  }
  std::string types;
  for (const auto& [dtype, count] : weights["parameters_by_dtype"].items())
    types += fmt::format("{}{} {}", types.empty() ? "" : ", ", with_commas(count.get<int64_t>()), dtype);
  line("parameters", fmt::format("{} ({})", with_commas(weights["parameters"].get<int64_t>()), types));
  line("weights",
       fmt::format("{} in {} file{}, {} tensors", human_bytes(weights["bytes"].get<double>()),
                   weights["files"].get<int64_t>(), weights["files"] == 1 ? "" : "s", weights["tensors"].size()));
  if (d.contains("text")) {
    const OrderedJson& text = d["text"];
    if (text.contains("why")) {
      line("tokenizer", text["why"]);
    } else {
      line("tokenizer", text["tokenizer"]);
      line("chat template", text["chat_template"].is_null()
                                ? "none: the model continues text"
                                : fmt::format("{} characters", text["chat_template"].get<std::string>().size()));
      line("ends at", text["eos"].dump());
    }
  }
  if (tensors)
    for (const OrderedJson& tensor : weights["tensors"])
      fmt::print("  {:<56} {:<5} {:<18} {:>9}\n", tensor["name"].get<std::string>(), tensor["dtype"].get<std::string>(),
                 tensor["shape"].dump(), human_bytes(tensor["bytes"].get<double>()));
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
  command->add_option("MODEL", options->model, "glassbox/prism, a folder as published, or a .safetensors file")
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
