#include "convert/stored_weights.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/quote.h"
#include "tensor/numbers.h"
#include "tensor/product.h"

namespace glassbox {

struct StoredWeights::State {
  State(Checkpoint from, Quantization quantization) : checkpoint(from), weights(std::move(from), quantization) {}

  Checkpoint checkpoint;
  CheckpointWeights weights;
  // What was packed last, as rows are asked for in order.
  std::mutex lock;
  std::string packed_name;
  Tensor packed;
};

StoredWeights::StoredWeights(Checkpoint checkpoint, Quantization quantization)
    : state_(std::make_shared<State>(std::move(checkpoint), quantization)) {}

const Checkpoint& StoredWeights::checkpoint() const { return state_->checkpoint; }
CheckpointWeights& StoredWeights::weights() const { return state_->weights; }

std::optional<StoredWeight> StoredWeights::of(std::string_view tensor) const {
  const Checkpoint& checkpoint = state_->checkpoint;
  const auto beside = [&](std::string_view suffix, std::string_view other) -> std::optional<RawTensor> {
    if (!tensor.ends_with(suffix)) return std::nullopt;
    return checkpoint.find(std::string(tensor.substr(0, tensor.size() - suffix.size())) + std::string(other));
  };
  const auto is_f8 = [](const std::optional<RawTensor>& raw) {
    return raw && (raw->dtype == DType::f8_e4m3 || raw->dtype == DType::f8_e5m2);
  };
  if (is_f8(beside("_scale_inv", "")) || is_f8(beside("_scale", "")) || is_f8(beside(".input_scale", ".weight")) ||
      beside("_scales", "_blocks") || beside(".qzeros", ".qweight") || beside(".scales", ".qweight") ||
      beside(".g_idx", ".qweight"))
    return std::nullopt;
  const RawTensor raw = *checkpoint.find(tensor);
  const std::string name(tensor);
  if (beside("_blocks", "_scales") && raw.shape.size() > 2) {
    std::vector<int64_t> shape(raw.shape.begin(), raw.shape.end() - 1);
    shape.back() *= 32;
    return StoredWeight{name.substr(0, name.rfind("_blocks")), DType::f4_e2m1, std::move(shape), {}};
  }
  if (tensor.ends_with(".qweight") && raw.shape.size() == 2) {
    const auto scales = beside(".qweight", ".scales");
    if (!scales || scales->shape.size() != 2)
      fail(ErrorKind::bad_file, "{}: tensor {}: expected scales beside it", checkpoint.source(), quote(tensor));
    const int64_t outputs = scales->shape[1];
    const int64_t inputs = raw.shape[1] == outputs ? raw.shape[0] * 8 : raw.shape[0];
    return StoredWeight{name.substr(0, name.rfind("qweight")) + "weight", DType::i4, {outputs, inputs}, {}};
  }
  if (is_f8(raw)) return StoredWeight{name, raw.dtype, raw.shape, {}};
  if (!is_float(raw.dtype) && raw.dtype != DType::f64)
    fail(ErrorKind::unsupported, "{}: tensor {}: dtype {} cannot be written as GGUF", checkpoint.source(),
         quote(tensor), info(raw.dtype).name);
  return StoredWeight{name, raw.dtype, raw.shape, raw};
}

void read_plain(const StoredWeight& weight, int64_t first, int64_t count, float* values) {
  const size_t row = weight.raw.bytes.size() / static_cast<size_t>(std::max<int64_t>(1, weight.rows()));
  to_float(weight.dtype, weight.raw.bytes.data() + static_cast<size_t>(first) * row, values, count * weight.width());
}

void StoredWeights::read(const StoredWeight& weight, int64_t first, int64_t count, float* values) const {
  if (weight.plain()) return read_plain(weight, first, count, values);
  State& state = *state_;
  const std::lock_guard hold(state.lock);
  if (state.packed_name != weight.name) {
    state.packed = {};  // before another is made
    state.packed = state.weights.get(weight.name, Shape(std::span<const int64_t>(weight.shape)));
    state.packed_name = weight.name;
  }
  if (weight.shape.size() == 2) return widen(state.packed, first, count, values);
  const int64_t width = weight.shape.back(), rows = weight.shape[weight.shape.size() - 2];
  for (int64_t done = 0; done < count;) {
    const int64_t matrix = (first + done) / rows, row = (first + done) % rows;
    const int64_t some = std::min(count - done, rows - row);
    widen(state.packed.select(matrix), row, some, values + done * width);
    done += some;
  }
}

void StoredWeights::release(const StoredWeight& weight) const {
  const auto release_named = [&](const std::string& name) {
    if (const auto raw = state_->checkpoint.find(name)) state_->checkpoint.release(raw->bytes);
  };
  if (weight.plain())
    state_->checkpoint.release(weight.raw.bytes);
  else if (weight.dtype == DType::f4_e2m1)
    release_named(weight.name + "_blocks");
  else if (weight.dtype == DType::i4)
    release_named(weight.name.substr(0, weight.name.rfind('.')) + ".qweight");
  else
    release_named(weight.name);
  const std::lock_guard hold(state_->lock);
  state_->packed = {};
  state_->packed_name.clear();
}

}  // namespace glassbox
