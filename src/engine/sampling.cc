#include "engine/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"
#include "tensor/distribution.h"

namespace glassbox {
namespace {

void in_range(const char* field, double value, double low, double high) {
  if (!(value >= low && value <= high))  // NaN too
    fail_at(ErrorKind::bad_request, field, "expected a number from {} to {}, got {}", low, high, value);
}

Sampling own() {
  Sampling sampling;
  sampling.temperature = 0.7f;
  sampling.top_k = 40;
  sampling.top_p = 0.9f;
  sampling.min_p = 0.05f;
  return sampling;
}

}  // namespace

void Sampling::validate(size_t vocabulary) const {
  in_range("temperature", temperature, 0, 1e6);
  in_range("top_k", top_k, 0, 1e9);
  in_range("top_p", top_p, 0, 1);
  in_range("min_p", min_p, 0, 1);
  in_range("repetition_penalty", repetition_penalty, 0.9e-6, 1e6);  // 1e-6, as float32 has it
  in_range("presence_penalty", presence_penalty, -100, 100);
  in_range("frequency_penalty", frequency_penalty, -100, 100);
  for (const auto& [token, bias] : logit_bias) {
    if (token < 0 || static_cast<size_t>(token) >= vocabulary)
      fail_at(ErrorKind::bad_request, "logit_bias", "expected token ids from 0 to {}, got {}", vocabulary - 1, token);
    in_range("logit_bias", bias, -1e4, 1e4);
  }
}

SamplingDefaults sampling_defaults(const GenerationConfig& published) {
  const bool greedy = published.do_sample == false;
  const bool chosen = greedy || published.temperature || published.top_k || published.top_p || published.min_p;
  SamplingDefaults defaults;
  Sampling& sampling = defaults.sampling;
  if (!chosen) sampling = own();
  const auto take = [&](std::string_view name, auto& field, const auto& said) {
    if (said) field = static_cast<std::decay_t<decltype(field)>>(*said);
    // A float's shortest digits: 0.7, not 0.699999988.
    const double value = std::strtod(fmt::format("{}", field).c_str(), nullptr);
    defaults.settings.push_back({name, value, said ? "model" : "glassbox"});
  };
  take("temperature", sampling.temperature, greedy ? std::optional<double>(0) : published.temperature);
  take("top_k", sampling.top_k, published.top_k);
  take("top_p", sampling.top_p, published.top_p);
  take("min_p", sampling.min_p, published.min_p);
  take("repetition_penalty", sampling.repetition_penalty, published.repetition_penalty);
  return defaults;
}

OrderedJson values_json(const SamplingDefaults& defaults) {
  OrderedJson values = OrderedJson::object();
  for (const auto& [name, value, source] : defaults.settings) {
    values[std::string(name)] = value;
    if (name == "top_k") values["top_k"] = defaults.sampling.top_k;  // a whole number
  }
  return values;
}

OrderedJson sources_json(const SamplingDefaults& defaults) {
  OrderedJson sources = OrderedJson::object();
  for (const auto& [name, value, source] : defaults.settings) sources[std::string(name)] = source;
  return sources;
}

Sampler::Sampler(const Sampling& sampling, std::span<const int32_t> prompt, uint64_t choice)
    : sampling_(sampling), choice_(choice) {
  check(sampling.seed.has_value(), "Sampler: expected a seed");
  if (sampling.repetition_penalty != 1)
    for (const int32_t token : prompt) ++seen_[token];
}

void Sampler::accept(int32_t token) {
  ++seen_[token];
  ++said_[token];
}

int32_t Sampler::sample(std::span<const float> logits, int64_t position) {
  const KeepDenormals keep;  // a temperature may be one
  adjusted_.assign(logits.begin(), logits.end());
  const auto at = [&](int32_t token) -> float& { return adjusted_[static_cast<size_t>(token)]; };
  const auto vocabulary = static_cast<int64_t>(logits.size());
  for (const auto& [token, bias] : sampling_.logit_bias) at(token) += bias;
  if (sampling_.repetition_penalty != 1)
    for (const auto& [token, times] : seen_)
      if (token < vocabulary)
        at(token) = at(token) > 0 ? at(token) / sampling_.repetition_penalty : at(token) * sampling_.repetition_penalty;
  if (sampling_.presence_penalty != 0 || sampling_.frequency_penalty != 0)
    for (const auto& [token, times] : said_)
      at(token) -= sampling_.presence_penalty + static_cast<float>(times) * sampling_.frequency_penalty;

  // Options may have made a logit infinite; what is no number at all is the least likely.
  constexpr float kMost = std::numeric_limits<float>::max();
  for (float& logit : adjusted_) logit = logit > -kMost ? std::min(logit, kMost) : -kMost;

  const auto most_likely =
      static_cast<int32_t>(std::ranges::max_element(adjusted_) - adjusted_.begin());  // the first of equals
  if (sampling_.temperature == 0) return most_likely;

  // The largest is subtracted before the division: it is 0 at any temperature, and others are at worst -infinity, whose
  // weight is 0.
  const float largest = at(most_likely);
  for (float& logit : adjusted_) logit = logit == largest ? 0 : (logit - largest) / sampling_.temperature;
  exponentials(adjusted_, 0, adjusted_);  // the most likely token now weighs 1

  // Candidates by id; put in falling order of weight, equal ones by id, only as far as the options reach.
  order_.clear();
  for (int32_t token = 0; token < vocabulary; ++token)
    if (at(token) > 0) order_.push_back(token);
  const auto before = [&](int32_t a, int32_t b) { return at(a) != at(b) ? at(a) > at(b) : a < b; };
  const auto sort_first = [&](size_t count) {
    std::ranges::partial_sort(order_, order_.begin() + static_cast<ptrdiff_t>(count), before);
  };
  const auto mass_left = [&] {
    double mass = 0;
    for (const int32_t token : order_) mass += at(token);
    return mass;
  };
  if (const auto k = static_cast<size_t>(sampling_.top_k); k > 0 && k < order_.size()) {
    sort_first(k);
    order_.resize(k);
  }
  if (sampling_.top_p < 1) {
    const double wanted = static_cast<double>(sampling_.top_p) * mass_left();
    size_t sorted = 0, kept = 0;
    for (double sum = 0; kept < order_.size() && (kept == 0 || sum < wanted);) {
      if (kept == sorted) sort_first(sorted = std::min(order_.size(), std::max<size_t>(64, sorted * 4)));
      sum += at(order_[kept++]);
    }
    order_.resize(kept);
  }
  std::erase_if(order_, [&](int32_t token) { return at(token) < sampling_.min_p; });  // the most likely one weighs 1

  double left = mass_left() * uniform(*sampling_.seed, static_cast<uint64_t>(position), choice_);
  for (const int32_t token : order_) {
    left -= at(token);
    if (left < 0) return token;
  }
  return order_.back();
}

}  // namespace glassbox
