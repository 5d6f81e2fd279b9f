// How the next token is drawn: what a request may say of it, what counts where it says nothing, and who draws.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "formats/generation_config.h"

namespace glassbox {

// Defaults are the plain distribution. Order: logit bias, penalties, temperature, top-k, top-p, min-p; ties go to the
// lowest id. Temperature 0 takes the most likely token.
struct Sampling {
  float temperature = 1;
  int top_k = 0;  // 0: all
  float top_p = 1;
  float min_p = 0;               // of the most likely token's probability
  float repetition_penalty = 1;  // arXiv:1909.05858, over prompt and answer
  float presence_penalty = 0;    // as OpenAI defines them: over the answer
  float frequency_penalty = 0;
  std::map<int32_t, float> logit_bias;
  std::optional<uint64_t> seed;  // absent: drawn, and told in Finished

  // Throws Error(bad_request) naming the field, its range and what was given.
  void validate(size_t vocabulary) const;
};

// How a model is sampled where a request says nothing, and whose word that is: one answer for the terminal, the API and
// the page.
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

// Draws tokens: one request's options and what it has said so far.
class Sampler {
 public:
  // `prompt` counts for the repetition penalty. REQUIRES: sampling.validate() passed and sampling.seed is set.
  Sampler(const Sampling& sampling, std::span<const int32_t> prompt, uint64_t choice);

  // The token at `position` of the sequence: one of them, whatever the options and the logits. Its draw is a function
  // of (seed, choice, position) alone: what a batch, a cache or a draft did before does not move it.
  int32_t sample(std::span<const float> logits, int64_t position);

  // Tells what was said: later draws count it.
  void accept(int32_t token);

 private:
  Sampling sampling_;
  uint64_t choice_;
  std::unordered_map<int32_t, int64_t> seen_;  // in prompt and answer
  std::unordered_map<int32_t, int64_t> said_;  // in the answer
  std::vector<float> adjusted_;
  std::vector<int32_t> order_;
};

}  // namespace glassbox
