#include "train/trainer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/safetensors.h"
#include "tensor/machine.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

// Documents side by side, with the loss of each token that has a weight.
struct MicroBatch {
  std::vector<Corpus::Document> documents;
  std::vector<std::vector<uint8_t>> wanted;  // tokens whose next one counts
  std::vector<int32_t> targets;
  std::vector<float> weights;
  std::vector<uint8_t> loss_mask;
  int64_t tokens = 0;

  void add(const Corpus::Document& document, const TrainerOptions& options) {
    const size_t count = document.tokens.size();
    std::vector<uint8_t> marks(count, 0);
    for (size_t i = 0; i + 1 < count; ++i) {
      const double weight = document.loss_mask[i + 1] ? options.assistant_weight : options.other_weight;
      if (weight == 0) continue;
      marks[i] = 1;
      targets.push_back(document.tokens[i + 1]);
      weights.push_back(static_cast<float>(weight));
      loss_mask.push_back(document.loss_mask[i + 1]);
    }
    documents.push_back(document);
    wanted.push_back(std::move(marks));
    tokens += static_cast<int64_t>(count);
  }

  double weight() const {
    double sum = 0;
    for (const float w : weights) sum += w;
    return sum;
  }

  void enter(Pass& pass, const Policy& policy) const {
    for (size_t i = 0; i < documents.size(); ++i) policy.enter(pass, documents[i].tokens, wanted[i]);
  }
};

template <class DocumentOf>
std::vector<MicroBatch> micro_batches(size_t count, const DocumentOf& document, const TrainerOptions& options) {
  std::vector<MicroBatch> list;
  for (size_t i = 0; i < count; ++i) {
    const Corpus::Document next = document(i);
    const auto length = static_cast<int64_t>(next.tokens.size());
    if (list.empty() || list.back().tokens + length > options.micro_batch_tokens) list.emplace_back();
    list.back().add(next, options);
  }
  return list;
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

Trainer::Trainer(Trainable& trainable, Optimizer& optimizer, const Corpus& corpus, const TrainerOptions& options,
                 Workspace& workspace)
    : trainable_(trainable),
      optimizer_(optimizer),
      corpus_(corpus),
      options_(options),
      workspace_(workspace),
      batches_(corpus, options.seed, options.batch_tokens) {
  trainable_.publish(workspace.pool);
}

Trainer::Step Trainer::step() {
  const FlushDenormals flush;
  const auto documents = batches_.documents(done_);
  auto batch = micro_batches(documents.size(), [&](size_t i) { return corpus_[documents[i]]; }, options_);
  double weight = 0;
  for (const MicroBatch& micro : batch) weight += micro.weight();
  trainable_.clear_gradients(workspace_.pool);
  const Policy policy = trainable_.policy();
  Step result{done_ + 1, 0, 0, 0, options_.schedule.at(done_)};
  for (MicroBatch& micro : batch) {
    result.tokens += micro.tokens;
    if (micro.weights.empty()) continue;
    // Of the whole batch's weight, so that a token counts the same wherever the batch was cut.
    for (float& w : micro.weights) w = static_cast<float>(w / weight);
    Pass pass(workspace_, {nullptr, true});
    micro.enter(pass, policy);
    const Tensor loss = cross_entropy(policy(pass), micro.targets, micro.weights);
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
  const Policy policy = trainable_.policy();
  Evaluation sum;
  double weight = 0, right = 0;
  for (const MicroBatch& micro : micro_batches(held_out.size(), [&](size_t i) { return held_out[i]; }, options_)) {
    if (micro.weights.empty()) continue;
    Pass pass(workspace_);
    micro.enter(pass, policy);
    const Tensor logits = policy(pass);
    sum.loss += cross_entropy(logits, micro.targets, micro.weights).f32()[0];
    weight += micro.weight();
    std::vector<uint8_t> hit(micro.targets.size());
    workspace_.pool.parallel_ranges(logits.rows(), 16, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const float* first = logits.f32() + row * logits.width();
        hit[static_cast<size_t>(row)] =
            std::max_element(first, first + logits.width()) - first == micro.targets[static_cast<size_t>(row)];
      }
    });
    for (size_t i = 0; i < hit.size(); ++i) {
      sum.assistant_tokens += micro.loss_mask[i];
      right += micro.loss_mask[i] && hit[i];
    }
  }
  if (weight > 0) sum.loss /= weight;
  if (sum.assistant_tokens > 0) sum.accuracy = right / static_cast<double>(sum.assistant_tokens);
  return sum;
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
