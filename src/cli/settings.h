// What a person may set in a conversation: sampling, the system prompt, how long answers become, what ends them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/sampling.h"

namespace glassbox {

// How an answer is to be drawn, as far as anyone said.
struct AskedSampling {
  std::optional<float> temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
  std::optional<int> top_k;
  std::optional<uint64_t> seed;

  // What was asked for, else the model's defaults.
  Sampling over(const SamplingDefaults& defaults) const;
};

struct Settings {
  AskedSampling sampling;
  std::optional<int64_t> max_tokens;  // absent: until the context is full
  std::vector<std::string> stop;
  std::string system;

  // The names that set() and show() know, as APIs spell them: "temperature", ..., "system".
  static std::vector<std::string_view> names();

  // `value` "default" takes back what was set. Throws Error(bad_request) for unknown names, for what is no number and
  // for numbers out of range; nothing is then changed.
  void set(std::string_view name, std::string_view value);
  // Each name with its value and whose it is: "temperature 0.3 (the model's own)"; one a line.
  std::string show(const SamplingDefaults& defaults) const;

  // What was set, and nothing else. from_json() throws as set() does.
  OrderedJson to_json() const;
  static Settings from_json(const OrderedJson& json);
};

}  // namespace glassbox
