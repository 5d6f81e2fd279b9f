// Steps of training: forward and backward over a batch, one update. What is around a run (recipes, files, progress) is
// train/run.h.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/json.h"
#include "tensor/pass.h"
#include "train/corpus.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/trainable.h"

namespace glassbox {

struct TrainerOptions {
  uint64_t seed = 0;                  // of the order of documents
  int64_t batch_tokens = 16384;       // of one update
  int64_t micro_batch_tokens = 4096;  // of one pass: bounds memory; part of the order of sums, so of the bits
  double assistant_weight = 1, other_weight = 0;  // of the loss of a token that the loss mask marks, and of any other
  Schedule schedule;
  double clip = 1;  // largest norm of all gradients together; 0: as they come
};

// What is trained, a corpus, and how far training has come. One thread at a time.
class Trainer {
 public:
  // All must outlive this; the optimizer is one of the trainable's tensors.
  Trainer(Trainable& trainable, Optimizer& optimizer, const Corpus& corpus, const TrainerOptions& options,
          Workspace& workspace);

  struct Step {
    int64_t step;    // done, this one included
    int64_t tokens;  // of this step
    double loss;     // weighted mean over the batch, before the update
    double norm;     // of the gradients, before clipping
    float rate;
  };
  // One update. Throws Error(bad_request), with nothing changed but the gradients, where the loss or its gradient is
  // not finite. The same bits with any number of threads.
  Step step();

  struct Evaluation {
    double loss = 0;      // weighted as in training
    double accuracy = 0;  // of tokens the model is to say: how often its first choice is the right one
    int64_t assistant_tokens = 0;
  };
  Evaluation evaluate(const Corpus& held_out) const;

  int64_t steps_done() const { return done_; }
  int64_t steps() const { return options_.schedule.steps; }
  int64_t tokens_done() { return batches_.tokens_before(done_); }
  int64_t tokens_in_all() { return batches_.tokens_before(steps()); }

  // Masters, what the optimizer keeps and the step: all that the next steps depend on, besides corpus and options.
  // `notes` are kept with them. Durable: a crash leaves the old file or the new one. Throws Error(io).
  void save(const std::filesystem::path& file, const Json& notes) const;
  // Back to where save() was: what follows has the same bits. Returns the notes. Throws Error(bad_file).
  Json load(const std::filesystem::path& file);

 private:
  Trainable& trainable_;
  Optimizer& optimizer_;
  const Corpus& corpus_;
  TrainerOptions options_;
  Workspace& workspace_;
  Batches batches_;
  int64_t done_ = 0;
};

}  // namespace glassbox
