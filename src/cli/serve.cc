// glassbox serve: the APIs and the pages on one port.
#include "server/serve.h"

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
  auto* command = commands.add("serve", "Serve models behind the APIs that apps speak, with the pages, on one port",
                               "glassbox serve glassbox/prism --port 8080", all, run);
  ServeOptions* options = &all->serve;
  command->add_option(
      "MODEL", options->models,
      "glassbox/prism, folders as published, .gguf files, or OWNER/NAME of a hub (default: what is shipped)");
  add_repeated(
      *command, "--adapter", all->adapters,
      "NAME=FOLDER: a LoRA or DoRA adapter, served as the model NAME over its base (may be given several times)");
  command->add_option("--port", options->port, "0 lets the system choose")->capture_default_str();
  command->add_option("--host", options->address, "Address to listen on; any but this machine's own needs a key")
      ->capture_default_str();
  add_repeated(
      *command, "--api-key", options->api_keys,
      "A key that clients must show (may be given several times). `ps` shows it to every user of this machine: a "
      "file, or the variable GLASSBOX_API_KEY, does not");
  command->add_option("--api-key-file", options->api_key_file, "A file with such keys, one a line");
  add_repeated(*command, "--allow-origin", options->allow_origins, "A web origin whose pages may call the API");
  command->add_option("--runs", options->runs, "Folder of training runs to show on the page");
  command
      ->add_option("--context", options->engine.context, "Longest conversation in tokens (default: each model's own)")
      ->check(positive_number());
  command
      ->add_option("--cache-tokens", options->engine.cache_tokens,
                   "Positions all conversations of a model may hold together (default: by memory)")
      ->check(positive_number());
  command->add_option("--body-limit", options->body_limit, "Largest request in bytes")->capture_default_str();
  add_repeated(*command, "--ignore-key", options->ignore_keys,
               "A key of config.json to run without, though it may matter");
  command->add_flag("--quiet", options->quiet, "No line for each request");
  add_threads_option(*command, options->engine.threads);
}

}  // namespace glassbox
