// AVX-512 F, BW, DQ and VL: x86-64-v4.
#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {

#include "kernels/avx512/vector.inl"
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

constinit const Kernels kAvx512Kernels = make_table("avx512");

}  // namespace glassbox
