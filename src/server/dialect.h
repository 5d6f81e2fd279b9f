// A vendor's API over our models: which requests are its own, how they are read, and how answers are written. What is
// asked and said in between is in no vendor's words (conversation.h, answer.h).
//
// Pure translation: no sockets, no engine. OpenAI's (openai/dialect.h) is the first.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer.h"
#include "server/api_error.h"
#include "server/conversation.h"
#include "server/generator.h"
#include "server/http/http.h"
#include "server/routes.h"

namespace glassbox::api {

using Choices = std::span<const Choice>;  // of one answer: n for each prompt, in order

// Writes one answer: as the bytes of a stream, or whole. It is told everything either way. One thread at a time.
class Writer {
 public:
  virtual ~Writer() = default;

  // Of a stream. Each function gives whole events, possibly several, possibly none; where none was asked for, never
  // any.
  virtual std::string_view content_type() const = 0;
  virtual std::string_view filler() const = 0;  // http::Response::filler
  virtual std::string begin(Choices choices) = 0;
  virtual std::string event(size_t choice, const Said& said) = 0;
  // Where all choices are done now, the stream's end comes with it.
  virtual std::string finished(size_t choice, const Said& rest, Choices choices) = 0;
  virtual std::string failed(const ApiError& error) = 0;  // in the middle of it: what follows is its end

  // JSON. REQUIRES: all choices are done.
  virtual std::string whole(Choices choices) = 0;
};

// A request that was read, and who writes its answer.
struct Asked {
  Request request;
  std::shared_ptr<Generator> generator;
  std::unique_ptr<Writer> writer;
};

// The model of this name. Throws ApiError(404).
using FindModel = std::function<std::shared_ptr<Generator>(const std::string& name)>;

// Where a model is asked for an answer, with POST and JSON.
struct Endpoint {
  std::string pattern;  // Route's
  // Throws ApiError that names the field at fault, what was expected and what was there.
  std::function<Asked(const http::Request& request, const Route::Parts& parts, const FindModel& find)> read;
};

// Any thread.
class Dialect {
 public:
  virtual ~Dialect() = default;

  // Seen from a request's head: its client speaks this one. Several share one port, and some of their paths.
  virtual bool matches(const http::Request& head) const = 0;
  virtual std::vector<Endpoint> endpoints() const = 0;

  // Bodies, all JSON.
  virtual std::string error(const ApiError& error) const = 0;
  struct Model {
    const ModelCard& card;
    bool changed_on_disk;
  };
  virtual std::string model(const Model& model) const = 0;
  virtual std::string models(const std::vector<Model>& models) const = 0;
};

}  // namespace glassbox::api
