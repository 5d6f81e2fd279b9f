#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/avx2/vector.inl"
#include "kernels/generic/matmul_f32.inl"
}  // namespace

void avx2_matmul_f32(Kernels& k) { fill_matmul_f32(k); }

}  // namespace glassbox
