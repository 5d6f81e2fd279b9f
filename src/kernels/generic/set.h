// What a kernel set's one source file needs before it includes a vector.inl and the algorithms of this folder inside
// an anonymous namespace. Nothing here is inline: a set's code must not be shared with another's (see
// cmake/kernels.cmake).
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <utility>

#include "kernels/kernels.h"
#include "kernels/scratch.h"
#include "kernels/streams.h"

// Words of a vector: calling them would take their operands through memory.
#define KERNEL_INLINE inline __attribute__((always_inline))

// Accumulators live in registers only if the loops over them are unrolled to the end.
#if defined(__clang__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif
