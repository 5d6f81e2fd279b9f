#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/plain/vector.inl"
#include "kernels/generic/matmul_f32.inl"
}  // namespace

void plain_matmul_f32(Kernels& k) { fill_matmul_f32(k); }

}  // namespace glassbox
