#include "hub/facts.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <set>

#include "hub/card.h"
#include "hub/openness.h"
#include "hub/studies.h"
#include "hub/tensors.h"

namespace glassbox::hub {
namespace {

constexpr size_t kMostCard = size_t{1} << 20, kMostConfig = size_t{16} << 20;

// The JSON of a file in the repository; null where it is missing, too large, or no JSON.
Json json_in(Contents& contents, const std::vector<Entry>& files, std::string_view path, size_t most) {
  const auto file = std::ranges::find(files, path, &Entry::path);
  if (file == files.end() || file->size > most) return nullptr;
  try {
    return parse_json(contents.read(file->sha256, most), path);
  } catch (const Error&) { return nullptr; }
}

// Files that other programs would run code out of.
bool may_run_code(std::string_view path) {
  constexpr std::array kEndings{".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".joblib", ".py"};
  return std::ranges::any_of(kEndings, [&](const char* ending) { return path.ends_with(ending); });
}

}  // namespace

void update_facts(Hub& hub, const Repository& repository) {
  const Caller owner = hub.owner();
  try {
    std::string head, readme_text;
    std::vector<std::string> references;
    const std::vector<Entry> files = hub.view(owner, [&](View& view) {
      const ObjectId commit = view.resolve(repository, kMainBranch);
      head = commit.hex();
      for (const Reference& reference : view.repositories.references(repository))
        references.push_back(reference.name.substr(reference.name.rfind('/') + 1));
      auto all = view.list(commit, "", true);
      std::erase_if(all, [](const Entry& entry) { return entry.is_folder(); });
      return all;
    });
    Contents& contents = hub.contents();
    Json facts{{"sha", head}};
    Card card;
    if (const auto readme = std::ranges::find(files, "README.md", &Entry::path);
        readme != files.end() && readme->size <= kMostCard) {
      readme_text = contents.read(readme->sha256, kMostCard);
      card = read_card(readme_text, repository.kind);
    }
    facts["card"] = card.data;

    const Json config = json_in(contents, files, "config.json", kMostConfig);
    if (config.is_object()) {
      Json digest = Json::object();
      for (const char* key : {"model_type", "architectures", "quantization_config", "max_position_embeddings"})
        if (const auto found = config.find(key); found != config.end()) digest[key] = *found;
      facts["config"] = std::move(digest);
    }
    std::map<std::string, uint64_t> parameters;
    std::set<std::string> formats;
    bool has_adapter = false, has_gguf = false;
    Json code = Json::array();
    uint64_t stored = 0;
    for (const Entry& file : files) {
      stored += file.size;
      has_adapter |= file.path == "adapter_config.json";
      has_gguf |= file.path.ends_with(".gguf");
      if (may_run_code(file.path)) code.push_back(file.path);
      if (file.path.ends_with(".safetensors")) formats.insert("safetensors");
    }
    for (const auto& [name, tensor] : tensors_of(contents, files))
      parameters[tensor.dtype] += static_cast<uint64_t>(tensor.elements());
    if (has_gguf) formats.insert("gguf");
    if (!parameters.empty()) {
      uint64_t total = 0;
      for (const auto& [dtype, count] : parameters) total += count;
      facts["safetensors"] = {{"parameters", parameters}, {"total", total}};
    }
    facts["used_storage"] = stored;
    if (!code.empty()) facts["may_run_code"] = std::move(code);
    for (const char* key : {"pipeline_tag", "library_name"})
      if (const auto found = card.data.find(key); found != card.data.end() && found->is_string()) facts[key] = *found;

    const Lineage lineage =
        lineage_of(card.data, has_adapter, has_gguf || (config.is_object() && config.contains("quantization_config")));
    if (!lineage.bases.empty()) {
      facts["base_models"] = lineage.bases;
      facts["relation"] = lineage.relation;
    }
    std::vector<std::string> tags = tags_of(card.data, lineage, repository.kind);
    for (const std::string& format : formats)
      if (!std::ranges::count(tags, format)) tags.push_back(format);
    facts["tags"] = tags;
    if (repository.kind == RepositoryKind::model) {
      std::vector<std::string> paths;
      for (const Entry& file : files) paths.push_back(file.path);
      facts["openness"] = to_json(openness_of(card.data, readme_text, paths, references));
    }
    hub.set_facts(repository, facts, tags);
    hub.studies().add(repository);
  } catch (const Error& error) {
    // The commit is made; what is known of it waits for the next one.
    spdlog::warn("{}: its files could not be read: {}", repository.full_name(), error.what());
  }
}

}  // namespace glassbox::hub
