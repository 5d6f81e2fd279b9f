// The commands of `glassbox`, how they are added, and what several of them say alike.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/options.h"

namespace glassbox {

// The program and what was chosen: each add_*_command adds a subcommand whose callback sets `chosen`, run after
// parsing.
struct Commands {
  explicit Commands(Command program) : program(program) {}
  Command program;
  std::function<int()> chosen;

  // A subcommand with an example in its --help; "hub users add" is one of a group of the group `hub`. Options live in a
  // shared struct that `run` receives.
  template <class Options>
  Command add(const std::string& name, const std::string& what, const std::string& example,
              std::shared_ptr<Options> options, int (*run)(const Options&)) {
    return add(name, what, example, [options, run] { return run(*options); });
  }

 private:
  Command add(const std::string& name, const std::string& what, const std::string& example, std::function<int()> run);
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

void add_threads_option(Command command, int* threads);
void add_force_option(Command command, bool* force);

// To stderr: what of a model other programs will not find in its GGUF file.
void say_beyond_gguf(const std::string& file);

}  // namespace glassbox
