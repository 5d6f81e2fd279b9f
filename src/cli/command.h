// What the commands of `glassbox` share: how they are added, how models and sampling are asked for, how they print.
#pragma once

#include <CLI/CLI.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/settings.h"
#include "engine/engine.h"

namespace glassbox {

// The program and what was chosen: each add_*_command adds a subcommand whose callback sets `chosen`, run after
// parsing.
struct Commands {
  explicit Commands(CLI::App& app) : app(app) {}
  CLI::App& app;
  std::function<int()> chosen;

  // A subcommand with an example in its --help; "hub users add" is one of a group of the group `hub`. Options live in a
  // shared struct that `run` receives.
  template <class Options>
  CLI::App* add(const std::string& name, const std::string& what, const std::string& example,
                std::shared_ptr<Options> options, int (*run)(const Options&)) {
    CLI::App* command = subcommand(name, what);
    command->footer((example.find('\n') == std::string::npos ? "Example:\n  " : "Examples:\n  ") + example);
    command->callback([this, options, run] { chosen = [options, run] { return run(*options); }; });
    return command;
  }

 private:
  CLI::App* subcommand(const std::string& name, const std::string& what);
};

void add_run_command(Commands& commands);
void add_trace_command(Commands& commands);
void add_inspect_command(Commands& commands);
void add_bench_command(Commands& commands);
void add_text_commands(Commands& commands);  // tokenize, detokenize, render
void add_serve_command(Commands& commands);
void add_train_command(Commands& commands);
void add_eval_command(Commands& commands);
void add_convert_command(Commands& commands);
void add_quantize_command(Commands& commands);
void add_store_commands(Commands& commands);   // hub fsck, hub gc
void add_people_commands(Commands& commands);  // hub users, hub tokens, hub organizations
void add_pull_command(Commands& commands);
void add_push_command(Commands& commands);
void add_list_commands(Commands& commands);  // list, search, rm

struct ModelOptions {
  std::string model;
  std::string adapter;  // folder, or empty
  std::vector<std::string> ignore_keys;
  int threads = 0;

  void add_to(CLI::App& command);             // MODEL, --adapter, --ignore-key, --threads
  std::shared_ptr<const Model> open() const;  // fetched where it is a hub's and not here (cli/fetch.h)
  std::shared_ptr<const Adapter> open_adapter(const Model& over) const {  // null where none was asked for
    return adapter.empty() ? nullptr : glassbox::open_adapter(adapter, over, threads);
  }
  std::vector<std::filesystem::path> files() const;  // what is read of the disk: for check_output()
};

void add_threads_option(CLI::App& command, int& threads);
void add_force_option(CLI::App& command, bool& force);

struct SamplingOptions : AskedSampling {
  void add_to(CLI::App& command);
};

// Of options that count something: says what was expected, and what came.
CLI::Validator positive_number();
// An option that may be given several times, one value each time: what follows the value is not its.
CLI::Option* add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                          const std::string& what);

// To stderr: what of a model other programs will not find in its GGUF file.
void say_beyond_gguf(const std::string& file);

std::string read_standard_input();

// "1,235,814" and "2.5 GB".
std::string with_commas(int64_t count);
std::string human_bytes(double bytes);

}  // namespace glassbox
