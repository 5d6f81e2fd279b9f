#include "formats/model_reference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <vector>

#include "formats/gguf.h"
#include "formats/model_cache.h"
#include "formats/shipped.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExpected =
    "expected a folder with config.json, tokenizer and *.safetensors, a .gguf file, or OWNER/NAME of a hub";

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string shipped() { return fmt::format("{} is shipped", fmt::join(shipped_models(), ", ")); }

// Names of what lies in a folder, sorted; of a large one, the first thousand that come.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code problem;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end && names.size() < 1000;
       at.increment(problem))
    names.push_back(at->path().filename().string());
  std::ranges::sort(names);
  return names;
}

bool is_pickle(std::string_view name) {
  for (const std::string_view end : {".bin", ".pt", ".pth", ".ckpt", ".pkl"})
    if (name.ends_with(end)) return true;
  return false;
}

// What a checkout without Git LFS leaves in a file's place.
bool is_lfs_pointer(const fs::path& file) {
  std::error_code ignored;
  if (fs::file_size(file, ignored) > 1024 || ignored) return false;
  std::ifstream in(file, std::ios::binary);
  std::string line;
  return std::getline(in, line) && line.starts_with("version https://git-lfs");
}

// A folder with config.json or a GGUF file a few levels below: hubs' tools keep models so.
std::optional<fs::path> model_below(const fs::path& folder, int levels) {
  const auto names = names_in(folder);
  for (const std::string& name : names)
    if (name == "config.json") return folder;
  for (const std::string& name : names)
    if (name.ends_with(".gguf")) return folder / name;
  if (levels == 0) return std::nullopt;
  std::error_code ignored;
  for (const std::string& name : names)
    if (fs::is_directory(folder / name, ignored))
      if (auto found = model_below(folder / name, levels - 1)) return found;
  return std::nullopt;
}

}  // namespace

std::string why_no_model(std::string_view reference) {
  const fs::path path(reference);
  if (reference.empty()) return fmt::format("\"\": {} ({})", kExpected, shipped());
  if (is_there(path)) {  // and is no folder, nor GGUF
    const std::string name = path.filename().string();
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    if (is_lfs_pointer(path))
      return fmt::format("{}: a pointer of Git LFS, not the file: `git lfs pull` in its folder fetches it", reference);
    if (is_pickle(name))
      return fmt::format("{}: weights as a Python pickle, which can run any code when it is read: {}", reference,
                         kExpected);
    if (name.ends_with(".safetensors") || name.ends_with(".json") || name == "tokenizer.model")
      return fmt::format("{}: one file of a model: give its folder, {}", reference, folder.string());
    return fmt::format("{}: neither a folder nor a GGUF file: {}", reference, kExpected);
  }
  if (reference.starts_with("glassbox/")) return fmt::format("{}: no such model: {}", reference, shipped());
  if (reference.find("://") != std::string_view::npos)
    return fmt::format("{}: an address, not a model: give OWNER/NAME, with the hub's address in HF_ENDPOINT ({})",
                       reference, shipped());
  if (path.extension() == ".gguf") {
    std::vector<std::string> near;
    for (const std::string& name : names_in(path.has_parent_path() ? path.parent_path() : fs::path(".")))
      if (name.ends_with(".gguf") && near.size() < 5) near.push_back(name);
    return fmt::format("{}: no such file{}", reference,
                       near.empty() ? "" : fmt::format(": in its folder there are {}", fmt::join(near, ", ")));
  }
  if (const auto model = parse_hub_name(reference))
    return fmt::format(
        "{}: no such folder, and {} the cache of what was fetched from hubs ({}): `glassbox pull {}` "
        "fetches it ({})",
        reference, is_in_hub_cache(*model) ? "not all of it is in" : "not in", hub_cache().string(), reference,
        shipped());
  if (reference.find('/') == std::string_view::npos)
    return fmt::format("{}: no such model: names of other programs' libraries mean nothing here: {} ({})", reference,
                       kExpected, shipped());
  return fmt::format("{}: no such model: {} ({})", reference, kExpected, shipped());
}

std::optional<std::string> why_no_model_folder(const fs::path& folder) {
  const auto names = names_in(folder);
  const std::set<std::string> has(names.begin(), names.end());
  const auto first = [&](auto is) {
    const auto at = std::ranges::find_if(names, is);
    return at == names.end() ? std::string() : *at;
  };
  const std::string gguf = first([](const std::string& name) { return name.ends_with(".gguf"); });
  const std::string tensors = first([](const std::string& name) { return name.ends_with(".safetensors"); });
  const std::string pickle = first(is_pickle);
  if (!has.contains("config.json")) {
    if (has.contains("adapter_config.json"))
      return fmt::format("{}: an adapter, not a model: give its base model, and this folder as --adapter",
                         folder.string());
    if (!gguf.empty())
      return fmt::format("{}: no config.json, but a GGUF file: give {}", folder.string(), (folder / gguf).string());
    if (const auto below = model_below(folder, 3))
      return fmt::format("{}: no config.json: a model lies deeper, in {}", folder.string(), below->string());
    return fmt::format("{}: no config.json: {}", folder.string(), kExpected);
  }
  if (!tensors.empty() && is_lfs_pointer(folder / tensors))
    return fmt::format("{}: a pointer of Git LFS, not the weights: `git lfs pull` in this folder fetches them",
                       (folder / tensors).string());
  if (!tensors.empty() || has.contains("model.safetensors.index.json")) return std::nullopt;  // its reader says more
  if (!pickle.empty())
    return fmt::format(
        "{}: weights as Python pickles ({}), which can run any code when they are read: expected *.safetensors, which "
        "most publishers offer beside them",
        folder.string(), pickle);
  if (!gguf.empty())
    return fmt::format("{}: no *.safetensors, but a GGUF file: give {}", folder.string(), (folder / gguf).string());
  return fmt::format("{}: no weights: expected *.safetensors beside config.json", folder.string());
}

}  // namespace glassbox
