// How much each input of each matrix matters, collected while a model reads.
#pragma once

#include <map>
#include <string>

#include "convert/importance.h"
#include "models/language_model.h"

namespace glassbox {

// Sums the squares of what goes into every matrix, by the matrix's GGUF name. One pass at a time may listen.
class ImportanceCollector {
 public:
  // Throws Error(unsupported) for a family whose tensors GGUF has no names for.
  explicit ImportanceCollector(const LanguageModel& model);
  ImportanceCollector(const ImportanceCollector&) = delete;
  ImportanceCollector& operator=(const ImportanceCollector&) = delete;

  const Taps& taps() const { return taps_; }
  const std::map<std::string, ImportanceSums>& sums() const { return sums_; }

 private:
  Taps taps_;
  std::map<std::string, ImportanceSums> sums_;
};

}  // namespace glassbox
