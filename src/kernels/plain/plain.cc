// Runs on any machine: the oracle of the other sets.
#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {

#include "kernels/plain/vector.inl"
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

constinit const Kernels kPlainKernels = make_table("plain");

}  // namespace glassbox
