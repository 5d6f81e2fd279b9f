#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/avx512/vector.inl"

#include "kernels/avx512/bytes.inl"
#include "kernels/generic/loops.inl"
#include "kernels/generic/matmul_e4m3.inl"
}  // namespace

void avx512_matmul_e4m3(Kernels& k) { fill_matmul_e4m3(k); }

}  // namespace glassbox
