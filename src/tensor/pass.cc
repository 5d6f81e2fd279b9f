#include "tensor/pass.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"

namespace glassbox {

bool glob_matches(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || (pattern[p] == name[n] && pattern[p] != '*'))) {
      ++p, ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

void Taps::listen(std::string pattern, Listener listener) {
  taps_.push_back({std::move(pattern), std::move(listener)});
}

bool Taps::wants(std::string_view name) const {
  for (const Tap& tap : taps_)
    if (glob_matches(tap.pattern, name)) return true;
  return false;
}

Tensor Taps::offer(const Place& place, const Tensor& value) const {
  Tensor current = value;
  for (const Tap& tap : taps_) {
    if (!glob_matches(tap.pattern, place.name)) continue;
    tap.heard = true;
    if (auto replacement = tap.listener(place, current)) {
      check(replacement->shape() == value.shape() && replacement->dtype() == value.dtype(),
            "Taps: a replacement must have the shape and dtype of what it replaces");
      current = *replacement;
    }
  }
  return current;
}

std::vector<std::string> Taps::unheard() const {
  std::vector<std::string> patterns;
  for (const Tap& tap : taps_)
    if (!tap.heard) patterns.push_back(tap.pattern);
  return patterns;
}

void Pass::add(std::span<const int32_t> tokens, SequenceMemory* memory, Logits logits, const Adapter* adapter,
               const Taps* taps) {
  std::vector<uint8_t> wanted(tokens.size(), logits == Logits::all);
  if (logits == Logits::last && !wanted.empty()) wanted.back() = 1;
  add(tokens, memory, wanted, adapter, taps);
}

void Pass::add(std::span<const int32_t> tokens, SequenceMemory* memory, std::span<const uint8_t> wanted,
               const Adapter* adapter, const Taps* taps) {
  check(!memory_open_, "Pass: add() after the pass was walked");
  check(wanted.size() == tokens.size(), "Pass: expected a mark for each token");
  const auto begin = static_cast<int64_t>(tokens_.size());
  const auto count = static_cast<int64_t>(tokens.size());
  const int64_t position = memory ? memory->length() : 0;
  if (count == 0) return;
  for (const Run& run : runs_) check(!memory || run.memory != memory, "Pass: one run of a sequence at a time");
  runs_.push_back({begin, begin + count, position, memory, adapter, taps ? taps : options_.taps});
  adapts_ |= adapter != nullptr;
  listens_ |= runs_.back().taps != nullptr;
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  for (int64_t i = 0; i < count; ++i) {
    positions_.push_back(static_cast<int32_t>(position + i));
    if (wanted[static_cast<size_t>(i)]) logit_rows_.push_back(static_cast<int32_t>(begin + i));
  }
}

Tensor Pass::empty(Shape shape, DType dtype) {
  const auto bytes = tensor_bytes(dtype, shape.sizes());
  check(bytes.has_value(), "Pass: an intermediate of no size");
  std::shared_ptr<void> memory = workspace_.arena.allocate(*bytes);
  void* data = memory.get();
  Tensor tensor(shape, dtype, std::move(memory), data);
  tensor.pass_ = this;
  return tensor;
}

Tensor Pass::angles(const Rotary& rotary) {
  for (const auto& [known, angles] : angles_)
    if (known == rotary) return angles;
  const auto tokens = static_cast<int64_t>(tokens_.size()), n = static_cast<int64_t>(rotary.frequencies.size());
  const Tensor angles = empty({tokens, 2, n});
  pool().parallel_ranges(tokens, 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* cosine = mutable_f32(angles) + t * 2 * n;
      const auto position = static_cast<float>(positions_[static_cast<size_t>(t)]);
      for (int64_t i = 0; i < n; ++i) {
        const double angle = position * rotary.frequencies[static_cast<size_t>(i)];
        cosine[i] = static_cast<float>(std::cos(angle)) * rotary.scale;
        cosine[n + i] = static_cast<float>(std::sin(angle)) * rotary.scale;
      }
    }
  });
  return angles_.emplace_back(rotary, angles).second;
}

void Pass::open_memory(const MemoryShape& shape) {
  if (memory_open_) return;
  memory_open_ = true;
  for (Run& run : runs_) {
    if (!run.memory) run.memory = &own_memories_.emplace_back(shape);
    run.memory->resize(run.position + run.end - run.begin);
  }
}

bool Pass::listens_around(std::string_view path) const {
  if (!listens_) return false;
  const std::string in = std::string(path) + ".in", out = std::string(path) + ".out";
  return std::ranges::any_of(runs_,
                             [&](const Run& run) { return run.taps && (run.taps->wants(in) || run.taps->wants(out)); });
}

Tensor Pass::offer(const Tensor& value, std::string_view name) {
  if (!listens_) return value;
  if (value.shape()[0] != static_cast<int64_t>(tokens_.size())) return offer(value, name, logit_rows_);
  std::vector<int32_t> tokens(tokens_.size());
  std::iota(tokens.begin(), tokens.end(), 0);
  return offer(value, name, tokens);
}

Tensor Pass::offer(const Tensor& value, std::string_view name, std::span<const int32_t> tokens) {
  if (!listens_ || tokens.empty()) return value;
  check(value.shape()[0] == static_cast<int64_t>(tokens.size()), "Pass: expected a row for each token that is offered");
  const std::string path = std::string(here_) + std::string(name);
  const size_t row_bytes = value.bytes() / tokens.size();
  Tensor result = value;
  for (const Run& run : runs_) {
    if (!run.taps || !run.taps->wants(path)) continue;
    const auto first = std::ranges::lower_bound(tokens, run.begin), last = std::ranges::lower_bound(tokens, run.end);
    if (first == last) continue;
    const bool whole = last - first == static_cast<std::ptrdiff_t>(tokens.size());
    const size_t begin = static_cast<size_t>(first - tokens.begin()) * row_bytes;
    std::vector<int32_t> positions;
    for (auto token = first; token != last; ++token) positions.push_back(positions_[static_cast<size_t>(*token)]);
    Tensor own = value;
    if (!whole) {
      std::vector<int64_t> sizes(value.shape().sizes().begin(), value.shape().sizes().end());
      sizes[0] = last - first;
      own =
          Tensor(Shape(std::span<const int64_t>(sizes)), value.dtype(), value.memory_, value.data<std::byte>() + begin);
      own.pass_ = this;
    }
    const Tensor offered = run.taps->offer({path, positions}, own);
    if (offered.data_ == own.data_) continue;
    if (whole) {
      result = offered;
      break;
    }
    check(!value.gradient(), "Pass: a tap puts rows in a value that a tape follows");
    if (result.data_ == value.data_) {
      result = empty(value.shape(), value.dtype());
      std::memcpy(const_cast<void*>(result.data_), value.data_, value.bytes());
    }
    std::memcpy(static_cast<std::byte*>(const_cast<void*>(result.data_)) + begin, offered.data_, own.bytes());
  }
  result.pass_ = this;
  return result;
}

Tensor Pass::offer_to(const Run& run, const Tensor& value, std::string_view name) {
  const auto begin = static_cast<size_t>(run.begin), count = static_cast<size_t>(run.end - run.begin);
  const std::string path = std::string(here_) + std::string(name);
  Tensor offered = run.taps->offer({path, std::span(positions_).subspan(begin, count)}, value);
  offered.pass_ = this;
  return offered;
}

}  // namespace glassbox
