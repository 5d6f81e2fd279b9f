#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/avx512/vector.inl"
#include "kernels/generic/gemm.inl"
}  // namespace

void avx512_gemm(Kernels& k) { fill_gemm(k); }

}  // namespace glassbox
