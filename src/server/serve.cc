#include "server/serve.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "formats/file_set.h"
#include "hub/collect.h"
#include "hub/publish.h"
#include "server/service.h"

namespace glassbox {
namespace {

// The model an adapter is for: the only one, or the one its adapter_config.json names.
size_t base_of(const AdapterReference& adapter, const std::vector<std::shared_ptr<const Model>>& models,
               const std::vector<std::string>& references) {
  if (models.size() == 1) return 0;
  const auto base = adapter_base(adapter.folder);
  for (size_t i = 0; i < models.size(); ++i)
    if (!base.empty() && (base == models[i]->name || base == references[i])) return i;
  fail(ErrorKind::bad_request, "{}: base_model_name_or_path is \"{}\", expected one of the models that are served ({})",
       (adapter.folder / "adapter_config.json").string(), base, fmt::join(references, ", "));
}

int64_t created(const std::filesystem::path& file) {
  std::error_code failed;
  const auto time = std::filesystem::last_write_time(file, failed);
  if (failed) return 0;
  const auto since_1970 = std::chrono::file_clock::to_sys(time).time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since_1970).count();
}

std::vector<std::string> keys_in(const std::filesystem::path& file) {
  const std::string text = read_file(file, size_t{1} << 20);
  std::vector<std::string> keys;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line[0] != '#') keys.push_back(std::move(line));
    at = end + 1;
  }
  if (keys.empty()) fail(ErrorKind::bad_file, "{}: expected a key on a line, got none", file.string());
  std::error_code ignored;
  const auto mode = std::filesystem::status(file, ignored).permissions();
  if ((mode & std::filesystem::perms::others_read) != std::filesystem::perms::none)
    spdlog::warn("{}: every user of this machine can read the keys in it: chmod 600 helps", file.string());
  return keys;
}

// How many connections this process may have, with what it needs besides; as many descriptors are asked for as the
// system lets it have.
size_t most_connections(size_t wanted) {
  constexpr rlim_t kBesides = 128, kEnough = 16'384;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  if (limit.rlim_cur < kEnough && limit.rlim_cur < limit.rlim_max) {
    const rlimit more{std::min(kEnough, limit.rlim_max), limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &more) == 0) limit = more;
  }
  return std::min<size_t>(wanted, limit.rlim_cur > 2 * kBesides ? limit.rlim_cur - kBesides : limit.rlim_cur / 2);
}

// Null where another process has the folder: its repositories are served there.
std::unique_ptr<hub::Hub> open_hub(const std::filesystem::path& folder) {
  try {
    auto hub = std::make_unique<hub::Hub>(folder);
    publish_shipped(*hub);
    return hub;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::bad_request) throw;
    spdlog::warn("no repositories are served here: {}", error.what());
    return nullptr;
  }
}

}  // namespace

int serve(const ServeOptions& options) {
  if (options.models.empty()) fail(ErrorKind::bad_request, "serve: no model to serve");

  ServiceOptions service;
  service.guard = {options.address, options.api_keys, options.allow_origins};
  if (const char* key = std::getenv("GLASSBOX_API_KEY"); key && *key) service.guard.api_keys.emplace_back(key);
  if (options.api_key_file)
    for (std::string& key : keys_in(*options.api_key_file)) service.guard.api_keys.push_back(std::move(key));
  Guard(service.guard);  // what is wrong with the options is told before anything is loaded
  if (options.runs && !std::filesystem::is_directory(*options.runs))
    fail(ErrorKind::not_found, "{}: no such folder of training runs", options.runs->string());
  service.runs = options.runs;
  for (const std::string_view name : FileSet::shipped())
    service.known_runs.push_back({std::string(name), FileSet::open(name).need("loss.json").view()});

  http::Options transport;
  transport.address = options.address;
  transport.port = options.port;
  transport.body_limit = options.body_limit;
  transport.stop_on_signals = true;
  transport.connection_limit = most_connections(transport.connection_limit);
  transport.stranger_limit = transport.connection_limit / 2;
  http::Server server(transport);

  const std::unique_ptr<hub::Hub> hub = options.hub ? open_hub(*options.hub) : nullptr;
  std::optional<hub::Collector> collector;
  if (hub) collector.emplace(hub->contents());
  service.hub = hub.get();
  std::vector<std::shared_ptr<const Model>> models;
  for (const std::string& reference : options.models) {
    spdlog::info("loading {}", reference);
    models.push_back(open_model(reference, {options.ignore_keys}));
    for (const std::string& warning : models.back()->warnings) spdlog::warn("{}", warning);
    service.models.push_back(make_generator(models.back(), options.engine));
    const ModelCard& card = service.models.back()->card();
    spdlog::info("{}: {} parameters, {}, context {}{}", card.id, card.parameters, card.dtype, card.context,
                 card.has_template ? "" : "; no chat template: it only continues text");
  }
  for (const AdapterReference& reference : options.adapters) {
    const size_t base = base_of(reference, models, options.models);
    auto adapter = open_adapter(reference.folder, *models[base], options.engine.threads);
    for (const std::string& warning : adapter_warnings(reference.folder)) spdlog::warn("{}", warning);
    spdlog::info("{}: an adapter over {}, {} weights changed", reference.name, models[base]->name,
                 adapter->changes().size());
    service.models.push_back(make_adapted_generator(service.models[base], reference.name, std::move(adapter),
                                                    created(reference.folder / "adapter_model.safetensors")));
  }
  Service site(std::move(service));

  bool v6 = options.address.find(':') != std::string::npos;
  std::string url = fmt::format("http://{}:{}", v6 ? "[" + options.address + "]" : options.address, server.port());
  if (options.ready) {
    options.ready(url);
  } else {
    std::printf("Glassbox is open on %s\n", url.c_str());
    if (std::fflush(stdout) != 0) {
      spdlog::warn("standard output cannot be written; Glassbox is open on {}", url);
      std::clearerr(stdout);  // the server does what it is for all the same
    }
  }
  auto level = spdlog::get_level();
  if (options.quiet) spdlog::set_level(spdlog::level::warn);
  server.run(site);
  spdlog::set_level(level);
  return 0;
}

}  // namespace glassbox
