// Random numbers by position, not by history: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
// 3", SC 2011). The same (key, counter) gives the same bits on every machine, in any order.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace glassbox {

std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter_low, uint64_t counter_high = 0);

// Uniform in [0, 1): 24 bits of the first word.
float uniform(uint64_t key, uint64_t counter_low, uint64_t counter_high = 0);

// A key of its own for each name, or for each part of a key (FNV-1a, then mixed).
uint64_t key_of(uint64_t key, std::string_view name);

// A seed that nobody chose, from the operating system. Below 2^53, so that JSON carries it whole.
uint64_t drawn_seed();

}  // namespace glassbox
