#include "tensor/indexer.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/pass.h"

namespace glassbox {

void remember_index(int64_t layer, const Tensor& k) {
  const Pass& pass = *k.pass();
  pass.pool().parallel_for(static_cast<int64_t>(pass.runs().size()), [&](int64_t r) {
    const Run& run = pass.runs()[static_cast<size_t>(r)];
    const SequenceMemory::Rows rows = run.memory->indexer(layer);
    check(rows.width == k.width(), "remember_index: expected keys of the memory's width");
    rows.write(0, run.position, run.end - run.begin, k.f32() + run.begin * k.width(), nullptr, k.width());
  });
}

Tensor index_scores(int64_t layer, const Tensor& q, const Tensor& w) {
  Pass& pass = *q.pass();
  const int64_t tokens = q.shape()[0], heads = q.shape()[1], width = q.width();
  check(w.shape() == Shape({tokens, heads}), "index_scores: expected a weight for each head");
  int64_t in_view = 0;
  for (const Run& run : pass.runs()) in_view = std::max(in_view, run.position + run.end - run.begin);
  Tensor scores = pass.empty({tokens, in_view});
  for (const Run& run : pass.runs())
    pass.pool().parallel_for(run.end - run.begin, [&](int64_t i) {
      const int64_t t = run.begin + i;
      const SequenceMemory::Rows rows = run.memory->indexer(layer);
      float* to = Pass::mutable_f32(scores) + t * in_view;
      std::fill_n(to, in_view, -std::numeric_limits<float>::infinity());
      for (int64_t s = 0; s <= run.position + i; ++s) {
        const void* block = rows.keys(s / kAttentionBlock, 0);
        float score = 0;
        for (int64_t h = 0; h < heads; ++h) {
          float product = 0;
          for (int64_t e = 0; e < width; ++e) {
            const int64_t at = e * kAttentionBlock + s % kAttentionBlock;
            const float key = rows.dtype == DType::bf16 ? bf16_to_f32(static_cast<const uint16_t*>(block)[at])
                                                        : static_cast<const float*>(block)[at];
            product += q.f32()[(t * heads + h) * width + e] * key;
          }
          score += w.f32()[t * heads + h] * std::max(product, 0.0f);
        }
        to[s] = score;
      }
    });
  return scores;
}

std::vector<std::vector<int32_t>> highest(const Tensor& scores, int64_t most) {
  std::vector<std::vector<int32_t>> chosen(static_cast<size_t>(scores.rows()));
  for (int64_t t = 0; t < scores.rows(); ++t) {
    const float* of = scores.f32() + t * scores.width();
    auto& list = chosen[static_cast<size_t>(t)];
    for (int32_t s = 0; s < scores.width(); ++s)
      if (of[s] != -std::numeric_limits<float>::infinity()) list.push_back(s);
    if (static_cast<int64_t>(list.size()) <= most) continue;
    std::ranges::nth_element(list, list.begin() + most,
                             [&](int32_t a, int32_t b) { return of[a] != of[b] ? of[a] > of[b] : a < b; });
    list.resize(static_cast<size_t>(most));
    std::ranges::sort(list);
  }
  return chosen;
}

}  // namespace glassbox
