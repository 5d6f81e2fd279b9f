// What config.json says of mixtures of experts: the same for every family.
#pragma once

#include <cstdint>

#include "formats/config.h"

namespace glassbox {

// How many experts a layer has: num_experts as published, or num_local_experts or n_routed_experts, which transformers
// 5 writes for some families; those that are there must agree. Throws Error(bad_file).
int64_t read_experts(const Config& config);

}  // namespace glassbox
