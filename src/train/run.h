// A training run: from a recipe to a published model, in a folder that holds all it needs to go on after any end.
//
//   OUT/loss.json     the curve so far, for people and pages         OUT/state.json   the last good checkpoint
//   OUT/checkpoints/  step-00000500.safetensors, ...                 OUT/model/       the model as published
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "train/recipe.h"

namespace glassbox {

struct RunProgress {
  int64_t step, steps, tokens, tokens_in_all;
  double loss;  // smoothed over some 20 steps
  float rate;
  double tokens_per_s, seconds, seconds_left;
};

// Who watches: any may be empty. Called on the thread that runs.
struct RunWatcher {
  std::function<void(const std::string& line)> note;  // what was made or found, a line each
  std::function<void(const RunProgress&)> progress;   // after each step
  std::function<void(const Json& point)> point;       // as loss.json gets it
};

struct RunOptions {
  std::filesystem::path out;
  bool resume = false;  // go on from OUT's last checkpoint, where there is one
  bool force = false;   // begin anew where a run or a model is already
  int threads = 0;
  std::optional<int64_t> steps;             // instead of what the recipe says
  std::vector<DocumentSource> sources;      // programs that recipes may name
  const std::atomic<bool>* stop = nullptr;  // set: finish the step, write a checkpoint, return
  RunWatcher watcher;
};

// Trains, and returns loss.json's object: status "done", or "stopped" where `stop` was set. A kill at any instant
// leaves the last checkpoint, and resuming from it gives the bits an uninterrupted run gives. Throws Error; where the
// fault is in the recipe or its files, before anything was computed.
Json run_training(Recipe recipe, const RunOptions& options);

}  // namespace glassbox
