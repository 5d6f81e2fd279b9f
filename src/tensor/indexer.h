// Words of sparse attention's indexer (DeepSeek-V3.2's lightning indexer): small keys of their own choose the positions
// that attention looks at.
//
// T tokens of a pass, H heads of the indexer, E their width, S the longest context in view.
// REQUIRES: Pass::open_memory() with an Indexer for the layer.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace glassbox {

// Puts the indexer's keys of this pass, [T, E], into the memories of its runs.
void remember_index(int64_t layer, const Tensor& k);

// score[t, s] = sum over h of w[t, h] max(0, q[t, h] . k[s]): [T, S], -infinity where s is after t. q [T, H, E], w [T,
// H]. No gradient: what it is for is a choice.
Tensor index_scores(int64_t layer, const Tensor& q, const Tensor& w);

// The `most` positions of each row with the highest scores, in rising order; fewer where a token sees fewer. Ties go to
// the lowest position.
std::vector<std::vector<int32_t>> highest(const Tensor& scores, int64_t most);

}  // namespace glassbox
