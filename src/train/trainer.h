// Steps of training: forward and backward over a batch, one update, whatever the loss is and whatever is trained. What
// is around a run (recipes, files, progress) is train/run.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "base/json.h"
#include "tensor/pass.h"
#include "train/corpus.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/trainable.h"

namespace glassbox {

struct TrainerOptions {
  int64_t micro_batch_tokens = 4096;  // of one pass: bounds memory; part of the order of sums, so of the bits
  Schedule schedule;
  double clip = 1;  // largest norm of all gradients together; 0: as they come
};

// What is trained, by which loss and optimizer, and how far it has come. Which examples a step learns from is whoever's
// who calls: those of a corpus (Batches), or made by the model as it stands. One thread at a time.
class Trainer {
 public:
  // All must outlive this; the optimizer is one of the trainable's tensors.
  Trainer(Trainable& trainable, const Objective& objective, Optimizer& optimizer, const TrainerOptions& options,
          Workspace& workspace);

  struct Step {
    int64_t step;    // done, this one included
    int64_t tokens;  // of this step
    double loss;     // of the batch, before the update
    double norm;     // of the gradients, before clipping
    float rate;
  };
  // One update, by the gradients of all of `batch`. Adds the objective's metrics to `metrics`, if there are any. Throws
  // Error(bad_request), with nothing changed but the gradients, where the loss or its gradient is not finite. The same
  // bits with any number of threads.
  Step step(std::span<const Example> batch, Metrics* metrics = nullptr);

  struct Evaluation {
    double loss = 0;  // as in training
    Metrics metrics;
  };
  Evaluation evaluate(const Corpus& held_out) const;

  int64_t steps_done() const { return done_; }
  int64_t steps() const { return options_.schedule.steps; }

  // Masters, what the optimizer keeps and the step: all that the next steps depend on, besides examples and options.
  // `notes` are kept with them. Durable: a crash leaves the old file or the new one. Throws Error(io).
  void save(const std::filesystem::path& file, const Json& notes) const;
  // Back to where save() was: what follows has the same bits. Returns the notes. Throws Error(bad_file).
  Json load(const std::filesystem::path& file);

 private:
  Trainable& trainable_;
  const Objective& objective_;
  Optimizer& optimizer_;
  TrainerOptions options_;
  Workspace& workspace_;
  int64_t done_ = 0;
};

}  // namespace glassbox
