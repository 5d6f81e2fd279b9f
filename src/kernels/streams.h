// How many streams of reading weights are asked for in.
#pragma once

#include <cstdint>

namespace glassbox {

// 1 or 4: what this machine's memory gives most to. Measured, one thread, 16 rows of blocks taken together: Sapphire
// Rapids 17 GB/s to four, 15 to one; Zen 5 33 to four, 40 to one.
int64_t kernel_streams() noexcept;

}  // namespace glassbox
