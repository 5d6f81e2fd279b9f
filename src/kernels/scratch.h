// Memory that kernels work in.
#pragma once

#include <cstddef>

namespace glassbox {

// At least `bytes` bytes on a cache line's boundary, this thread's until it asks again (what was in it is then lost).
// One kernel asks once, for all it needs. It grows and stays: a few megabytes a thread at most. Ends the program when
// there is no memory, as nothing sensible can follow.
void* kernel_scratch(size_t bytes) noexcept;

}  // namespace glassbox
