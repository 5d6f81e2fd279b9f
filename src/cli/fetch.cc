#include "cli/fetch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "base/error.h"
#include "cli/transfer_line.h"
#include "formats/file_set.h"
#include "hub/client/client.h"

namespace glassbox {
namespace {

// Nobody waits long to hear that there is no hub; what breaks on the way is taken up again all the same.
hub::Pulled fetch(const hub::PullRequest& wanted, hub::ClientOptions options, const std::string& reference) {
  options.tries = 2;
  TransferLine line;
  try {
    return hub::Client(options).pull(wanted, line.progress());
  } catch (const Error& error) {
    line.clear();
    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::io) throw;
    const std::string_view what = error.what();
    const std::string named = wanted.repository + ": ";
    fail(error.kind(), "{}: no such folder, not in the cache ({}), and not to be had from the hub (HF_ENDPOINT): {}",
         reference, options.cache.string(), what.starts_with(named) ? what.substr(named.size()) : what);
  }
}

}  // namespace

std::function<std::vector<std::string>(const std::vector<std::string>& paths)> choice_of(const HubName& model) {
  return [model](const std::vector<std::string>& paths) {
    std::vector<std::string> files = files_of_model(paths, model.quant);
    if (!files.empty()) return files;
    std::vector<std::string> offered;
    for (const std::string& path : paths)
      if (path.ends_with(".gguf")) offered.push_back(path);
    constexpr size_t kMostNamed = 20;
    if (offered.empty())
      fail(ErrorKind::not_found, "{}: has neither a config.json nor a GGUF file", model.repository());
    const bool more = offered.size() > kMostNamed;
    if (more) offered.resize(kMostNamed);
    fail(ErrorKind::not_found, "{}: which of its GGUF files? Give {}:QUANT, the end of a name: there are {}{}",
         model.repository(), model.repository(), fmt::join(offered, ", "), more ? ", ..." : "");
  };
}

void fetch_model(const std::string& reference) {
  const auto model = parse_hub_name(reference);
  if (!model || model->owner == "glassbox" || FileSet::find(reference)) return;
  const std::filesystem::path path(reference);
  std::error_code ignored;
  // A file's name that leads nowhere is a slip, which its reader says better.
  if (std::filesystem::exists(path, ignored) || path.extension() == ".gguf" || path.extension() == ".safetensors" ||
      path.extension() == ".json" || path.extension() == ".jinja")
    return;
  const hub::ClientOptions options = hub::ClientOptions::of_environment();
  if (options.offline) return;
  hub::PullRequest wanted;
  wanted.repository = model->repository();
  wanted.choose = choice_of(*model);
  fetch(wanted, options, reference);
}

std::string fetch_adapter(const std::string& reference) {
  std::error_code ignored;
  const auto adapter = std::filesystem::exists(reference, ignored) ? std::nullopt : parse_hub_name(reference);
  if (!adapter || !adapter->quant.empty()) return reference;
  const hub::ClientOptions options = hub::ClientOptions::of_environment();
  const hub::CachedRepository cached(options.cache, hub::RepositoryKind::model, adapter->repository());
  if (const auto commit = cached.commit_of("main"))
    for (const char* weights : {"adapter_model.safetensors", "adapter_model.bin"})
      if (cached.has_file(*commit, "adapter_config.json") && cached.has_file(*commit, weights))
        return cached.snapshot(*commit).string();
  hub::PullRequest wanted;
  wanted.repository = adapter->repository();
  wanted.include = {"adapter_config.json", "adapter_model.*"};
  return fetch(wanted, options, reference).snapshot.string();
}

}  // namespace glassbox
