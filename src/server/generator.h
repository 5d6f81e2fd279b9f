// What the server needs of an engine and its model, and nothing more: tests put a fake in its place.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "chat/chat_syntax.h"
#include "engine/engine.h"
#include "engine/sampling.h"

namespace glassbox {

// What is told about a model, and what requests are checked against.
struct ModelCard {
  std::string id;       // "glassbox/prism"
  std::string base;     // of an adapter: the model it changes, whose engine answers; else empty
  int64_t created = 0;  // seconds since 1970
  int64_t context = 0;  // tokens
  int64_t vocabulary = 0;
  int64_t parameters = 0;
  int64_t memory_bytes = 0;  // of the weights
  std::string dtype;         // most of the weights are of: "bf16"
  bool has_template = false;
  std::string template_source;    // what the template can speak of is read off its text
  SamplingDefaults defaults;      // where a request says nothing
  std::vector<std::string> stop;  // the publisher's, beside a request's own
  SpecialTokens special_tokens;   // answers leave out their text, but for marks that their reader needs
};

// All functions may be called from any thread, several at once.
class Generator {
 public:
  virtual ~Generator() = default;
  virtual const ModelCard& card() const = 0;

  // As Model's: the exact prompt of a conversation and its ids. Throw Error(bad_request | unsupported).
  virtual Rendered render(const OrderedJson& context) const = 0;
  virtual std::vector<int32_t> encode_prompt(const Rendered& rendered) const = 0;
  // Text to be continued, with the BOS the tokenizer adds.
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;
  // The bytes a token adds; empty for an id without text. Throw Error(bad_request) for ids outside the
  // vocabulary.
  virtual std::string_view piece(int32_t id) const = 0;
  virtual std::string decode(const std::vector<int32_t>& ids) const = 0;

  // As Engine's, callbacks included.
  virtual Engine::RequestId submit(GenerationRequest request, Engine::OnToken on_token,
                                   Engine::OnFinished on_finished) = 0;
  virtual void cancel(Engine::RequestId request) = 0;
  virtual EngineStatistics statistics() const = 0;
  // True once a file that the model was read from was replaced, written to or removed. What was loaded answers on; a
  // file that became shorter fails its requests (Engine::submit). Logged when it is first seen.
  virtual bool changed_on_disk() const { return false; }
};

// Over an engine that it owns. `created` as the card's.
std::unique_ptr<Generator> make_generator(std::shared_ptr<const Model> model, const EngineOptions& options);

// `base` under another name, with an adapter over it: both share one engine and one copy of the weights, and their
// requests one batch. `created` as the card's.
std::unique_ptr<Generator> make_adapted_generator(std::shared_ptr<Generator> base, std::string id,
                                                  std::shared_ptr<const Adapter> adapter, int64_t created);

}  // namespace glassbox
