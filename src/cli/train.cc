// glassbox train: a model from a recipe.
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "base/output.h"
#include "cli/command.h"
#include "prism/document.h"
#include "train/run.h"

namespace glassbox {
namespace {

struct TrainCommand {
  std::string recipe, out;
  bool resume = false, force = false, json = false;
  int threads = 0;
  std::optional<int64_t> steps;
};

std::atomic<bool> stop{false};

// The first Ctrl-C asks for a checkpoint and an end; the second ends at once, without what is half written.
void on_interrupt(int) {
  stop.store(true);
  remove_unfinished_on_signals();
}

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds);
  if (s >= 3600) return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} s", s);
}

std::string line(const RunProgress& p) {
  return fmt::format("step {} of {}   loss {:.4f}   rate {:.2e}   {:.0f} tokens/s   {} left", p.step, p.steps, p.loss,
                     p.rate, p.tokens_per_s, duration(p.seconds_left));
}

std::vector<DocumentSource> sources() {
  return {{"prism", [](uint64_t seed, uint64_t index, bool held_out) {
             return OrderedJson(prism::to_json(
                 prism::make_document(seed, index, held_out ? prism::Split::held_out : prism::Split::training)));
           }}};
}

int train(const TrainCommand& command) {
  Recipe recipe = read_recipe(command.recipe);
  RunOptions options;
  options.out = command.out.empty() ? std::filesystem::path("runs") / recipe.name : std::filesystem::path(command.out);
  options.resume = command.resume;
  options.force = command.force;
  options.threads = command.threads;
  options.steps = command.steps;
  options.sources = sources();
  options.stop = &stop;
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);

  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  auto last = std::chrono::steady_clock::time_point{};
  const char* const clear = terminal ? "\r\x1b[K" : "";
  options.watcher.note = [&](const std::string& text) { fmt::print(stderr, "{}{}\n", clear, text); };
  options.watcher.progress = [&](const RunProgress& p) {
    const auto now = std::chrono::steady_clock::now();
    const auto pause = terminal ? std::chrono::milliseconds(200) : std::chrono::milliseconds(30000);
    if (now - last < pause && p.step < p.steps) return;
    last = now;
    if (terminal)
      fmt::print(stderr, "{}{}", clear, line(p));
    else
      fmt::print(stderr, "{}\n", line(p));
    std::fflush(stderr);
  };
  if (command.json)
    options.watcher.point = [](const Json& point) {
      fmt::print("{}\n", dump_json(point));
      std::fflush(stdout);
    };
  Json result = run_training(std::move(recipe), options);
  const bool done = result.at("status") == "done";
  fmt::print(stderr, "{}{}\n", clear,
             done ? fmt::format("done: the model is in {}", (options.out / "model").string())
                  : fmt::format("stopped: the same command with --resume goes on from here"));
  if (command.json) {
    result.erase("points");
    result.erase("recipe");
    result["model"] = (options.out / "model").string();
    fmt::print("{}\n", dump_json(result));
  }
  return 0;
}

}  // namespace

void add_train_command(Commands& commands) {
  auto command = std::make_shared<TrainCommand>();
  const Command app = commands.add("train", "Train a model as a recipe says",
                                   "glassbox train models/prism/recipe.toml --out runs/prism", command, train);
  app.option("RECIPE", &command->recipe, "the recipe: RECIPE.toml (docs/training.md)").required();
  app.option("--out", &command->out, "folder of the run: curve, checkpoints and the model (default: runs/NAME)");
  app.flag("--resume", &command->resume, "go on from the last checkpoint in the folder");
  app.flag("--force", &command->force, "begin anew in a folder that holds a run or a model already");
  app.option("--steps", &command->steps, "train so many steps in all, whatever the recipe says").positive();
  app.flag("--json", &command->json, "print each point of the curve, then a summary, as JSON lines");
  add_threads_option(app, &command->threads);
}

}  // namespace glassbox
