#include "server/serve.h"

#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>

#include "engine/shipped.h"
#include "server/service.h"

namespace glassbox {

int serve(const ServeOptions& options) {
  if (options.models.empty()) fail(ErrorKind::bad_request, "serve: no model to serve");

  ServiceOptions service;
  service.guard = {options.address, options.api_keys, options.allow_origins};
  if (const char* key = std::getenv("GLASSBOX_API_KEY"); key && *key) service.guard.api_keys.emplace_back(key);
  Guard(service.guard);  // what is wrong with the options is told before anything is loaded
  if (options.runs && !std::filesystem::is_directory(*options.runs))
    fail(ErrorKind::not_found, "{}: no such folder of training runs", options.runs->string());
  service.runs = options.runs;
  for (std::string_view name : shipped_models())
    service.known_runs.push_back({std::string(name), shipped_model(name)->loss});

  http::Options transport;
  transport.address = options.address;
  transport.port = options.port;
  transport.body_limit = options.body_limit;
  transport.stop_on_signals = true;
  http::Server server(transport);

  for (const std::string& reference : options.models) {
    spdlog::info("loading {}", reference);
    service.models.push_back(make_generator(open_model(reference, {options.ignore_keys}), options.engine));
    const ModelCard& card = service.models.back()->card();
    spdlog::info("{}: {} parameters, {}, context {}{}", card.id, card.parameters, card.dtype, card.context,
                 card.has_template ? "" : "; no chat template: it only continues text");
  }
  Service site(std::move(service));

  bool v6 = options.address.find(':') != std::string::npos;
  std::string url = fmt::format("http://{}:{}", v6 ? "[" + options.address + "]" : options.address, server.port());
  if (options.ready) {
    options.ready(url);
  } else {
    std::printf("Glassbox is open on %s\n", url.c_str());
    std::fflush(stdout);
  }
  auto level = spdlog::get_level();
  if (options.quiet) spdlog::set_level(spdlog::level::warn);
  server.run(site);
  spdlog::set_level(level);
  return 0;
}

}  // namespace glassbox
