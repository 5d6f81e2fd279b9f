#include "train/trainer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/safetensors.h"
#include "tensor/machine.h"

namespace glassbox {
namespace {

// Examples in order, cut into parts of at most `most` tokens; a longer example is a part of its own.
std::vector<std::span<const Example>> parts_of(std::span<const Example> examples, int64_t most) {
  std::vector<std::span<const Example>> parts;
  size_t begin = 0;
  int64_t tokens = 0;
  for (size_t i = 0; i < examples.size(); ++i) {
    const int64_t length = tokens_of(examples[i]);
    if (i > begin && tokens + length > most) {
      parts.push_back(examples.subspan(begin, i - begin));
      begin = i;
      tokens = 0;
    }
    tokens += length;
  }
  if (begin < examples.size()) parts.push_back(examples.subspan(begin));
  return parts;
}

// All that an update leaves behind: masters, and what the optimizer keeps.
std::vector<StateTensor> state_of(const Trainable& trainable, Optimizer& optimizer) {
  std::vector<StateTensor> list;
  for (Parameter* tensor : trainable.tensors())
    list.push_back(
        {"master." + tensor->name, DType::f32, tensor->shape, std::as_writable_bytes(std::span(tensor->master))});
  for (StateTensor& state : optimizer.state()) list.push_back(std::move(state));
  return list;
}

}  // namespace

Trainer::Trainer(Trainable& trainable, const Objective& objective, Optimizer& optimizer, const TrainerOptions& options,
                 Workspace& workspace)
    : trainable_(trainable), objective_(objective), optimizer_(optimizer), options_(options), workspace_(workspace) {
  trainable_.publish(workspace.pool);
}

Trainer::Step Trainer::step(std::span<const Example> batch, Metrics* metrics) {
  const FlushDenormals flush;
  const auto parts = parts_of(batch, options_.micro_batch_tokens);
  double weight = 0;
  for (const auto part : parts) weight += objective_.weight(part);
  trainable_.clear_gradients(workspace_.pool);
  Step result{done_ + 1, 0, 0, 0, options_.schedule.at(done_)};
  for (const auto part : parts) {
    for (const Example& example : part) result.tokens += tokens_of(example);
    if (objective_.weight(part) == 0) continue;
    Pass pass(workspace_, {nullptr, true});
    const Tensor loss = objective_.loss(trainable_.policy(), part, weight, pass, metrics);
    result.loss += loss.f32()[0];
    pass.backward(loss);
  }
  if (!std::isfinite(result.loss))
    fail(ErrorKind::bad_request, "step {}: the loss is {}: a lower learning rate, or a lower clip, may help",
         result.step, result.loss);
  result.norm = gradient_norm(trainable_.tensors(), workspace_.pool);
  if (!std::isfinite(result.norm))
    fail(ErrorKind::bad_request, "step {}: the gradients' norm is {}: a lower learning rate, or a lower clip, may help",
         result.step, result.norm);
  optimizer_.update({result.step, result.rate, clip_scale(result.norm, options_.clip)}, workspace_.pool);
  trainable_.publish(workspace_.pool);
  ++done_;
  return result;
}

Trainer::Evaluation Trainer::evaluate(const Corpus& held_out) const {
  const FlushDenormals flush;
  std::vector<Example> examples;
  for (size_t i = 0; i < held_out.size(); ++i) examples.push_back(held_out[i]);
  Evaluation result;
  double weight = 0;
  for (const auto part : parts_of(examples, options_.micro_batch_tokens)) {
    const double counts = objective_.weight(part);
    if (counts == 0) continue;
    Pass pass(workspace_);
    result.loss += objective_.loss(trainable_.policy(), part, 1, pass, &result.metrics).f32()[0];
    weight += counts;
  }
  if (weight > 0) result.loss /= weight;
  return result;
}

void Trainer::save(const std::filesystem::path& file, const Json& notes) const {
  const std::vector<StateTensor> all = state_of(trainable_, optimizer_);
  std::vector<RawTensor> saved;
  for (const StateTensor& state : all)
    saved.push_back(
        {state.name, state.dtype, {state.shape.sizes().begin(), state.shape.sizes().end()}, state.bytes, nullptr});
  write_safetensors(file, saved,
                    {{"format", "glassbox training checkpoint 1"},
                     {"step", std::to_string(done_)},
                     {"kernels", std::string(kernel_set())},
                     {"notes", dump_json(notes)}});
}

Json Trainer::load(const std::filesystem::path& file) {
  const SafeTensors saved = SafeTensors::open(file);
  const auto metadata = [&](const char* key) -> const std::string& {
    const auto found = saved.metadata().find(key);
    if (found == saved.metadata().end())
      fail(ErrorKind::bad_file, "{}: expected \"{}\" in its metadata, there is none", file.string(), key);
    return found->second;
  };
  if (metadata("format") != "glassbox training checkpoint 1")
    fail(ErrorKind::bad_file, "{}: expected a glassbox training checkpoint 1, got \"{}\"", file.string(),
         metadata("format"));
  int64_t step = -1;
  const std::string& digits = metadata("step");
  if (std::from_chars(digits.data(), digits.data() + digits.size(), step).ptr != digits.data() + digits.size() ||
      step < 0)
    fail(ErrorKind::bad_file, "{}: expected a step, got \"{}\"", file.string(), digits);
  const Json notes = parse_json(metadata("notes"), file.string());
  const std::vector<StateTensor> all = state_of(trainable_, optimizer_);
  if (saved.tensors().size() != all.size())
    fail(ErrorKind::bad_file, "{}: expected {} tensors, got {}", file.string(), all.size(), saved.tensors().size());
  // All are checked before any is taken.
  std::vector<RawTensor> found;
  for (const StateTensor& state : all) {
    const auto tensor = saved.find(state.name);
    if (!tensor || tensor->dtype != state.dtype || !std::ranges::equal(tensor->shape, state.shape.sizes()))
      fail(ErrorKind::bad_file, "{}: expected a tensor {} of {} {}, there is none", file.string(), state.name,
           info(state.dtype).name, state.shape.text());
    found.push_back(*tensor);
  }
  for (size_t i = 0; i < all.size(); ++i) std::ranges::copy(found[i].bytes, all[i].bytes.begin());
  done_ = step;
  trainable_.publish(workspace_.pool);
  return notes;
}

}  // namespace glassbox
