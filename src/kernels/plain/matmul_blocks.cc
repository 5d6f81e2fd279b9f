#include "kernels/generic/set.h"
#include "kernels/grids.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/plain/vector.inl"

#include "kernels/plain/bytes.inl"
#include "kernels/generic/loops.inl"
#include "kernels/generic/block_formats.inl"
#include "kernels/generic/grid_formats.inl"
#include "kernels/generic/block_panel.inl"
#include "kernels/generic/matmul_blocks.inl"
}  // namespace

void plain_matmul_blocks(Kernels& k) { fill_matmul_blocks(k); }

}  // namespace glassbox
