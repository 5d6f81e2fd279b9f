// Answers one request of a model, whole or as a stream, whatever its dialect.
#pragma once

#include <functional>
#include <memory>

#include "server/dialect.h"
#include "server/http/http.h"
#include "server/metrics.h"

namespace glassbox {

// What an answer needs beside what was asked. Its references outlive the answer.
struct Around {
  const api::Dialect& dialect;
  Metrics& metrics;
  std::function<void(http::Response&)> finish;  // adds the headers that every answer has
};

// The prompt of a conversation, as its model reads it. Throws what rendering does.
Rendered render(const api::Conversation& conversation, const Generator& generator);

// Returns once all is submitted; the answer follows from the engine's thread, on the request's own strand, and ends
// with the client. Throws what reading prompts and submitting throw: nothing was answered then.
void answer(api::Asked asked, Around around, std::shared_ptr<http::ResponseStream> stream);

}  // namespace glassbox
