#include "engine/sampling_defaults.h"

#include <fmt/format.h>

#include <cstdlib>

namespace glassbox {
namespace {

Sampling own() {
  Sampling sampling;
  sampling.temperature = 0.7f;
  sampling.top_k = 40;
  sampling.top_p = 0.9f;
  sampling.min_p = 0.05f;
  return sampling;
}

}  // namespace

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

}  // namespace glassbox
