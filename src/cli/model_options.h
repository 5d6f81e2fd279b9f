// A model as commands ask for it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/options.h"

namespace glassbox {

class Adapter;
struct Model;

struct ModelOptions {
  std::string model;
  std::string adapter;  // a folder, a hub's name, or empty
  std::vector<std::string> ignore_keys;
  int threads = 0;

  // MODEL, --adapter, --ignore-key, --threads.
  void add_to(Command command);
  // Fetched where it is a hub's and not here (cli/fetch.h). Throws what opening does.
  std::shared_ptr<const Model> open() const;
  // Null where none was asked for.
  std::shared_ptr<const Adapter> open_adapter(const Model& over) const;
  // What is read of the disk: for check_output().
  std::vector<std::filesystem::path> files() const;
};

}  // namespace glassbox
