#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/avx512/vector.inl"
#include "kernels/generic/math.inl"
#include "kernels/generic/loops.inl"
#include "kernels/generic/attend.inl"
#include "kernels/generic/attend_backward.inl"
}  // namespace

void avx512_attend(Kernels& k) { fill_attend(k); }

}  // namespace glassbox
