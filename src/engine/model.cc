#include "engine/model.h"

#include <algorithm>

#include "base/error.h"
#include "base/quote.h"
#include "chat/gguf_model.h"
#include "formats/gguf_config.h"
#include "formats/model_reference.h"
#include "formats/shipped.h"
#include "models/registry.h"
#include "nn/gguf_weights.h"

namespace glassbox {
namespace {

std::vector<int32_t> eos_of(const Tokenizer& tokenizer) {
  if (const auto eos = tokenizer.eos()) return {*eos};
  return {};
}

// Weights, checked to be all used; the network keeps the mapping alive.
std::unique_ptr<LanguageModel> build(Config& config, Checkpoint checkpoint) {
  CheckpointWeights weights(std::move(checkpoint), read_quantization(config));
  return make_model(config, weights);
}

// The tokenizer, or what says that there is none: of the model by its name, since clients may be told.
template <class Open>
Tokenizer tokenizer_or_none(const std::string& name, const std::filesystem::path& path, const Open& open) {
  try {
    return open();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    std::string why = error.what();
    if (why.starts_with(path.string())) why.replace(0, path.string().size(), name);
    return Tokenizer::none(std::move(why));
  }
}

std::shared_ptr<Model> finished(Model model) {
  std::ranges::move(model.generation.warnings, std::back_inserter(model.warnings));
  if (const std::string why = model.tokenizer.why_none(); !why.empty())
    model.warnings.push_back(why + ": only what needs no text works");
  model.prompts.emplace(model.tokenizer, model.chat_template);
  return std::make_shared<Model>(std::move(model));
}

std::shared_ptr<Model> open_folder(const std::filesystem::path& folder, const OpenOptions& options) {
  Config config = Config::open(folder, options.ignore_keys);
  auto name = std::filesystem::weakly_canonical(folder).filename().string();
  Tokenizer tokenizer = tokenizer_or_none(name, folder, [&] { return Tokenizer::open(folder); });
  const auto eos = eos_of(tokenizer);
  auto network = build(config, Checkpoint::open(folder));
  return finished({std::move(name), folder, std::move(network), tokenizer, open_chat_template(folder),
                   read_generation_config(folder, eos, options.ignore_keys), config.warnings()});
}

std::shared_ptr<Model> open_gguf(const std::filesystem::path& path, const OpenOptions& options) {
  const GgufCheckpoint checkpoint(Gguf::open(path));
  const Gguf& file = checkpoint.file();
  Tokenizer tokenizer =
      tokenizer_or_none(gguf_model_name(file, path), file.source(), [&] { return Tokenizer::from_gguf(file); });
  const auto eos = eos_of(tokenizer);
  Config config(checkpoint.config(), path.string(), options.ignore_keys);
  GgufWeights weights(checkpoint);
  auto network = make_model(config, weights);
  auto chat_template = gguf_chat_template(file, tokenizer);
  auto generation = read_generation_config(gguf_generation_config(file), checkpoint.config(), eos, options.ignore_keys);
  return finished({gguf_model_name(file, path), path, std::move(network), std::move(tokenizer),
                   std::move(chat_template), std::move(generation), config.warnings()});
}

std::shared_ptr<Model> open_shipped(const ShippedModel& files, const OpenOptions& options) {
  const std::string source(files.name);
  Tokenizer tokenizer = Tokenizer::from_json(files.tokenizer, source + "/tokenizer.json", files.tokenizer_config);
  const auto eos = eos_of(tokenizer);
  const Json config_json = parse_json(files.config, source + "/config.json");
  Config config(config_json, source + "/config.json", options.ignore_keys);
  const Json generation = parse_json(files.generation_config, source + "/generation_config.json");
  OrderedJson variables = OrderedJson::object();
  const auto say = [&](const char* variable, std::optional<int32_t> id) {
    if (id) variables[variable] = tokenizer.token(*id);
  };
  say("bos_token", tokenizer.bos());
  say("eos_token", tokenizer.eos());
  auto chat_template =
      ChatTemplate::parse(files.chat_template, source + "/chat_template.jinja").with_variables(std::move(variables));
  return finished(
      {source,
       {},
       build(config, Checkpoint::of(SafeTensors::from_bytes(files.weights, nullptr, source + "/model.safetensors"))),
       tokenizer,
       std::move(chat_template),
       read_generation_config(generation, config_json, eos, options.ignore_keys),
       config.warnings()});
}

std::shared_ptr<Model> open_reference(std::string_view reference, const OpenOptions& options) {
  if (const auto files = shipped_model(reference)) return open_shipped(*files, options);
  const std::filesystem::path path(reference);
  if (std::filesystem::is_directory(path)) {
    if (const auto why = why_no_model_folder(path)) fail(ErrorKind::not_found, "{}", *why);
    return open_folder(path, options);
  }
  if (std::error_code ignored; std::filesystem::exists(path, ignored) && is_gguf_file(path))
    return open_gguf(path, options);
  fail(ErrorKind::not_found, "{}", why_no_model(reference));
}

}  // namespace

Rendered Model::render(const OrderedJson& context) const {
  if (!chat_template) fail(ErrorKind::unsupported, "{}: has no chat template: it continues text and cannot chat", name);
  return chat_template->render(context);
}

std::vector<int32_t> Model::encode_prompt(const Rendered& rendered) const { return prompts->encode(rendered); }

std::string Model::beyond_the_table(int32_t token) const {
  const std::string name = token >= 0 && static_cast<size_t>(token) < tokenizer.size()
                               ? fmt::format(" ({})", quote(tokenizer.token(token)))
                               : "";
  return fmt::format("expected token ids from 0 to {}, got {}{}", network->shape().vocabulary - 1, token, name);
}

std::shared_ptr<const Model> open_model(std::string_view reference, const OpenOptions& options) {
  const FilesBeingMapped mapped;
  const std::shared_ptr<Model> model = open_reference(reference, options);
  model->files = mapped.files();
  model->check_whole();
  return model;
}

std::shared_ptr<const Adapter> open_adapter(const std::filesystem::path& folder, const Model& model, int threads) {
  Workspace workspace(threads);
  const FilesBeingMapped mapped;
  const std::shared_ptr<Adapter> adapter = open_adapter(folder, model.network->adaptable_weights(workspace), workspace);
  adapter->read_from(mapped.files());
  adapter->check_whole();
  return adapter;
}

std::vector<std::string> adapter_warnings(const std::filesystem::path& folder) {
  return read_adapter_config(Config::open(folder / "adapter_config.json")).warnings;
}

}  // namespace glassbox
