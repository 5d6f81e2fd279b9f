// What stands around the blocks of a decoder-only language model, the same for every family.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "models/language_model.h"
#include "nn/modules.h"

namespace glassbox {

// What the model around the blocks needs to know, beside what every family has. Families derive from it what their
// blocks need.
struct DecoderShape : ModelShape {
  MemoryShape memory;
  float norm_eps = 0;                 // of every norm
  float embedding_scale = 1;          // of what the table gives
  float final_logit_softcapping = 0;  // 0: none
};

// Block: constructed from its place in the checkpoint, Block::Shape (a DecoderShape) and its layer, it takes [T, D] to
// [T, D]. Block::FinalNorm is the norm before the output matrix, constructed from its place, the width and norm_eps. A
// family that adds something (a layer that drafts) derives from its Decoder. Throws as its modules do.
template <class Block>
class Decoder : public LanguageModel {
 public:
  using Shape = typename Block::Shape;
  using FinalNorm = typename Block::FinalNorm;

  // `w`: the place of `model` and `lm_head`.
  Decoder(std::unique_ptr<const Shape> shape, const Weights& w)
      : shape_(std::move(shape)),
        embed_tokens_(w["model"]["embed_tokens"], shape_->vocabulary, shape_->hidden),
        norm_(w["model"]["norm"], shape_->hidden, shape_->norm_eps),
        lm_head_(shape_->tied ? w["model"]["embed_tokens"] : w["lm_head"], shape_->vocabulary, shape_->hidden) {
    for (int64_t layer = 0; layer < shape_->layers; ++layer)
      layers_.emplace_back(w["model"]["layers"][layer], *shape_, layer);
  }

  const Shape& shape() const override { return *shape_; }
  const MemoryShape& memory_shape() const override { return shape_->memory; }

  Tensor operator()(Pass& pass) const override {
    pass.open_memory(shape_->memory);
    Tensor x = embed_tokens_(pass);  // [T, D]
    if (shape_->embedding_scale != 1) x = x * shape_->embedding_scale;
    for (const Named<Block>& block : layers_) x = block(x);
    Tensor logits = lm_head_(logit_rows(norm_(x)));  // [R, V]
    if (const float cap = shape_->final_logit_softcapping; cap > 0) logits = soft_cap(logits, cap);
    return pass.offer(logits, "logits");
  }

 private:
  std::unique_ptr<const Shape> shape_;  // blocks refer to it
  Named<Embedding> embed_tokens_;
  std::vector<Named<Block>> layers_;
  FinalNorm norm_;
  LmHead lm_head_;
};

}  // namespace glassbox
