// How a model is sampled where a request says nothing, and whose word that is: one answer for the terminal, the API and
// the page.
#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"

namespace glassbox {

struct SamplingDefaults {
  struct Setting {
    std::string_view name;  // as in APIs: "temperature"
    double value;
    std::string_view source;  // "model": its publisher says so; "glassbox": nobody but us
  };

  Sampling sampling;              // complete, without a seed
  std::vector<Setting> settings;  // temperature, top_k, top_p, min_p, repetition_penalty, in this order
};

// What the publisher says (generation_config.json, or a GGUF file's keys). do_sample false is temperature 0. A
// publisher who says any of do_sample false, temperature, top_k, top_p and min_p has chosen: what is not said is then
// the plain distribution, as other servers take the same file. One who says none of them gets ours, measured in
// docs/log.md: the plain distribution makes small models babble.
SamplingDefaults sampling_defaults(const GenerationConfig& published);

// As programs are told: {"temperature": 0.7, "top_k": 40, ...}, and {"temperature": "model", ...}.
OrderedJson values_json(const SamplingDefaults& defaults);
OrderedJson sources_json(const SamplingDefaults& defaults);

}  // namespace glassbox
