#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/avx2/vector.inl"
#include "kernels/generic/math.inl"
#include "kernels/generic/loops.inl"
#include "kernels/generic/attend.inl"
#include "kernels/generic/attend_backward.inl"
}  // namespace

void avx2_attend(Kernels& k) { fill_attend(k); }

}  // namespace glassbox
