#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "tensor/update.h"

namespace glassbox {

std::vector<Piece> pieces_of(std::span<Parameter* const> tensors) {
  constexpr size_t kPiece = 1 << 15;
  std::vector<Piece> pieces;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const size_t count = tensors[i]->master.size();
    for (size_t begin = 0; begin < count; begin += kPiece)
      pieces.push_back({i, begin, std::min(kPiece, count - begin)});
  }
  return pieces;
}

double gradient_norm(std::span<Parameter* const> tensors, ThreadPool& pool) {
  const std::vector<Piece> pieces = pieces_of(tensors);
  std::vector<float> sums(pieces.size());
  pool.parallel_for(static_cast<int64_t>(pieces.size()), [&](int64_t i) {
    const Piece& piece = pieces[static_cast<size_t>(i)];
    sums[static_cast<size_t>(i)] = sum_of_squares(piece.of(tensors[piece.tensor]->gradients()));
  });
  double sum = 0;
  for (const float square : sums) sum += square;
  return std::sqrt(sum);
}

float clip_scale(double norm, double clip) { return clip > 0 && norm > clip ? static_cast<float>(clip / norm) : 1.0f; }

}  // namespace glassbox
