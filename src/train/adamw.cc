#include "train/adamw.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "tensor/update.h"

namespace glassbox {
namespace {

constexpr size_t kPiece = 1 << 15;  // values a thread takes at once; the norm's order of sums rests on it

}  // namespace

AdamW::AdamW(std::span<Parameter* const> tensors, const AdamWOptions& options)
    : tensors_(tensors.begin(), tensors.end()), options_(options) {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const size_t count = tensors_[i]->master.size();
    first_.emplace_back(count);
    second_.emplace_back(count);
    for (size_t begin = 0; begin < count; begin += kPiece)
      pieces_.push_back({i, begin, std::min(kPiece, count - begin)});
  }
}

double AdamW::norm(ThreadPool& pool) const {
  std::vector<float> sums(pieces_.size());
  pool.parallel_for(static_cast<int64_t>(pieces_.size()), [&](int64_t i) {
    const Piece& piece = pieces_[static_cast<size_t>(i)];
    sums[static_cast<size_t>(i)] = sum_of_squares(piece.of(tensors_[piece.tensor]->gradients()));
  });
  double sum = 0;
  for (const float square : sums) sum += square;
  return std::sqrt(sum);
}

double AdamW::update(int64_t step, float rate, ThreadPool& pool) {
  const double norm = this->norm(pool);
  if (!std::isfinite(norm))
    fail(ErrorKind::bad_request, "step {}: the gradients' norm is {}: a lower learning rate, or a lower clip, may help",
         step, norm);
  AdamWStep how{};
  how.rate = rate;
  how.beta1 = static_cast<float>(options_.beta1);
  how.beta2 = static_cast<float>(options_.beta2);
  how.eps = static_cast<float>(options_.eps);
  how.m_correction = static_cast<float>(1 / (1 - std::pow(options_.beta1, static_cast<double>(step))));
  how.v_correction = static_cast<float>(1 / (1 - std::pow(options_.beta2, static_cast<double>(step))));
  how.gradient_scale = options_.clip > 0 && norm > options_.clip ? static_cast<float>(options_.clip / norm) : 1.0f;
  pool.parallel_for(static_cast<int64_t>(pieces_.size()), [&](int64_t i) {
    const Piece& piece = pieces_[static_cast<size_t>(i)];
    Parameter& parameter = *tensors_[piece.tensor];
    AdamWStep step_of = how;
    step_of.decay = parameter.shape.rank() > 1 ? static_cast<float>(options_.weight_decay) : 0.0f;
    adamw(step_of, piece.of(parameter.gradients()), piece.of(parameter.master), piece.of(first_[piece.tensor]),
          piece.of(second_[piece.tensor]));
  });
  return norm;
}

}  // namespace glassbox
