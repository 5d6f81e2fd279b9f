// Figures for Prometheus: what was asked, what was said, how long it took.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"

namespace glassbox {

// Any thread.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // `route` is one of few ("/v1/chat/completions", "page", "other"), never what a stranger typed.
  void request(const std::string& route, int status, double seconds);
  void first_token(const std::string& model, double seconds);
  void answered(const std::string& model, int64_t prompt_tokens, int64_t cached_tokens, int64_t completion_tokens);
  void left(const std::string& model);  // a client that went before its answer was complete
  void engine(const std::string& model, const EngineStatistics& statistics);

  // In Prometheus' text format 0.0.4.
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glassbox
