#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/avx512/vector.inl"
#include "kernels/generic/math.inl"
#include "kernels/generic/loops.inl"
#include "kernels/generic/values.inl"
}  // namespace

void avx512_values(Kernels& k) { fill_values(k); }

}  // namespace glassbox
