#include "formats/file_set.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "formats/gguf.h"
#include "formats/model_cache.h"
#include "formats/model_reference.h"
#include "formats/shipped.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLoss = "loss.json";

// The files of a shipped model by the names they are published under; a missing one is empty.
std::vector<std::pair<std::string_view, std::span<const std::byte>>> files_of(const ShippedModel& model) {
  const auto bytes = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  return {{"README.md", bytes(model.card)},
          {"chat_template.jinja", bytes(model.chat_template)},
          {"config.json", bytes(model.config)},
          {"generation_config.json", bytes(model.generation_config)},
          {kLoss, bytes(model.loss)},
          {"model.safetensors", model.weights},
          {"tokenizer.json", bytes(model.tokenizer)},
          {"tokenizer_config.json", bytes(model.tokenizer_config)}};
}

}  // namespace

std::string ModelFile::text(size_t limit) const {
  if (!path.empty()) return read_file(path, limit);
  return std::string(view());
}

Json ModelFile::json(size_t limit) const { return parse_json(text(limit), source); }

uint64_t ModelFile::size() const {
  if (path.empty()) return bytes.size();
  std::error_code failed;
  const uint64_t size = fs::file_size(path, failed);
  if (failed) fail(ErrorKind::io, "{}: cannot stat: {}", source, failed.message());
  return size;
}

std::vector<std::string_view> FileSet::shipped() { return shipped_models(); }

std::optional<FileSet> FileSet::find(std::string_view reference) {
  if (shipped_model(reference)) return FileSet(Kind::shipped, std::string(reference), {});
  const fs::path path(reference);
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return of_folder(path);
  if (fs::exists(path, ignored) && is_gguf_file(path)) return FileSet(Kind::gguf, path.string(), path);
  if (const auto model = parse_hub_name(reference))
    if (auto cached = cached_model(*model)) {
      const Kind kind = has_gguf_ending(*cached) ? Kind::gguf : Kind::folder;
      return FileSet(kind, std::string(reference), *std::move(cached));
    }
  return std::nullopt;
}

FileSet FileSet::open(std::string_view reference) {
  if (auto files = find(reference)) return *std::move(files);
  fail(ErrorKind::not_found, "{}", why_no_model(reference));
}

FileSet FileSet::of_folder(fs::path folder) {
  std::string source = folder.string();
  return {Kind::folder, std::move(source), std::move(folder)};
}

std::string FileSet::name() const {
  if (kind_ == Kind::shipped) return source_;
  if (kind_ == Kind::gguf) return gguf_stem(path_);
  if (source_ != path_.string()) return source_;  // a hub's name, whose folder is called by a commit
  std::error_code ignored;
  return fs::weakly_canonical(path_, ignored).filename().string();
}

std::vector<fs::path> FileSet::paths() const {
  if (kind_ == Kind::shipped) return {};
  return kind_ == Kind::gguf ? gguf_files(path_) : std::vector<fs::path>{path_};
}

std::optional<ModelFile> FileSet::file(std::string_view name) const {
  if (kind_ == Kind::gguf) return std::nullopt;
  ModelFile found{source_of(name), {}, {}};
  if (kind_ == Kind::folder) {
    found.path = path_ / name;
    std::error_code ignored;
    return fs::exists(found.path, ignored) ? std::optional(std::move(found)) : std::nullopt;
  }
  for (const auto& [shipped, bytes] : files_of(*shipped_model(source_)))
    if (shipped == name && !bytes.empty()) {
      found.bytes = bytes;
      return found;
    }
  return std::nullopt;
}

ModelFile FileSet::need(std::string_view name) const {
  if (auto found = file(name)) return *std::move(found);
  if (kind_ == Kind::folder) return {source_of(name), path_ / name, {}};
  fail(ErrorKind::not_found, "{}: no such file", source_of(name));
}

Json FileSet::json(std::string_view name, size_t limit) const {
  const auto found = file(name);
  return found ? found->json(limit) : Json();
}

std::string FileSet::source_of(std::string_view name) const {
  return kind_ == Kind::folder ? (path_ / name).string() : source_ + "/" + std::string(name);
}

std::vector<std::string> FileSet::names(std::string_view folder) const {
  std::vector<std::string> names;
  if (kind_ == Kind::shipped && folder.empty()) {
    for (const auto& [name, bytes] : files_of(*shipped_model(source_)))
      if (!bytes.empty() && name != kLoss) names.emplace_back(name);
  } else if (std::error_code failed; kind_ == Kind::folder && fs::is_directory(path_ / folder, failed)) {
    for (const auto& entry : fs::directory_iterator(path_ / folder))
      if (entry.is_regular_file(failed)) names.push_back(std::string(folder) + entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace glassbox
