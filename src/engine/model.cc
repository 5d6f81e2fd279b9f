#include "engine/model.h"

#include <algorithm>

#include "base/error.h"
#include "base/quote.h"
#include "chat/gguf_model.h"
#include "formats/gguf_config.h"
#include "formats/gguf_file_type.h"
#include "formats/model_reference.h"
#include "models/registry.h"
#include "nn/gguf_weights.h"

namespace glassbox {
namespace {

std::vector<int32_t> eos_of(const Tokenizer& tokenizer) {
  if (const auto eos = tokenizer.eos()) return {*eos};
  return {};
}

ModelFacts facts_of(std::span<const TensorInfo* const> tensors) {
  ModelFacts facts;
  for (const TensorInfo* tensor : tensors) {
    facts.parameters += tensor->elements();
    facts.bytes += tensor->bytes;
    facts.values_by_dtype[std::string(info(tensor->dtype).name)] += tensor->elements();
  }
  int64_t most = 0;
  for (const auto& [dtype, values] : facts.values_by_dtype)
    if (values > most) {
      most = values;
      facts.dtype = dtype;
    }
  return facts;
}

// The tokenizer, or what says that there is none: of the model by its name, since clients may be told.
template <class Open>
Tokenizer tokenizer_or_none(const std::string& name, const std::string& source, const Open& open) {
  try {
    return open();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    std::string why = error.what();
    if (why.starts_with(source)) why.replace(0, source.size(), name);
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

// A folder as published, or what is shipped.
std::shared_ptr<Model> open_published(const FileSet& files, const OpenOptions& options) {
  std::string name = files.name();
  Tokenizer tokenizer = tokenizer_or_none(name, files.source(), [&] { return Tokenizer::open(files); });
  const auto eos = eos_of(tokenizer);
  Config config(files.need("config.json").json(kMaxConfig), files.source_of("config.json"), options.ignore_keys);
  const Checkpoint checkpoint = Checkpoint::open(files);
  // Checked to be all used; the network keeps the mapping alive.
  CheckpointWeights weights(checkpoint, read_quantization(config));
  auto network = make_model(config, weights);
  return finished({std::move(name), files, std::move(network), std::move(tokenizer), open_chat_template(files),
                   read_generation_config(files, eos, options.ignore_keys), config.warnings(),
                   facts_of(checkpoint.tensors())});
}

std::shared_ptr<Model> open_gguf(const FileSet& files, const OpenOptions& options) {
  const GgufCheckpoint checkpoint = gguf_checkpoint(Gguf::open(files.path()));
  const Gguf& file = checkpoint.file();
  std::string name = gguf_model_name(file, files.path());
  Tokenizer tokenizer = tokenizer_or_none(name, file.source(), [&] { return Tokenizer::from_gguf(file); });
  const auto eos = eos_of(tokenizer);
  Config config(checkpoint.config(), files.source(), options.ignore_keys);
  GgufWeights weights(checkpoint);
  auto network = make_model(config, weights);
  auto chat_template = gguf_chat_template(file, tokenizer);
  auto generation = read_generation_config(gguf_generation_config(file), checkpoint.config(), eos, options.ignore_keys);
  std::vector<const TensorInfo*> tensors;
  for (const TensorInfo& tensor : file.tensors()) tensors.push_back(&tensor);
  ModelFacts facts = facts_of(tensors);
  if (const auto mix = file_type_of(file)) facts.dtype = *mix;
  return finished({std::move(name), files, std::move(network), std::move(tokenizer), std::move(chat_template),
                   std::move(generation), config.warnings(), std::move(facts)});
}

std::shared_ptr<Model> open_files(const FileSet& files, const OpenOptions& options) {
  if (files.kind() == FileSet::Kind::gguf) return open_gguf(files, options);
  if (files.kind() == FileSet::Kind::folder)
    if (const auto why = why_no_model_folder(files.path())) fail(ErrorKind::not_found, "{}", *why);
  return open_published(files, options);
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
  const std::shared_ptr<Model> model = open_files(FileSet::open(reference), options);
  model->mapped = mapped.files();
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

std::string adapter_base(const std::filesystem::path& folder) {
  return read_adapter_config(Config::open(folder / "adapter_config.json")).base;
}

std::vector<std::string> adapter_warnings(const std::filesystem::path& folder) {
  return read_adapter_config(Config::open(folder / "adapter_config.json")).warnings;
}

}  // namespace glassbox
