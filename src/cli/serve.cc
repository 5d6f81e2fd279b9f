// glassbox serve: the APIs and the pages on one port.
#include "server/serve.h"

#include "base/error.h"
#include "cli/command.h"
#include "cli/fetch.h"
#include "formats/file_set.h"
#include "hub/home.h"

namespace glassbox {
namespace {

struct Options {
  ServeOptions serve;
  std::vector<std::string> adapters;
};

int run(const Options& given) {
  ServeOptions options = given.serve;
  for (const std::string& adapter : given.adapters) {
    const size_t sign = adapter.find('=');
    const std::filesystem::path folder(sign == std::string::npos ? adapter : adapter.substr(sign + 1));
    const std::string name = sign == std::string::npos ? std::filesystem::weakly_canonical(folder).filename().string()
                                                       : adapter.substr(0, sign);
    if (name.empty() || folder.empty())
      fail(ErrorKind::bad_request, "--adapter: expected NAME=FOLDER or FOLDER, got \"{}\"", adapter);
    options.adapters.push_back({name, folder});
  }
  if (options.models.empty())
    for (const std::string_view name : FileSet::shipped()) options.models.emplace_back(name);
  for (const std::string& model : options.models) fetch_model(model);
  options.hub = hub::home() / "hub";
  return serve(options);
}

}  // namespace

void add_serve_command(Commands& commands) {
  auto all = std::make_shared<Options>();
  const Command command =
      commands.add("serve", "Serve models behind the APIs that apps speak, with the pages, on one port",
                   "glassbox serve glassbox/prism --port 8080", all, run);
  ServeOptions* options = &all->serve;
  command.option(
      "MODEL", &options->models,
      "glassbox/prism, folders as published, .gguf files, or OWNER/NAME of a hub (default: what is shipped)");
  command.repeated(
      "--adapter", &all->adapters,
      "NAME=FOLDER: a LoRA or DoRA adapter, served as the model NAME over its base (may be given several times)");
  command.option("--port", &options->port, "0 lets the system choose").shows_default();
  command.option("--host", &options->address, "Address to listen on; any but this machine's own needs a key")
      .shows_default();
  command.repeated(
      "--api-key", &options->api_keys,
      "A key that clients must show (may be given several times). `ps` shows it to every user of this machine: a "
      "file, or the variable GLASSBOX_API_KEY, does not");
  command.option("--api-key-file", &options->api_key_file, "A file with such keys, one a line");
  command.repeated("--allow-origin", &options->allow_origins, "A web origin whose pages may call the API");
  command.option("--runs", &options->runs, "Folder of training runs to show on the page");
  command.option("--context", &options->engine.context, "Longest conversation in tokens (default: each model's own)")
      .positive();
  command
      .option("--cache-tokens", &options->engine.cache_tokens,
              "Positions all conversations of a model may hold together (default: by memory)")
      .positive();
  command.option("--body-limit", &options->body_limit, "Largest request in bytes").shows_default();
  command.repeated("--ignore-key", &options->ignore_keys, "A key of config.json to run without, though it may matter");
  command.flag("--quiet", &options->quiet, "No line for each request");
  add_threads_option(command, &options->engine.threads);
}

}  // namespace glassbox
