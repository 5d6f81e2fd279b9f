// A family of models: all that this build knows of it, beside its mathematics.
#pragma once

#include <memory>
#include <string_view>

#include "formats/config.h"
#include "formats/family_format.h"
#include "models/language_model.h"
#include "nn/weights.h"

namespace glassbox {

// Constant, and defined beside the model in a file of its own (models/llama_family.cc); models/families.h lists them.
struct Family {
  FamilyFormat format;
  std::string_view models;  // for example: README's table says so

  // Reads every key it knows; the caller refuses the rest. Keys that the file lacks are the format's defaults already.
  // Throws Error(bad_file | unsupported).
  std::unique_ptr<LanguageModel> (*make)(Config& config, WeightSource& weights);
};

}  // namespace glassbox
