// `glassbox serve`: models, engines, pages and API on one port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/training_runs.h"

namespace glassbox {

// An adapter to serve as a model of its own over one of the models.
struct AdapterReference {
  std::string name;  // what requests call it
  std::filesystem::path folder;
};

struct ServeOptions {
  std::vector<std::string> models;  // references, as open_model() takes them; all are loaded at the start
  // Where several models are served, adapter_config.json must name its base as one of them is called.
  std::vector<AdapterReference> adapters;
  std::vector<std::string> ignore_keys;
  EngineOptions engine;  // of each model

  std::string address = "127.0.0.1";
  uint16_t port = 8080;  // 0: the system chooses
  // GLASSBOX_API_KEY, where it is set, is one of them, and so is each line of the file that is neither empty nor begins
  // with #. Off loopback there must be one, and each have kShortestKey characters.
  std::vector<std::string> api_keys;
  std::optional<std::filesystem::path> api_key_file;
  std::vector<std::string> allow_origins;
  size_t body_limit = size_t{32} << 20;
  std::optional<std::filesystem::path> runs;  // training runs to show on the page
  // Of the hub's repositories. Where another process has it, that one serves it, and this one none.
  std::optional<std::filesystem::path> hub;
  bool quiet = false;  // no line for each request

  // Told the address once it answers: "http://127.0.0.1:8080". Without it the address is printed on standard
  // output.
  std::function<void(const std::string& url)> ready;
};

// Serves until SIGINT or SIGTERM (a second one drops what is still being answered). Returns the program's
// exit status. Throws Error: bad_request for options that contradict each other, io for an address that
// cannot be had (told before any model is loaded), and what open_model() throws.
int serve(const ServeOptions& options);

}  // namespace glassbox
