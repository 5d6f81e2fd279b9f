#include "train/adamw.h"

#include <cmath>
#include <utility>

#include "tensor/update.h"

namespace glassbox {

AdamW::AdamW(std::span<Parameter* const> tensors, const AdamWOptions& options)
    : tensors_(tensors.begin(), tensors.end()), options_(options), pieces_(pieces_of(tensors)) {
  for (const Parameter* tensor : tensors_) {
    first_.emplace_back(tensor->master.size());
    second_.emplace_back(tensor->master.size());
  }
}

void AdamW::update(const Update& update, ThreadPool& pool) {
  AdamWStep how{};
  how.rate = update.rate;
  how.beta1 = static_cast<float>(options_.beta1);
  how.beta2 = static_cast<float>(options_.beta2);
  how.eps = static_cast<float>(options_.eps);
  how.m_correction = static_cast<float>(1 / (1 - std::pow(options_.beta1, static_cast<double>(update.step))));
  how.v_correction = static_cast<float>(1 / (1 - std::pow(options_.beta2, static_cast<double>(update.step))));
  how.gradient_scale = update.gradient_scale;
  pool.parallel_for(static_cast<int64_t>(pieces_.size()), [&](int64_t i) {
    const Piece& piece = pieces_[static_cast<size_t>(i)];
    Parameter& tensor = *tensors_[piece.tensor];
    AdamWStep step_of = how;
    step_of.decay = tensor.shape.rank() > 1 ? static_cast<float>(options_.weight_decay) : 0.0f;
    adamw(step_of, piece.of(tensor.gradients()), piece.of(tensor.master), piece.of(first_[piece.tensor]),
          piece.of(second_[piece.tensor]));
  });
}

std::vector<StateTensor> AdamW::state() {
  std::vector<StateTensor> list;
  for (size_t i = 0; i < tensors_.size(); ++i)
    for (auto [kind, moment] : {std::pair{"first.", &first_[i]}, {"second.", &second_[i]}})
      list.push_back(
          {kind + tensors_[i]->name, DType::f32, tensors_[i]->shape, std::as_writable_bytes(std::span(*moment))});
  return list;
}

}  // namespace glassbox
