#include "convert/gguf_rows.h"

#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/quote.h"

namespace glassbox {
namespace {

using Rows = GgufTensorRows;

// Of the pairs and stacks: which outputs of the checkpoint's matrix these are.
struct Outputs {
  int64_t first = 0, step = 1;
};
Outputs outputs_of(GgufChange change, int64_t count) {
  switch (change) {
    case GgufChange::up_half:
      return {count, 1};
    case GgufChange::gate_interleaved:
    case GgufChange::gate_bias:
      return {0, 2};
    case GgufChange::up_interleaved:
    case GgufChange::up_bias:
      return {1, 2};
    default:
      return {};
  }
}

// The checkpoint's row behind a row of GGUF, where one is the other.
struct Row {
  const StoredWeight* source;
  int64_t row;
};
Row row_behind(const Rows& from, const TensorPlan& plan, int64_t row) {
  const StoredWeight& first = from.parts[0];
  switch (from.change) {
    case GgufChange::rotary_q:
    case GgufChange::rotary_k: {
      const int64_t head = plan.rows() / from.heads, half = head / 2, at = row % head;
      return {&first, row - at + (at % 2) * half + at / 2};
    }
    case GgufChange::expert: {
      const int64_t rows = plan.shape.size() < 3 ? 1 : plan.shape[1];
      return {&from.parts[static_cast<size_t>(row / rows)], row % rows};
    }
    case GgufChange::value_part:
      return {&first, row / from.values * (from.keys + from.values) + from.keys + row % from.values};
    default:
      break;
  }
  if (!is_stack(from.change)) return {&first, row};
  const int64_t outputs = plan.shape[1];
  const Outputs which = outputs_of(from.change, outputs);
  return {&first, row / outputs * outputs * (is_half(from.change) ? 2 : 1) + which.first + row % outputs * which.step};
}

bool is_vector(const Rows& from) { return from.parts[0].shape.size() == 1; }

// Whether each row is a row of the source, if in another place.
bool by_rows(const Rows& from) {
  if (is_vector(from)) return from.heads == 0;
  return !is_bias(from.change) && from.change != GgufChange::key_part &&
         !(is_stack(from.change) && from.parts[0].plain());
}

// As published (value 2 i of a byte i in its low half, 16 bytes a block) to GGUF's (value i low, i + 16 high).
void repack_mxfp4(const std::byte* blocks, const std::byte* scales, int64_t count, std::byte* to) {
  for (int64_t b = 0; b < count; ++b, blocks += 16, to += 17) {
    to[0] = scales[b];
    const auto value = [&](int i) { return blocks[i / 2] >> (i % 2 * 4) & std::byte{15}; };
    for (int i = 0; i < 16; ++i) to[1 + i] = value(i) | value(i + 16) << 4;
  }
}

}  // namespace

bool is_stack(GgufChange change) {
  return change == GgufChange::stacked || change == GgufChange::gate_half || change == GgufChange::up_half ||
         change == GgufChange::gate_interleaved || change == GgufChange::up_interleaved;
}
bool is_half(GgufChange change) { return is_stack(change) && change != GgufChange::stacked; }
bool is_bias(GgufChange change) { return change == GgufChange::gate_bias || change == GgufChange::up_bias; }

struct GgufRows::State {
  std::vector<TensorPlan> tensors;
  std::vector<Rows> rows;
  std::optional<Gguf> file;
  std::optional<StoredWeights> stored;

  // What was widened last, as rows are asked for in order.
  mutable std::mutex lock;  // held while rows are read across
  mutable const StoredWeight* recent = nullptr;
  mutable int64_t recent_group = -1;
  mutable std::vector<float> recent_values;

  void load(const StoredWeight& source, int64_t first, int64_t count, float* values) const {
    return stored ? stored->read(source, first, count, values) : read_plain(source, first, count, values);
  }
  const float* group(const StoredWeight& source, int64_t index, int64_t first, int64_t count) const;
  void read_across(const Rows& from, const TensorPlan& plan, int64_t row, float* values) const;
};

GgufRows::GgufRows(std::vector<TensorPlan> tensors, std::vector<GgufTensorRows> rows, Gguf file) {
  auto state = std::make_shared<State>();
  state->tensors = std::move(tensors);
  state->rows = std::move(rows);
  state->file = std::move(file);
  state_ = std::move(state);
}

GgufRows::GgufRows(std::vector<TensorPlan> tensors, std::vector<GgufTensorRows> rows, StoredWeights stored) {
  auto state = std::make_shared<State>();
  state->tensors = std::move(tensors);
  state->rows = std::move(rows);
  state->stored = std::move(stored);
  state_ = std::move(state);
}

// `count` rows of a weight as float32, kept until others are asked for. REQUIRES: `lock` is held.
const float* GgufRows::State::group(const StoredWeight& source, int64_t index, int64_t first, int64_t count) const {
  if (recent != &source || recent_group != index) {
    recent_values.resize(static_cast<size_t>(count * source.shape.back()));
    load(source, first, count, recent_values.data());
    recent = &source;
    recent_group = index;
  }
  return recent_values.data();
}

bool GgufRows::as_stored(size_t tensor) const {
  const Rows& from = state_->rows[tensor];
  return by_rows(from) && from.change != GgufChange::plus_one &&
         (from.parts[0].plain() ? from.parts[0].dtype == state_->tensors[tensor].dtype
                                : from.parts[0].dtype == DType::f4_e2m1);
}

void GgufRows::copy(size_t tensor, int64_t first, int64_t count, const AppendBytes& append) const {
  const Rows& from = state_->rows[tensor];
  const TensorPlan& plan = state_->tensors[tensor];
  const size_t size = static_cast<size_t>(plan.width()) / info(plan.dtype).block * info(plan.dtype).bytes;
  std::vector<std::byte> packed;
  for (int64_t r = first; r < first + count; ++r) {
    const Row behind = row_behind(from, plan, r);
    if (behind.source->plain()) {
      append(behind.source->raw.bytes.subspan(static_cast<size_t>(behind.row) * size, size));
      continue;
    }
    const RawTensor blocks = *state_->stored->checkpoint().find(behind.source->name + "_blocks"),
                    scales = *state_->stored->checkpoint().find(behind.source->name + "_scales");
    const int64_t many = plan.width() / 32;
    if (scales.bytes.size() * 16 != blocks.bytes.size())
      fail(ErrorKind::bad_file, "{}: tensor {}: expected a scale for each block", state_->stored->checkpoint().source(),
           quote(blocks.name));
    packed.resize(size);
    repack_mxfp4(blocks.bytes.data() + behind.row * many * 16, scales.bytes.data() + behind.row * many, many,
                 packed.data());
    append(packed);
  }
}

// One row that lies across the rows of the source.
void GgufRows::State::read_across(const Rows& from, const TensorPlan& plan, int64_t row, float* values) const {
  const StoredWeight& source = from.parts[0];
  const int64_t width = plan.width();
  if (is_vector(from)) {  // a bias is moved value by value
    const float* all = group(source, 0, 0, 1);
    TensorPlan as_column = plan;
    as_column.shape = {width, 1};
    for (int64_t i = 0; i < width; ++i) values[i] = all[row_behind(from, as_column, i).row];
  } else if (is_bias(from.change)) {
    const Outputs which = outputs_of(from.change, width);
    const float* both = group(source, row, row, 1);
    for (int64_t i = 0; i < width; ++i) values[i] = both[which.first + i * which.step];
  } else if (from.change == GgufChange::key_part) {
    const int64_t inputs = plan.shape[1], head = row / inputs;
    const float* keys = group(source, head, head * (from.keys + from.values), from.keys);
    for (int64_t i = 0; i < width; ++i) values[i] = keys[i * inputs + row % inputs];
  } else {  // a stack whose outputs are columns
    const int64_t outputs = plan.shape[1], matrix = row / outputs;
    const Outputs which = outputs_of(from.change, outputs);
    const float* columns = group(source, matrix, matrix * width, width) + which.first + row % outputs * which.step;
    for (int64_t i = 0; i < width; ++i) values[i] = columns[i * source.shape.back()];
  }
}

void GgufRows::read(size_t tensor, int64_t first, int64_t count, float* values) const {
  const Rows& from = state_->rows[tensor];
  const TensorPlan& plan = state_->tensors[tensor];
  const int64_t width = plan.width();
  const bool whole = by_rows(from);
  const std::unique_lock<std::mutex> hold = whole ? std::unique_lock<std::mutex>() : std::unique_lock(state_->lock);
  for (int64_t r = 0; r < count; ++r) {
    if (whole) {
      const Row behind = row_behind(from, plan, first + r);
      state_->load(*behind.source, behind.row, 1, values + r * width);
    } else {
      state_->read_across(from, plan, first + r, values + r * width);
    }
  }
  if (from.change == GgufChange::plus_one)
    for (int64_t i = 0; i < count * width; ++i) values[i] += 1;
}

void GgufRows::release(size_t tensor) const {
  for (const StoredWeight& part : state_->rows[tensor].parts) {
    if (state_->file) state_->file->release(part.raw.bytes);
    if (state_->stored) state_->stored->release(part);
  }
}

}  // namespace glassbox
