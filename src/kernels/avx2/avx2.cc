// AVX2 and FMA: x86-64-v3.
#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {

#include "kernels/avx2/vector.inl"
// The algorithms, once for every set.
#include "kernels/generic/math.inl"
#include "kernels/generic/elementwise.inl"
#include "kernels/generic/matmul_f32.inl"
#include "kernels/generic/matmul_bf16.inl"
#include "kernels/generic/gemm.inl"
#include "kernels/generic/attend.inl"
#include "kernels/generic/attend_backward.inl"
#include "kernels/generic/table.inl"

}  // namespace

constinit const Kernels kAvx2Kernels = make_table("avx2");

}  // namespace glassbox
