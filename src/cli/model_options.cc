#include "cli/model_options.h"

#include "cli/command.h"
#include "cli/fetch.h"
#include "engine/model.h"
#include "formats/file_set.h"

namespace glassbox {

void ModelOptions::add_to(Command command) {
  command.option("MODEL", &model, "glassbox/prism, a folder as published, a .gguf file, or OWNER/NAME of a hub")
      .required();
  command.option("--adapter", &adapter,
                 "A folder with a LoRA or DoRA adapter for the model, as PEFT saves it, or OWNER/NAME of a hub");
  command.repeated("--ignore-key", &ignore_keys, "A key of config.json to run without, though it may matter");
  add_threads_option(command, &threads);
}

std::shared_ptr<const Model> ModelOptions::open() const {
  fetch_model(model);
  return open_model(model, {ignore_keys});
}

std::shared_ptr<const Adapter> ModelOptions::open_adapter(const Model& over) const {
  return adapter.empty() ? nullptr : glassbox::open_adapter(fetch_adapter(adapter), over, threads);
}

std::vector<std::filesystem::path> ModelOptions::files() const {
  const auto files = FileSet::find(model);
  std::vector<std::filesystem::path> read = files ? files->paths() : std::vector<std::filesystem::path>{model};
  if (!adapter.empty()) read.emplace_back(adapter);
  return read;
}

}  // namespace glassbox
