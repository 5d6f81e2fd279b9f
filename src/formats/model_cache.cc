#include "formats/model_cache.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostListing = size_t{256} << 20;  // bytes
constexpr size_t kMostFiles = 100'000;
constexpr std::string_view kUsualQuant = "Q4_K_M";
constexpr std::string_view kTemplates = "additional_chat_templates/";

bool is_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  const auto edge = [](char c) { return c == '-' || c == '.'; };
  return !name.empty() && name.size() <= 96 && std::ranges::all_of(name, fits) && !edge(name.front()) &&
         !edge(name.back()) && name.find("--") == std::string_view::npos && name.find("..") == std::string_view::npos;
}

// A path from the environment, with ~ for the home folder as its other readers have it; empty where it is not set.
fs::path path_in(const char* variable) {
  const char* set = std::getenv(variable);
  if (!set || !*set) return {};
  const std::string_view text = set;
  const char* home = std::getenv("HOME");
  if (home && (text == "~" || text.starts_with("~/")))
    return fs::path(home) / text.substr(std::min<size_t>(text.size(), 2));
  return text;
}

// Where all clients keep what is theirs; empty where none is known.
fs::path clients_home() {
  if (fs::path set = path_in("HF_HOME"); !set.empty()) return set;
  if (const fs::path set = path_in("XDG_CACHE_HOME"); !set.empty()) return set / "huggingface";
  if (const fs::path home = path_in("HOME"); !home.empty()) return home / ".cache" / "huggingface";
  return {};
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Of a file's path within a repository: without what numbers it among its parts.
std::string stem_of(const std::string& path) {
  return path.substr(0, path.size() - base_name(path).size()) + gguf_stem(path);
}

bool stays_inside(std::string_view path) {
  if (path.empty() || path.front() == '/') return false;
  return std::ranges::none_of(fs::path(path), [](const fs::path& part) { return part == ".."; });
}

// What readers of a published folder look at: not the same weights once more in other forms.
bool is_read_of_folder(std::string_view path) {
  if (path.starts_with(kTemplates)) path.remove_prefix(kTemplates.size());
  if (path.find('/') != std::string_view::npos || path.starts_with("consolidated")) return false;
  if (path == "README.md" || path.starts_with("LICENSE")) return true;
  for (const std::string_view ending : {".json", ".jinja", ".model", ".txt", ".tiktoken", ".safetensors"})
    if (path.ends_with(ending)) return true;
  return false;
}

fs::path folder_of(const HubName& model) { return hub_cache() / ("models--" + model.owner + "--" + model.name); }

// What the repository lists at a commit, where a client kept that: trees/COMMIT.json. Empty where none did.
std::vector<std::string> listed(const fs::path& repository, const std::string& commit) {
  std::vector<std::string> paths;
  const fs::path file = repository / "trees" / (commit + ".json");
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return paths;
  try {
    const Json listing = read_json(file, kMostListing);
    for (const auto& [path, facts] : listing.at("files").items()) paths.push_back(path);
  } catch (const std::exception&) { paths.clear(); }  // of a later kind: as if it were not there
  return paths;
}

std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> paths;
  std::error_code problem;
  for (fs::recursive_directory_iterator at(folder, problem), end; !problem && at != end && paths.size() < kMostFiles;
       at.increment(problem))
    if (std::error_code ignored; at->is_regular_file(ignored))
      paths.push_back(at->path().lexically_relative(folder).generic_string());
  std::ranges::sort(paths);
  return paths;
}

// Without a list of what there should be: whether numbered files (model-00001-of-00003.safetensors) are all there, and
// an index has any.
bool looks_whole(const std::vector<std::string>& files) {
  constexpr std::string_view kEnding = ".safetensors";
  std::map<std::string, int64_t> parts;  // how many there are of those that end alike
  bool indexed = false, weights = false;
  for (const std::string& file : files) {
    indexed = indexed || file == "model.safetensors.index.json";
    if (!file.ends_with(kEnding)) continue;
    weights = true;
    const size_t of = file.rfind("-of-");
    if (of != std::string::npos) ++parts[file.substr(of + 4, file.size() - kEnding.size() - of - 4)];
  }
  for (const auto& [count, there] : parts)
    if (std::strtoll(count.c_str(), nullptr, 10) > there) return false;
  return weights || !indexed;
}

std::vector<std::string> gguf_of(std::span<const std::string> paths, std::string_view quant) {
  std::map<std::string, std::vector<std::string>> models;  // by their stems, each in parts
  for (const std::string& path : paths)
    if (has_gguf_ending(path) && !base_name(path).starts_with("mmproj")) models[stem_of(path)].push_back(path);
  const auto of_quant = [&](std::string_view wanted) -> const std::vector<std::string>* {
    const std::string ending = upper(wanted);
    for (const auto& [stem, parts] : models) {
      const std::string name = upper(base_name(stem));
      if (!name.ends_with(ending)) continue;
      const size_t before = name.size() - ending.size();
      if (before == 0 || std::string_view("-._").find(name[before - 1]) != std::string_view::npos) return &parts;
    }
    return nullptr;
  };
  const std::vector<std::string>* chosen = of_quant(quant.empty() ? kUsualQuant : quant);
  if (!chosen && quant.empty() && models.size() == 1) chosen = &models.begin()->second;
  if (!chosen) return {};
  std::vector<std::string> parts = *chosen;
  std::ranges::sort(parts);
  return parts;
}

}  // namespace

std::optional<HubName> parse_hub_name(std::string_view reference) {
  HubName model;
  if (const size_t colon = reference.find(':'); colon != std::string_view::npos) {
    model.quant = reference.substr(colon + 1);
    if (!is_name(model.quant)) return std::nullopt;
    reference = reference.substr(0, colon);
  }
  const size_t slash = reference.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  model.owner = reference.substr(0, slash);
  model.name = reference.substr(slash + 1);
  if (!is_name(model.owner) || !is_name(model.name) || model.name.ends_with(".git")) return std::nullopt;
  return model;
}

fs::path hub_cache() {
  for (const char* variable : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (fs::path set = path_in(variable); !set.empty()) return set;
  const fs::path shared = clients_home();
  return shared.empty() ? shared : shared / "hub";
}

fs::path hub_token_file() {
  if (fs::path set = path_in("HF_TOKEN_PATH"); !set.empty()) return set;
  const fs::path shared = clients_home();
  return shared.empty() ? shared : shared / "token";
}

bool is_commit_name(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_in_hub_cache(const HubName& model) {
  std::error_code ignored;
  return !hub_cache().empty() && fs::is_directory(folder_of(model), ignored);
}

std::optional<fs::path> cached_model(const HubName& model) {
  if (!is_in_hub_cache(model)) return std::nullopt;
  const fs::path repository = folder_of(model);
  std::string commit;
  try {
    commit = read_file(repository / "refs" / "main", 1024);
  } catch (const Error&) { return std::nullopt; }  // nothing was fetched, or only other revisions
  commit.resize(std::min(commit.size(), commit.find_last_not_of(" \r\n") + 1));
  if (!is_commit_name(commit)) return std::nullopt;
  const fs::path snapshot = repository / "snapshots" / commit;
  const std::vector<std::string> list = listed(repository, commit), files = files_below(snapshot);
  const std::vector<std::string> wanted = files_of_model(list.empty() ? files : list, model.quant);
  if (wanted.empty() || !std::ranges::all_of(wanted, stays_inside)) return std::nullopt;
  std::error_code ignored;
  for (const std::string& path : wanted)
    if (!fs::exists(snapshot / path, ignored)) return std::nullopt;
  if (has_gguf_ending(wanted.front())) return snapshot / wanted.front();
  return list.empty() && !looks_whole(files) ? std::nullopt : std::optional(snapshot);
}

std::vector<std::string> files_of_model(std::span<const std::string> paths, std::string_view quant) {
  const bool has_config = std::ranges::find(paths, "config.json") != paths.end();
  const auto is_gguf = [](const std::string& path) { return has_gguf_ending(path); };
  const bool has_weights = std::ranges::any_of(
      paths, [](const std::string& path) { return path.ends_with(".safetensors") && is_read_of_folder(path); });
  if (!quant.empty() || !has_config || (!has_weights && std::ranges::any_of(paths, is_gguf)))
    return gguf_of(paths, quant);
  std::vector<std::string> read;
  for (const std::string& path : paths)
    if (is_read_of_folder(path)) read.push_back(path);
  return read;
}

}  // namespace glassbox
