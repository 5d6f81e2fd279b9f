#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/plain/vector.inl"

#include "kernels/plain/bytes.inl"
#include "kernels/generic/loops.inl"
#include "kernels/generic/matmul_e4m3.inl"
}  // namespace

void plain_matmul_e4m3(Kernels& k) { fill_matmul_e4m3(k); }

}  // namespace glassbox
