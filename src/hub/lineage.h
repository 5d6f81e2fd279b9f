// What of a claim "made from this base" the weights themselves show. Equal configurations show nothing: anybody can
// copy one.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "hub/tensors.h"
#include "hub/verdict.h"

namespace glassbox::hub {

struct Comparison {
  Verdict verdict = Verdict::unknown;
  std::string why;         // a sentence
  int64_t identical = 0;   // tensors whose bytes are the base's
  int64_t changed = 0;     // of the same name and shape, with other numbers
  int64_t only_here = 0;   // that the base has not
  int64_t only_there = 0;  // that only the base has
  // Of numbers in changed tensors: norm of the difference over the norm of the base's; -1 where none was compared.
  double change = -1;
};

// Reads every tensor that both have. `relation`: "finetune", "adapter", "merge" or "quantized".
Comparison compare(const Contents& contents, const Tensors& variant, const Tensors& base, std::string_view relation);

Json to_json(const Comparison& comparison);

}  // namespace glassbox::hub
