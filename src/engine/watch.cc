#include "engine/watch.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "tensor/pass.h"

namespace glassbox {

Watcher::Watcher(const Watch& watch) : taps_(std::make_unique<Taps>()), max_bytes_(watch.max_bytes) {
  for (const std::string& place : watch.places)
    taps_->listen(place, [this](const Place& at, const Tensor& value) {
      hear(at, value);
      return std::nullopt;
    });
}

Watcher::~Watcher() = default;

void Watcher::hear(const Place& place, const Tensor& value) {
  if (!places_heard_.emplace(place.name).second) return;
  const auto rows = static_cast<int64_t>(place.positions.size());
  const auto first = std::ranges::lower_bound(place.positions, length_) - place.positions.begin();
  if (first == rows) return;
  const int64_t row = value.shape().elements() / rows;
  const int64_t bytes = (rows - first) * row * static_cast<int64_t>(sizeof(float));
  if (bytes_ + heard_bytes_ + bytes > max_bytes_) {
    heard_dropped_ += bytes;
    return;
  }
  heard_bytes_ += bytes;
  WatchedValue heard{std::string(place.name), {place.positions.begin() + first, place.positions.end()}, {}, {}};
  heard.shape.assign(value.shape().sizes().begin(), value.shape().sizes().end());
  heard.shape[0] = rows - first;
  heard.numbers.assign(value.f32() + first * row, value.f32() + rows * row);
  heard_.push_back(std::move(heard));
}

void Watcher::begin_pass() {
  heard_.clear();
  places_heard_.clear();
  heard_bytes_ = heard_dropped_ = 0;
}

void Watcher::end_pass(int64_t length) {
  for (WatchedValue& heard : heard_) {
    const auto goes_on = [&](const WatchedValue& known) {
      return known.place == heard.place &&
             std::ranges::equal(known.shape.begin() + 1, known.shape.end(), heard.shape.begin() + 1, heard.shape.end());
    };
    const auto known = std::ranges::find_if(evidence_.values, goes_on);
    if (known == evidence_.values.end()) {
      evidence_.values.push_back(std::move(heard));
      continue;
    }
    known->shape[0] += heard.shape[0];
    known->positions.insert(known->positions.end(), heard.positions.begin(), heard.positions.end());
    known->numbers.insert(known->numbers.end(), heard.numbers.begin(), heard.numbers.end());
  }
  bytes_ += heard_bytes_;
  evidence_.dropped_bytes += heard_dropped_;
  length_ = std::max(length_, length);
  begin_pass();
}

Evidence Watcher::take() {
  evidence_.unheard = taps_->unheard();
  return std::move(evidence_);
}

}  // namespace glassbox
