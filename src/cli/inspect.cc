// glassbox inspect: what a model is, before any of it is loaded.
#include <fmt/format.h>

#include "audit/description.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/fetch.h"
#include "cli/figures.h"

namespace glassbox {
namespace {

struct InspectOptions {
  std::string model;
  DescriptionOptions description;
  bool json = false, tensors = false;
};

void line(std::string_view name, const std::string& value) { fmt::print("{:<16} {}\n", name, value); }

void print_architecture(const OrderedJson& a) {
  if (!a["supported"].get<bool>()) line("cannot run", a["why"]);
  if (!a.contains("layers")) return;
  line("architecture",
       fmt::format("{}: {} layers, {} wide, {} heads of {} ({} for keys and values), MLP {}{}, vocabulary {}",
                   a["model_type"].get<std::string>(), a["layers"].get<int64_t>(), a["hidden"].get<int64_t>(),
                   a["heads"].get<int64_t>(), a["head_dim"].get<int64_t>(), a["kv_heads"].get<int64_t>(),
                   a["intermediate"].get<int64_t>(),
                   a.contains("experts")
                       ? fmt::format(", {} experts of which a token takes {}", a["experts"].get<int64_t>(),
                                     a["experts_per_token"].get<int64_t>())
                       : "",
                   with_commas(a["vocabulary"].get<int64_t>())));
  const OrderedJson& parameters = a["parameters"];
  line("parameters", with_commas(parameters["total"].get<int64_t>()) +
                         (parameters["total"] == parameters["active"]
                              ? ", all active"
                              : fmt::format(", {} active", with_commas(parameters["active"].get<int64_t>()))));
  line("context", fmt::format("{} tokens", with_commas(a["context"].get<int64_t>())));
  if (a.contains("arithmetic")) line("arithmetic", a["arithmetic"]);
  for (const auto& [precision, needed] : a["memory"].items())
    line("memory", fmt::format("{:<13} weights {:>8}, cache {:>8} at {} tokens",
                               (precision == "as_published" ? "as published" : precision) + ":",
                               human_bytes(needed["weights_bytes"].get<double>()),
                               human_bytes(needed["cache_bytes"].get<double>()),
                               with_commas(a["memory_context"].get<int64_t>())));
  if (!a["ignored_keys"].empty()) line("ignored keys", dump_ordered_json(a["ignored_keys"]));
  for (const auto& warning : a.value("warnings", OrderedJson::array())) line("warning", warning.get<std::string>());
}

void print_weights(const OrderedJson& weights, bool tensors) {
  if (weights.contains("names"))
    return line(
        "weights",
        fmt::format("{} tensors in {} files{}", weights["names"].get<int64_t>(), weights["shards"].get<int64_t>(),
                    weights.contains("bytes") ? ", " + human_bytes(weights["bytes"].get<double>()) + " in all" : ""));
  std::string types;
  for (const auto& [dtype, count] : weights["parameters_by_dtype"].items())
    types += fmt::format("{}{} {}", types.empty() ? "" : ", ", with_commas(count.get<int64_t>()), dtype);
  if (weights.contains("quantization")) line("quantization", weights["quantization"]);
  line("numbers", types);
  std::string files = "not here";
  if (weights.contains("files"))
    files = fmt::format("in {} file{}", weights["files"].get<int64_t>(), weights["files"] == 1 ? "" : "s");
  line("weights",
       fmt::format("{} {}, {} tensors", human_bytes(weights["bytes"].get<double>()), files, weights["tensors"].size()));
  if (!tensors) return;
  for (const OrderedJson& tensor : weights["tensors"])
    fmt::print("  {:<56} {:<7} {:<18} {:>9}\n", tensor["name"].get<std::string>(), tensor["dtype"].get<std::string>(),
               dump_ordered_json(tensor["shape"]), human_bytes(tensor["bytes"].get<double>()));
}

void print_text(const OrderedJson& text) {
  if (text.contains("why")) line("tokenizer", text["why"]);
  if (text.contains("tokenizer")) line("tokenizer", text["tokenizer"]);
  if (text.contains("chat_template"))
    line("chat template", text["chat_template"].is_null()
                              ? "none: the model continues text"
                              : fmt::format("{} characters", text["chat_template"].get<std::string>().size()));
  if (text.contains("eos")) line("ends at", dump_ordered_json(text["eos"]));
  for (const char* source : {"model", "glassbox"}) {
    if (!text.contains("sampling")) break;
    std::string settings;
    for (const auto& [name, value] : text["sampling"].items())
      if (text["sampling_from"][name] == source)
        settings += fmt::format("{}{} {}", settings.empty() ? "" : ", ", name, value.get<double>());
    if (!settings.empty())
      line("sampling",
           settings + (std::string_view(source) == "model" ? " (the model's own)" : " (Glassbox's defaults)"));
  }
}

void print_for_people(const OrderedJson& description, bool tensors) {
  line("model", description["model"]);
  if (description.contains("architecture")) print_architecture(description["architecture"]);
  if (description.contains("weights")) print_weights(description["weights"], tensors);
  if (description.contains("text")) print_text(description["text"]);
  if (!description.contains("gguf")) return;
  line("GGUF", fmt::format("version {}", description["gguf"]["version"].get<int>()));
  for (const auto& [key, value] : description["gguf"]["metadata"].items()) {
    fmt::print("  {:<44} {}\n", key, value.get<std::string>());
  }
}

int inspect(const InspectOptions& options) {
  fetch_model(options.model);
  const OrderedJson description = describe(options.model, options.description);
  if (options.json)
    fmt::print("{}\n", dump_ordered_json(description));
  else
    print_for_people(description, options.tensors);
  return 0;
}

}  // namespace

void add_inspect_command(Commands& commands) {
  auto options = std::make_shared<InspectOptions>();
  const Command command = commands.add("inspect", "What a model or file is, before loading it",
                                       "glassbox inspect glassbox/prism --tensors", options, inspect);
  command
      .option(
          "MODEL", &options->model,
          "glassbox/prism, a folder as published, a .gguf file, OWNER/NAME of a hub, or one file of a folder: weights, "
          "index, config.json, tokenizer, template")
      .required();
  command.repeated("--ignore-key", &options->description.ignore_keys,
                   "A key of config.json to run without, though it may matter");
  command
      .option("--context", &options->description.context,
              "Tokens to reckon the cache's memory for (default: the model's context)")
      .positive();
  command.flag("--tensors", &options->tensors, "List every tensor");
  command.flag("--json", &options->json, "One JSON object, for programs");
}

}  // namespace glassbox
