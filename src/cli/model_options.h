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
  std::string adapter;  // folder, or empty
  std::vector<std::string> ignore_keys;
  int threads = 0;

  void add_to(Command command);               // MODEL, --adapter, --ignore-key, --threads
  std::shared_ptr<const Model> open() const;  // fetched where it is a hub's and not here (cli/fetch.h)
  std::shared_ptr<const Adapter> open_adapter(const Model& over) const;  // null where none was asked for
  std::vector<std::filesystem::path> files() const;                      // what is read of the disk: for check_output()
};

}  // namespace glassbox
