#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/avx2/vector.inl"
#include "kernels/generic/math.inl"
#include "kernels/generic/loops.inl"
#include "kernels/generic/values.inl"
}  // namespace

void avx2_values(Kernels& k) { fill_values(k); }

}  // namespace glassbox
