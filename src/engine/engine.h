// The engine: many requests share one model. It speaks of tokens, text and sessions, never of tensors.
//
// One thread owns the model and runs passes; submit() and cancel() may be called from any thread. Every request gets
// the bits it would get alone (docs/design.md, promise 1).
//
// Memory for keys and values is taken as sequences grow. Where it runs out, sequences that ended are forgotten first;
// then the youngest that runs gives way: it waits, and is read again from its tokens later. What was said stays said.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/model.h"
#include "engine/sampling.h"
#include "engine/watch.h"
#include "tensor/adapter.h"

namespace glassbox {

class MemoryBudget;

struct Alternative {
  int32_t id;
  float logprob;
};

struct GenerationRequest {
  std::vector<int32_t> prompt;
  Sampling sampling;
  int64_t max_tokens = -1;        // -1: until the context is full
  std::vector<std::string> stop;  // text that ends the answer and is not part of it
  bool ignore_eos = false;
  bool skip_special = false;       // special tokens add no text, though `stop` may name them
  std::set<int32_t> kept_special;  // save these: marks that whoever reads the answer needs
  // The answer goes on where the prompt's text ends, so that its first word's space belongs to it; else it is a text of
  // its own (a turn), which begins without.
  bool continues = false;
  int logprobs = -1;                       // -1: none; else how many alternatives beside the chosen one (0 to 20)
  uint64_t choice = 0;                     // index among n answers to one prompt: part of the key of its draws
  std::shared_ptr<const Adapter> adapter;  // of open_adapter(); null: the model as it is
  std::optional<Watch> watch;              // what to show of the computation
};

// One token of an answer. Text is whole characters: empty while a character or a possible stop text is incomplete.
struct TokenEvent {
  int32_t id = 0;
  std::string text;
  float logprob = 0;                      // log-probability in the model's own distribution (before sampling options)
  std::vector<Alternative> alternatives;  // the most likely ones, in falling order
};

enum class FinishReason { stop, length, cancelled };

struct Finished {
  FinishReason reason = FinishReason::stop;
  std::string text;  // what was held back and turned out to be text after all
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt, found in the cache of an earlier request
  int64_t completion_tokens = 0;
  uint64_t seed = 0;
  double prefill_s = 0, decode_s = 0;
  // Why the request could not be answered to its end; reason then means nothing. Others that ran beside it go on.
  // `full`: memory ran out; `io`: a file that the model or the adapter is read from was cut (base/mapped_file.h).
  std::optional<Error> failure;
  std::shared_ptr<const Evidence> evidence;  // of a request that watched, if it came to run
};

struct EngineOptions {
  int threads = 0;              // as ThreadPool
  int64_t context = 0;          // longest sequence; 0: the model's own, or what memory holds
  int64_t cache_tokens = 0;     // positions all sequences may hold together, in blocks of 64; 0: by memory
  int max_batch = 64;           // sequences in one pass
  int64_t prefill_chunk = 256;  // prompt tokens in one pass; a quarter of it where others speak or wait for theirs
  // Where keys and values, and room for intermediates, are taken from: null for the process's (base/memory.h).
  std::shared_ptr<MemoryBudget> memory = nullptr;
  std::chrono::milliseconds patience{10'000};  // for memory that others than this engine hold, until a request fails
};

struct EngineStatistics {
  int64_t requests = 0, running = 0, waiting = 0;
  int64_t prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0, passes = 0;
  int64_t gave_way = 0;                       // times that a sequence's memory was taken for an older one's
  int64_t cache_bytes = 0;                    // keys and values, of those that ended too
  int64_t memory_limit = 0, memory_left = 0;  // of all engines together
};

class Engine {
 public:
  using RequestId = uint64_t;
  // Called on the engine's thread: must not block, throw, or call submit().
  using OnToken = std::function<void(const TokenEvent&)>;
  using OnFinished = std::function<void(const Finished&)>;

  // Throws Error(bad_request) for options the model or memory cannot keep, Error(full) where there is no memory for it
  // to work in.
  Engine(std::shared_ptr<const Model> model, const EngineOptions& options);
  ~Engine();  // cancels what runs; every request's OnFinished has been called when this returns

  const Model& model() const;
  int64_t context() const;  // the longest sequence: as asked, or as the model and memory allow

  // Throws Error(bad_request) for options out of range or ids outside the vocabulary, Error(full) for a prompt that
  // leaves no room in the context, Error(io) where a file of the model or the adapter became shorter: its requests that
  // run fail then too, and those of others go on. Both callbacks end with exactly one OnFinished.
  RequestId submit(GenerationRequest request, OnToken on_token, OnFinished on_finished);
  // Stops it soon; OnFinished follows with `cancelled`. Nothing happens if it has ended.
  void cancel(RequestId request);

  // Blocks until done: for commands and tests. Throws Error if the request failed.
  struct Answer {
    std::vector<TokenEvent> tokens;
    std::string text;
    Finished finished;
  };
  Answer generate(GenerationRequest request, const OnToken& on_token = {});

  EngineStatistics statistics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace glassbox
