// Llama 4, its text: config.json's "llama4_text", and "llama4" without images.
#pragma once

#include <memory>

#include "formats/config.h"
#include "models/language_model.h"
#include "nn/weights.h"

namespace glassbox {

// Reads every key it knows from `config`; the caller refuses the rest. Throws Error(bad_file | unsupported).
std::unique_ptr<LanguageModel> make_llama4_text(Config& config, WeightSource& weights);
// The same as text_config of a file that may have pictures, too.
std::unique_ptr<LanguageModel> make_llama4(Config& config, WeightSource& weights);

}  // namespace glassbox
