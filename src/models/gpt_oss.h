// gpt-oss: config.json's "gpt_oss".
#pragma once

#include <memory>

#include "formats/config.h"
#include "models/language_model.h"
#include "nn/weights.h"

namespace glassbox {

// Reads every key it knows from `config`; the caller refuses the rest. Throws Error(bad_file | unsupported).
std::unique_ptr<LanguageModel> make_gpt_oss(Config& config, WeightSource& weights);

}  // namespace glassbox
