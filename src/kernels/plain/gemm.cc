#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/plain/vector.inl"
#include "kernels/generic/gemm.inl"
}  // namespace

void plain_gemm(Kernels& k) { fill_gemm(k); }

}  // namespace glassbox
