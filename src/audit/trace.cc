#include "audit/trace.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/safetensors.h"

namespace glassbox {

std::vector<TracedValue> trace(const Model& model, std::span<const int32_t> tokens, std::span<const std::string> taps,
                               int threads, const Adapter* adapter) {
  const ModelShape& shape = model.network->shape();
  if (tokens.empty()) fail(ErrorKind::bad_request, "trace: expected at least one token, got none");
  if (static_cast<int64_t>(tokens.size()) > shape.context)
    fail(ErrorKind::full, "trace: {} tokens do not fit a context of {}", tokens.size(), shape.context);
  for (const int32_t token : tokens)
    if (token < 0 || token >= shape.vocabulary)
      fail(ErrorKind::bad_request, "trace: expected token ids from 0 to {}, got {}", shape.vocabulary - 1, token);

  std::vector<TracedValue> traced;
  Taps listening;
  for (const std::string& tap : taps)
    listening.listen(tap, [&](std::string_view name, const Tensor& value) {
      // Two globs may name one place.
      if (std::ranges::none_of(traced, [&](const TracedValue& known) { return known.name == name; }))
        traced.push_back({std::string(name),
                          {value.shape().sizes().begin(), value.shape().sizes().end()},
                          {value.values().begin(), value.values().end()}});
      return std::nullopt;
    });
  Workspace workspace(threads);
  Pass pass(workspace, {&listening});
  pass.add(tokens, nullptr, Logits::all, adapter);
  (*model.network)(pass);
  if (const auto unheard = listening.unheard(); !unheard.empty())
    fail(ErrorKind::bad_request, "trace: no tap is named {}; --list names them all", fmt::join(unheard, ", "));
  return traced;
}

std::vector<std::string> tap_names(const Model& model, int threads) {
  Workspace workspace(threads);
  return model.network->tap_names(workspace);
}

void write_trace(const std::filesystem::path& file, std::span<const TracedValue> values, const Model& model,
                 Existing existing) {
  std::vector<RawTensor> tensors;
  for (const TracedValue& value : values)
    tensors.push_back({value.name, DType::f32, value.shape, std::as_bytes(std::span(value.values)), nullptr});
  write_safetensors(file, tensors, {{"model", model.name}}, existing);
}

ValueSummary summarize(std::span<const float> values) {
  ValueSummary summary{INFINITY, -INFINITY, 0, 0, 0};
  int64_t count = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) {
      ++summary.not_finite;
      continue;
    }
    summary.smallest = std::min(summary.smallest, value);
    summary.largest = std::max(summary.largest, value);
    ++count;
    const double from_mean = value - summary.mean;  // Welford's recurrence
    summary.mean += from_mean / static_cast<double>(count);
    summary.deviation += from_mean * (value - summary.mean);
  }
  if (count == 0) return {NAN, NAN, NAN, NAN, summary.not_finite};
  summary.deviation = std::sqrt(summary.deviation / static_cast<double>(count));
  return summary;
}

}  // namespace glassbox
