// The families this build can run (models/families.h): which one a config.json or a GGUF file is, and its model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "formats/config.h"
#include "formats/gguf_checkpoint.h"
#include "models/family.h"
#include "models/language_model.h"
#include "nn/weights.h"

namespace glassbox {

// Throws Error(unsupported) naming a model_type this build lacks, or a key of config.json or a tensor that nothing
// used. Keys are judged by family_that_reads(), unless somebody judges them otherwise.
std::unique_ptr<LanguageModel> make_model(Config& config, WeightSource& weights);

// The same, and what nothing used is left for the caller to ask of both (finish()): to say what a model is that this
// build may not run.
std::unique_ptr<LanguageModel> build_model(Config& config, WeightSource& weights);
// Of a family, whatever the file calls it.
std::unique_ptr<LanguageModel> build_model(const Family& family, Config& config, WeightSource& weights);

const Family* find_family(std::string_view model_type);  // null: this build runs none of that name
const KnownFamilies& known_families();                   // as formats/ asks for them

// A GGUF file as the checkpoint of the family whose it is. Throws as gguf_family() and GgufCheckpoint.
GgufCheckpoint gguf_checkpoint(Gguf file);

std::vector<std::string> supported_model_types();

// What README says of families: models of one that is supported, or why one is refused though it is known.
struct FamilyNote {
  std::string model_type, note;
};
std::vector<FamilyNote> supported_families();
std::vector<FamilyNote> refused_families();

}  // namespace glassbox
