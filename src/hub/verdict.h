// What of a claim "made from this base" the weights themselves show (lineage.h finds it).
#pragma once

#include <optional>
#include <string_view>

namespace glassbox::hub {

enum class Verdict {
  verified,      // bytes that only the base has are in it; of an adapter: it fits over the base, matrix by matrix
  plausible,     // nothing speaks against it, and what is near the base is nearer than chance has it
  contradicted,  // the weights cannot have come from there as is claimed
  unknown        // they cannot be compared: the base is not here, or has other numbers
};
std::string_view name_of(Verdict verdict);
// Nothing for any other text.
std::optional<Verdict> verdict_named(std::string_view name);

}  // namespace glassbox::hub
