// What the engine keeps of a request that runs, and of one that ended. For engine.cc.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/sampling.h"
#include "engine/watch.h"
#include "tensor/sequence_memory.h"
#include "tokenizer/stop_text.h"

namespace glassbox {

// Whether anything but special tokens is there: else what follows is the beginning of a text.
inline bool has_text(const std::vector<int32_t>& tokens, const Tokenizer& tokenizer) {
  return std::ranges::any_of(tokens, [&](int32_t id) {
    return id < static_cast<int32_t>(tokenizer.size()) && !tokenizer.is_special(id) && !tokenizer.piece(id).empty();
  });
}

// A request that waits or runs, the engine thread's own once it was taken from the queue. It is gone once on_finished
// has been called: what outlives it is Remembered. `tokens` are the prompt and what was said; all but the last
// `pending` of them are in the memory.
struct Session {
  using Clock = std::chrono::steady_clock;

  Engine::RequestId id;
  GenerationRequest request;
  Engine::OnToken on_token;
  Engine::OnFinished on_finished;
  int64_t most_tokens;  // longest this sequence may become
  bool begun = false;   // it ran, if only to give way
  bool waits = true;

  std::vector<int32_t> tokens;
  SequenceMemory memory;
  std::vector<int64_t> checkpoints;  // lengths, while the prompt is read
  Sampler sampler;
  StreamDecoder decoder;
  StopText stop;
  std::unique_ptr<Watcher> watcher;  // of a request that watches
  Finished finished;
  Clock::time_point started{}, first_token{};
  bool over = false;

  Session(Engine::RequestId id, GenerationRequest asked, Engine::OnToken on_token, Engine::OnFinished on_finished,
          const Model& model, SequenceMemory empty, int64_t most_tokens)
      : id(id),
        request(std::move(asked)),
        on_token(std::move(on_token)),
        on_finished(std::move(on_finished)),
        most_tokens(most_tokens),
        tokens(request.prompt),
        memory(std::move(empty)),
        sampler(request.sampling, request.prompt, request.choice),
        decoder(model.tokenizer, request.continues && has_text(request.prompt, model.tokenizer)),
        stop(request.stop) {
    if (request.watch) watcher = std::make_unique<Watcher>(*request.watch);
    finished.prompt_tokens = static_cast<int64_t>(request.prompt.size());
    finished.seed = *request.sampling.seed;
  }

  // Tokens that the memory does not have yet: at least one while it runs, whose logits are what comes next.
  int64_t pending() const { return static_cast<int64_t>(tokens.size()) - memory.length(); }
  // Nothing has been said yet.
  bool prefilling() const { return finished.completion_tokens == 0; }
  bool reading() const { return prefilling() || pending() > 1; }  // the latter: again, after it gave way
};

// A sequence that ended, kept while there is room: a later prompt that begins the same way continues from it.
struct Remembered {
  std::vector<int32_t> tokens;  // those in the memory
  SequenceMemory memory;
  std::shared_ptr<const Adapter> adapter;  // whose keys and values these are
};

}  // namespace glassbox
