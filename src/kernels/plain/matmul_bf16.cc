#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/plain/vector.inl"
#include "kernels/generic/loops.inl"
#include "kernels/generic/matmul_bf16.inl"
#include "kernels/generic/matmul_columns.inl"
}  // namespace

void plain_matmul_bf16(Kernels& k) {
  fill_matmul_bf16(k);
  fill_matmul_columns(k);
}

}  // namespace glassbox
