// The tables that kernels.cc chooses from.
#pragma once

#include "kernels/kernels.h"

namespace glassbox {

extern const Kernels kPlainKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

}  // namespace glassbox
