#include "train/trainable.h"

#include <cstddef>
#include <utility>

#include "base/error.h"
#include "formats/safetensors.h"

namespace glassbox {
namespace {

Tensor copied(const Tensor& t) {
  if (!t) return t;
  const auto* bytes = t.data<std::byte>();
  auto memory = std::make_shared<std::vector<std::byte>>(bytes, bytes + t.bytes());
  const void* data = memory->data();
  return Tensor(t.shape(), t.dtype(), std::move(memory), data);
}

}  // namespace

void Trainable::take(Parameters& parameters) {
  sets_.push_back(&parameters);
  for (Parameter& parameter : parameters.all()) tensors_.push_back(&parameter);
}

void Trainable::open(Parameters& parameters) {
  check(sets_.empty(), "Trainable: a model is opened once, and before it is adapted");
  opened_ = &parameters;
  take(parameters);
}

void Trainable::adapt(AdapterConfig config, uint64_t seed, Workspace& workspace) {
  check(!adapted_, "Trainable: one adapter at a time");
  publish(workspace.pool);  // a magnitude begins as the norm of the weights that passes read
  auto adapted = std::make_unique<Adapted>(std::move(config), Parameters(DType::f32, seed));
  adapted->adapter =
      make_adapter(adapted->config, model_.adaptable_weights(workspace), adapted->parameters, seed, workspace);
  adapted_ = std::move(adapted);
  take(adapted_->parameters);
}

std::shared_ptr<const Adapter> Trainable::snapshot() const {
  if (!adapted_) return nullptr;
  auto copy = std::make_shared<Adapter>();
  for (const auto& [path, change] : adapted_->adapter->changes())
    copy->add(path, {copied(change.a), copied(change.b), change.scale, copied(change.magnitude), copied(change.norms)});
  return copy;
}

int64_t Trainable::count() const {
  int64_t sum = 0;
  for (const Parameters* set : sets_) sum += set->count();
  return sum;
}

void Trainable::publish(ThreadPool& pool) {
  for (Parameters* set : sets_) set->publish(pool);
}

void Trainable::clear_gradients(ThreadPool& pool) {
  for (Parameters* set : sets_) set->clear_gradients(pool);
}

void Trainable::save(const std::filesystem::path& folder) const {
  std::filesystem::create_directories(folder);
  if (opened_) write_safetensors(folder / "model.safetensors", opened_->tensors(), {{"format", "pt"}});
  if (adapted_) save_adapter(opened_ ? folder / "adapter" : folder, adapted_->config, adapted_->parameters);
}

}  // namespace glassbox
