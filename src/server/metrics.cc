#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace glassbox {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;

struct Metrics::State {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests = BuildCounter()
                                                          .Name("glassbox_http_requests_total")
                                                          .Help("Requests answered, by route and status.")
                                                          .Register(registry);
  prometheus::Family<prometheus::Histogram>& durations = BuildHistogram()
                                                             .Name("glassbox_request_duration_seconds")
                                                             .Help("From a request's head to its answer's last byte.")
                                                             .Register(registry);
  prometheus::Family<prometheus::Histogram>& first_tokens = BuildHistogram()
                                                                .Name("glassbox_time_to_first_token_seconds")
                                                                .Help("From a request to its first token.")
                                                                .Register(registry);
  prometheus::Family<prometheus::Counter>& prompt_tokens = BuildCounter()
                                                               .Name("glassbox_prompt_tokens_total")
                                                               .Help("Tokens of prompts that were answered.")
                                                               .Register(registry);
  prometheus::Family<prometheus::Counter>& cached_tokens =
      BuildCounter()
          .Name("glassbox_cached_tokens_total")
          .Help("Of those, found in the cache of an earlier request.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& completion_tokens =
      BuildCounter().Name("glassbox_completion_tokens_total").Help("Tokens of answers.").Register(registry);
  prometheus::Family<prometheus::Counter>& left = BuildCounter()
                                                      .Name("glassbox_clients_left_total")
                                                      .Help("Clients that went before their answer was complete.")
                                                      .Register(registry);
  prometheus::Family<prometheus::Gauge>& running =
      BuildGauge().Name("glassbox_sequences_running").Help("Sequences being computed.").Register(registry);
  prometheus::Family<prometheus::Gauge>& waiting =
      BuildGauge().Name("glassbox_sequences_waiting").Help("Sequences waiting for room.").Register(registry);
  prometheus::Family<prometheus::Gauge>& passes =
      BuildGauge().Name("glassbox_passes").Help("Passes through the model since the start.").Register(registry);
  prometheus::Family<prometheus::Gauge>& gave_way =
      BuildGauge()
          .Name("glassbox_sequences_gave_way")
          .Help("Times since the start that a sequence's memory was taken for an older one's.")
          .Register(registry);
  prometheus::Family<prometheus::Gauge>& cache_bytes =
      BuildGauge()
          .Name("glassbox_cache_bytes")
          .Help("Memory of keys and values, of sequences that ended too.")
          .Register(registry);
  prometheus::Family<prometheus::Gauge>& memory_limit =
      BuildGauge()
          .Name("glassbox_memory_limit_bytes")
          .Help("Memory for all models together, beside their weights.")
          .Register(registry);
  prometheus::Family<prometheus::Gauge>& memory_left =
      BuildGauge().Name("glassbox_memory_left_bytes").Help("What of that is free.").Register(registry);

  const prometheus::Histogram::BucketBoundaries bounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                                       2.5,   5,    10,    30,   60,  120,  300};
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::request(const std::string& route, int status, double seconds) {
  state_->requests.Add({{"route", route}, {"status", std::to_string(status)}}).Increment();
  state_->durations.Add({{"route", route}}, state_->bounds).Observe(seconds);
}

void Metrics::first_token(const std::string& model, double seconds) {
  state_->first_tokens.Add({{"model", model}}, state_->bounds).Observe(seconds);
}

void Metrics::answered(const std::string& model, int64_t prompt_tokens, int64_t cached_tokens,
                       int64_t completion_tokens) {
  state_->prompt_tokens.Add({{"model", model}}).Increment(static_cast<double>(prompt_tokens));
  state_->cached_tokens.Add({{"model", model}}).Increment(static_cast<double>(cached_tokens));
  state_->completion_tokens.Add({{"model", model}}).Increment(static_cast<double>(completion_tokens));
}

void Metrics::left(const std::string& model) { state_->left.Add({{"model", model}}).Increment(); }

void Metrics::engine(const std::string& model, const EngineStatistics& statistics) {
  state_->running.Add({{"model", model}}).Set(static_cast<double>(statistics.running));
  state_->waiting.Add({{"model", model}}).Set(static_cast<double>(statistics.waiting));
  state_->passes.Add({{"model", model}}).Set(static_cast<double>(statistics.passes));
  state_->gave_way.Add({{"model", model}}).Set(static_cast<double>(statistics.gave_way));
  state_->cache_bytes.Add({{"model", model}}).Set(static_cast<double>(statistics.cache_bytes));
  state_->memory_limit.Add({}).Set(static_cast<double>(statistics.memory_limit));
  state_->memory_left.Add({}).Set(static_cast<double>(statistics.memory_left));
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().prometheus::Serializer::Serialize(state_->registry.Collect());
}

}  // namespace glassbox
