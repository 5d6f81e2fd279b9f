#include "tensor/sequence_memory.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/memory.h"
#include "kernels/kernels.h"

namespace glassbox {
namespace {

constexpr int64_t kBlock = kAttentionBlock;
constexpr size_t kMostCheckpoints = 8;

int64_t blocks_of(int64_t positions) { return (positions + kBlock - 1) / kBlock; }

template <class T>
T rounded(float value) {
  if constexpr (sizeof(T) == 2)
    return f32_to_bf16(value);
  else
    return value;
}

template <class T>
void write_row(T* keys, T* values, int64_t slot, int64_t width, const float* k, const float* v) {
  for (int64_t e = 0; e < width; ++e) keys[e * kBlock + slot] = rounded<T>(k[e]);
  if (!values) return;
  for (int64_t e = 0; e < width; ++e) values[slot * width + e] = rounded<T>(v[e]);
}

}  // namespace

int64_t Sight::first_seen(int64_t position) const {
  int64_t first = 0;
  if (window > 0) first = std::max(first, position + 1 - window);
  if (chunk > 0) first = std::max(first, position - position % chunk);
  return first;
}

// Rows of layers with one sight lie in common blocks, layer after layer, head after head.
struct MemoryShape::Layout {
  struct Group {
    Sight sight;
    size_t block_bytes = 0;

    // The most blocks that are kept at once on the way to `length`.
    int64_t blocks(int64_t length, int64_t step) const {
      const int64_t all = blocks_of(length);
      if (sight.all()) return all;
      int64_t seen = std::numeric_limits<int64_t>::max() / 4;
      if (sight.window > 0) seen = std::min(seen, sight.window - 1);
      if (sight.chunk > 0) seen = std::min(seen, sight.chunk - 1);
      // What the first of a step sees before itself may begin anywhere in a block.
      return std::min(all, blocks_of(seen + std::min(step, length)) + 1);
    }
    // Where the blocks end that have room from `from` to `length`, or for one step of the way.
    int64_t end(int64_t from, int64_t length, int64_t step) const {
      return blocks_of(sight.all() ? length : std::min(length, from + std::min(step, length)));
    }
  };
  std::vector<LayerMemory> layers;
  std::vector<Group> groups;
  std::vector<SequenceMemory::Rows> attention, indexers;  // of each layer; heads 0: none
  std::vector<size_t> states;                             // where each layer's begins
  size_t state_bytes = 0;

  SequenceMemory::Rows place(int64_t heads, int64_t width, int64_t value_dim, bool in_keys, DType dtype, Sight sight) {
    size_t group = 0;
    while (group < groups.size() && !(groups[group].sight == sight)) ++group;
    if (group == groups.size()) groups.push_back({sight});
    const size_t plane = static_cast<size_t>(kBlock * width) * info(dtype).bytes;
    SequenceMemory::Rows rows;
    rows.heads = heads;
    rows.width = width;
    rows.value_dim = value_dim;
    rows.values_in_keys = in_keys;
    rows.dtype = dtype;
    rows.sight = sight;
    rows.group_ = group;
    rows.offset_ = groups[group].block_bytes;
    rows.head_bytes_ = in_keys ? plane : 2 * plane;
    rows.values_at_ = plane;
    groups[group].block_bytes += static_cast<size_t>(heads) * rows.head_bytes_;
    return rows;
  }
};

MemoryShape::MemoryShape(std::vector<LayerMemory> layers) {
  auto layout = std::make_shared<Layout>();
  for (const LayerMemory& layer : layers) {
    SequenceMemory::Rows attention, indexer;
    if (const auto* kept = std::get_if<KeysValues>(&layer.attention))
      attention = layout->place(kept->kv_heads, kept->head_dim, kept->head_dim, false, kept->dtype, kept->sight);
    else if (const auto* latent = std::get_if<Latent>(&layer.attention))
      attention = layout->place(1, latent->width, latent->value_dim, true, latent->dtype, {});
    if (layer.indexer) indexer = layout->place(1, layer.indexer->width, 0, true, layer.indexer->dtype, {});
    layout->attention.push_back(attention);
    layout->indexers.push_back(indexer);
    layout->states.push_back(layout->state_bytes);
    if (layer.state) layout->state_bytes += static_cast<size_t>(layer.state->floats()) * sizeof(float);
  }
  layout->layers = std::move(layers);
  layout_ = std::move(layout);
}

MemoryShape::MemoryShape(int64_t layers, const KeysValues& each)
    : MemoryShape(std::vector<LayerMemory>(static_cast<size_t>(layers), {.attention = each})) {}

int64_t MemoryShape::layers() const { return static_cast<int64_t>(layout_->layers.size()); }

const LayerMemory& MemoryShape::layer(int64_t layer) const { return layout_->layers[static_cast<size_t>(layer)]; }

MemoryShape MemoryShape::with_dtype(DType dtype) const {
  std::vector<LayerMemory> layers = layout_->layers;
  for (LayerMemory& layer : layers) {
    if (auto* kept = std::get_if<KeysValues>(&layer.attention)) kept->dtype = dtype;
    if (auto* latent = std::get_if<Latent>(&layer.attention)) latent->dtype = dtype;
    if (layer.indexer) layer.indexer->dtype = dtype;
  }
  return MemoryShape(std::move(layers));
}

int64_t MemoryShape::bytes(int64_t length, int64_t step) const {
  if (length <= 0) return 0;
  auto bytes = 2 * static_cast<int64_t>(layout_->state_bytes);
  for (const Layout::Group& group : layout_->groups)
    bytes += group.blocks(length, step) * static_cast<int64_t>(group.block_bytes);
  return bytes;
}

int64_t MemoryShape::longest(int64_t limit, int64_t step, int64_t most) const {
  if (bytes(most, step) <= limit) return most;
  int64_t fits = 0, exceeds = blocks_of(most);  // in blocks
  while (exceeds - fits > 1) {
    const int64_t middle = fits + (exceeds - fits) / 2;
    (bytes(middle * kBlock, step) <= limit ? fits : exceeds) = middle;
  }
  return std::min(most, fits * kBlock);
}

int64_t MemoryShape::block_bytes() const {
  int64_t bytes = 0;
  for (const Layout::Group& group : layout_->groups) bytes += static_cast<int64_t>(group.block_bytes);
  return bytes;
}

int64_t MemoryShape::bytes_seen(int64_t position) const {
  auto bytes = static_cast<int64_t>(layout_->state_bytes);
  for (const Layout::Group& group : layout_->groups)
    bytes += (position + 1 - group.sight.first_seen(position)) * (static_cast<int64_t>(group.block_bytes) / kBlock);
  return bytes;
}

bool MemoryShape::forgets() const {
  return layout_->state_bytes > 0 ||
         std::ranges::any_of(layout_->groups, [](const Layout::Group& group) { return !group.sight.all(); });
}

SequenceMemory::SequenceMemory(MemoryShape shape, std::shared_ptr<MemoryBudget> budget)
    : shape_(std::move(shape)), budget_(std::move(budget)), groups_(shape_.layout_->groups.size()) {}

int64_t SequenceMemory::bytes() const {
  int64_t bytes = 0;
  const auto of_group = [&](size_t g, const Group& group) {
    return (static_cast<int64_t>(group.blocks.size()) - group.first) *
           static_cast<int64_t>(shape_.layout_->groups[g].block_bytes);
  };
  const auto of_state = [&](const Memory& state) {
    return state ? static_cast<int64_t>(shape_.layout_->state_bytes) : 0;
  };
  for (size_t g = 0; g < groups_.size(); ++g) bytes += of_group(g, groups_[g]);
  bytes += of_state(state_) + of_state(next_state_) + of_state(spare_state_);
  for (const Checkpoint& point : checkpoints_) {
    for (size_t g = 0; g < groups_.size(); ++g) bytes += of_group(g, point.groups[g]);
    bytes += of_state(point.state);
  }
  return bytes;
}

// Blocks that nobody else has are for use again: what they hold are numbers, if old ones.
void SequenceMemory::forget(std::vector<std::vector<Memory>>& spare) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    const int64_t seen = shape_.layout_->groups[g].sight.first_seen(length_) / kBlock;
    for (; group.first < std::min(seen, static_cast<int64_t>(group.blocks.size())); ++group.first) {
      Memory& block = group.blocks[static_cast<size_t>(group.first)];
      if (block.use_count() == 1) spare[g].push_back(std::move(block));
      block.reset();
    }
  }
}

bool SequenceMemory::reserve(int64_t length, int64_t step) {
  if (length <= length_) return true;
  std::vector<std::vector<Memory>> spare(groups_.size());
  forget(spare);
  for (size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    const MemoryShape::Layout::Group& layout = shape_.layout_->groups[g];
    // Zeros: what is beyond the last position is read, and must not be NaN.
    const auto block = [&] {
      if (spare[g].empty()) return allocate_zeroed(layout.block_bytes, budget_);
      Memory again = std::move(spare[g].back());
      spare[g].pop_back();
      return again;
    };
    if (length_ % kBlock != 0) {
      Memory& last = group.blocks[static_cast<size_t>(length_ / kBlock)];
      if (last.use_count() > 1) {
        Memory copy = block();
        if (!copy) return false;
        std::memcpy(copy.get(), last.get(), layout.block_bytes);
        last = std::move(copy);
      }
    }
    const int64_t wanted = layout.end(length_, length, step);
    while (static_cast<int64_t>(group.blocks.size()) < wanted) {
      Memory more = block();
      if (!more) return false;
      group.blocks.push_back(std::move(more));
    }
  }
  if (shape_.layout_->state_bytes == 0 || has_next_state()) return true;
  spare_state_ = allocate_zeroed(shape_.layout_->state_bytes, budget_);
  return spare_state_ != nullptr;
}

// The state before the last step makes room for the next, unless somebody else has it.
bool SequenceMemory::has_next_state() const {
  return spare_state_ ? spare_state_.use_count() == 1 : state_.use_count() == 1;
}

int64_t SequenceMemory::missing(int64_t length, int64_t step) const {
  int64_t bytes = 0;
  if (length <= length_) return bytes;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const MemoryShape::Layout::Group& layout = shape_.layout_->groups[g];
    const auto held = static_cast<int64_t>(groups_[g].blocks.size());
    const int64_t wanted = layout.end(length_, length, step);
    const bool copies =
        length_ % kBlock != 0 && groups_[g].blocks[static_cast<size_t>(length_ / kBlock)].use_count() > 1;
    bytes += (std::max<int64_t>(0, wanted - held) + copies) * static_cast<int64_t>(layout.block_bytes);
  }
  if (!has_next_state()) bytes += static_cast<int64_t>(shape_.layout_->state_bytes);
  if (!next_state_) bytes += static_cast<int64_t>(shape_.layout_->state_bytes);
  return bytes;
}

void SequenceMemory::resize(int64_t length) {
  if (length > length_) {
    if (!reserve(length))
      fail(ErrorKind::full, "memory: no room for {} positions, which take {} bytes", length,
           shape_.bytes(length, length - length_));
    Memory next = spare_state_ ? std::move(spare_state_) : std::move(state_);
    spare_state_.reset();
    state_ = std::move(next_state_);
    next_state_ = std::move(next);
    before_ = length_;
    length_ = length;
    return;
  }
  check(resumable(length) == length, "SequenceMemory: a length that cannot be gone back to");
  const Checkpoint* point = nullptr;
  const bool goes_back = length < length_ && length > 0;
  if (goes_back && !(in_sight(length) && (length == before_ || shape_.layout_->state_bytes == 0)))
    point = checkpoint_at(length);
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (point && !shape_.layout_->groups[g].sight.all()) groups_[g] = point->groups[g];
    groups_[g].blocks.resize(static_cast<size_t>(blocks_of(length)));
    groups_[g].first = std::min(groups_[g].first, blocks_of(length));
  }
  if (length < length_) {
    next_state_ = length == 0 ? nullptr : point ? point->state : state_;
    state_.reset();
    spare_state_.reset();
    before_ = length_ = length;
  }
  std::erase_if(checkpoints_, [&](const Checkpoint& other) { return other.length > length; });
}

// Whether what the next token sees at `length` is there.
bool SequenceMemory::in_sight(int64_t length) const {
  for (size_t g = 0; g < groups_.size(); ++g)
    if (shape_.layout_->groups[g].sight.first_seen(length) / kBlock < groups_[g].first) return false;
  return true;
}

const SequenceMemory::Checkpoint* SequenceMemory::checkpoint_at(int64_t length) const {
  const auto at = std::ranges::find(checkpoints_, length, &Checkpoint::length);
  return at == checkpoints_.end() ? nullptr : &*at;
}

int64_t SequenceMemory::resumable(int64_t length) const {
  length = std::clamp<int64_t>(length, 0, length_);
  int64_t longest = 0;
  const auto consider = [&](int64_t at) {
    if (at <= length) longest = std::max(longest, at);
  };
  if (shape_.layout_->state_bytes == 0) {
    if (in_sight(length)) return length;
  } else {
    if (in_sight(length_)) consider(length_);
    if (in_sight(before_)) consider(before_);
  }
  for (const Checkpoint& point : checkpoints_) consider(point.length);
  return longest;
}

void SequenceMemory::checkpoint() {
  if (length_ == 0 || !shape_.forgets() || checkpoint_at(length_)) return;
  Checkpoint point{length_, std::vector<Group>(groups_.size()), next_state_};
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Sight& sight = shape_.layout_->groups[g].sight;
    if (sight.all()) continue;
    const auto first = sight.first_seen(length_) / kBlock, end = blocks_of(length_);
    point.groups[g].blocks.resize(static_cast<size_t>(end));
    point.groups[g].first = std::min(first, end);
    for (int64_t b = point.groups[g].first; b < end; ++b)
      point.groups[g].blocks[static_cast<size_t>(b)] = groups_[g].blocks[static_cast<size_t>(b)];
  }
  const auto after =
      std::ranges::find_if(checkpoints_, [&](const Checkpoint& other) { return other.length > length_; });
  checkpoints_.insert(after, std::move(point));
  if (checkpoints_.size() > kMostCheckpoints) checkpoints_.erase(checkpoints_.begin());
}

bool SequenceMemory::forget_checkpoints() {
  const bool any = !checkpoints_.empty();
  checkpoints_.clear();
  return any;
}

SequenceMemory::Rows SequenceMemory::attention(int64_t layer) const {
  Rows rows = shape_.layout_->attention[static_cast<size_t>(layer)];
  check(rows.heads > 0, "SequenceMemory: a layer without keys and values");
  rows.blocks_ = groups_[rows.group_].blocks.data();
  return rows;
}

SequenceMemory::Rows SequenceMemory::indexer(int64_t layer) const {
  Rows rows = shape_.layout_->indexers[static_cast<size_t>(layer)];
  check(rows.heads > 0, "SequenceMemory: a layer without an indexer");
  rows.blocks_ = groups_[rows.group_].blocks.data();
  return rows;
}

const float* SequenceMemory::state(int64_t layer) const {
  return state_ ? reinterpret_cast<const float*>(state_.get() + shape_.layout_->states[static_cast<size_t>(layer)])
                : nullptr;
}

float* SequenceMemory::next_state(int64_t layer) {
  check(next_state_ && shape_.layer(layer).state, "SequenceMemory: a layer without a state");
  return reinterpret_cast<float*>(next_state_.get() + shape_.layout_->states[static_cast<size_t>(layer)]);
}

void SequenceMemory::Rows::write(int64_t head, int64_t position, int64_t rows, const float* k, const float* v,
                                 int64_t stride) const {
  check((v == nullptr) == values_in_keys, "SequenceMemory: values come with keys or within them");
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t block = (position + r) / kBlock, slot = (position + r) % kBlock;
    void* keys_at = keys(block, head);
    void* values_at = values(block, head);
    const float* v_row = v ? v + r * stride : nullptr;
    if (dtype == DType::bf16)
      write_row(static_cast<uint16_t*>(keys_at), static_cast<uint16_t*>(values_at), slot, width, k + r * stride, v_row);
    else
      write_row(static_cast<float*>(keys_at), static_cast<float*>(values_at), slot, width, k + r * stride, v_row);
  }
}

}  // namespace glassbox
