// Gemma 3's language model: config.json's "gemma3_text", and within a "gemma3" that also sees pictures.
#pragma once

#include <memory>

#include "formats/config.h"
#include "models/language_model.h"
#include "nn/weights.h"

namespace glassbox {

// Reads every key it knows from `config`; the caller refuses the rest. Throws Error(bad_file | unsupported).
std::unique_ptr<LanguageModel> make_gemma3_text(Config& config, WeightSource& weights);
std::unique_ptr<LanguageModel> make_gemma3(Config& config, WeightSource& weights);

}  // namespace glassbox
