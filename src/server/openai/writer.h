// An answer in OpenAI's words: server-sent events ("data: ...\n\n", at the end [DONE]), or one object.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/dialect.h"
#include "server/openai/request.h"

namespace glassbox::openai {

class Writer : public api::Writer {
 public:
  struct Options {
    std::string id;              // "chatcmpl-..."
    int64_t created = 0;         // seconds since 1970
    std::set<int32_t> textless;  // completions: tokens that add no text
    // A token's bytes, as Generator's piece(): for log-probabilities.
    std::function<std::string_view(int32_t)> piece;
  };
  Writer(const Request& request, Options options);

  std::string_view content_type() const override { return "text/event-stream; charset=utf-8"; }
  std::string_view filler() const override { return ":\n\n"; }  // a comment, between whole events
  std::string begin(api::Choices choices) override;
  std::string event(size_t choice, const api::Said& said) override;
  std::string finished(size_t choice, const api::Said& rest, api::Choices choices) override;
  std::string failed(const ApiError& error) override;
  std::string whole(api::Choices choices) override;

 private:
  // What is kept of a choice, beside what it keeps itself.
  struct Kept {
    OrderedJson logprobs;  // chat: {"content": [...]}; completions: an object of lists; null: not asked for
    size_t offset = 0;     // completions: characters before the next token
    size_t calls = 0;      // told
  };

  OrderedJson head(std::string_view object) const;
  OrderedJson chunk(size_t choice, OrderedJson delta, OrderedJson logprobs, OrderedJson finish_reason) const;
  std::string content_event(size_t choice, std::string_view field, const std::string& text, OrderedJson logprobs) const;
  std::string said_events(size_t choice, const api::Said& said, OrderedJson logprobs);
  OrderedJson chat_logprob(const TokenEvent& event) const;
  OrderedJson completion_logprobs(Kept& kept, const TokenEvent& event) const;
  OrderedJson usage(const api::Usage& usage) const;

  const Options options_;
  const std::string model_;
  const OrderedJson seed_;
  const bool chat_;
  const size_t n_;
  const bool logprobs_, stream_, include_usage_;
  std::vector<Kept> kept_;
};

}  // namespace glassbox::openai
