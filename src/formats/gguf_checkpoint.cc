#include "formats/gguf_checkpoint.h"

#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "formats/gguf_config.h"
#include "formats/quote.h"

namespace glassbox {
namespace {

struct Part {
  const TensorInfo* whole;  // in the GGUF file
  GgufChange change;
  int64_t expert;
};

bool is_weight_of_nothing(std::string_view name) { return name == "rope_freqs.weight"; }  // config() says it

void move_rows(std::span<const std::byte> from, std::span<std::byte> to, int64_t rows, int64_t heads, bool interleave) {
  const int64_t head = rows / heads, half = head / 2;
  const size_t size = from.size() / static_cast<size_t>(rows);
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t side = 0; side < 2; ++side)
      for (int64_t i = 0; i < half; ++i) {
        const auto separate = static_cast<size_t>(h * head + side * half + i);
        const auto interleaved = static_cast<size_t>(h * head + 2 * i + side);
        std::memcpy(to.data() + (interleave ? interleaved : separate) * size,
                    from.data() + (interleave ? separate : interleaved) * size, size);
      }
}

}  // namespace

void interleave_halves(std::span<const std::byte> from, std::span<std::byte> to, int64_t rows, int64_t heads) {
  move_rows(from, to, rows, heads, true);
}
void separate_halves(std::span<const std::byte> from, std::span<std::byte> to, int64_t rows, int64_t heads) {
  move_rows(from, to, rows, heads, false);
}

struct GgufCheckpoint::State {
  explicit State(Gguf f) : file(std::move(f)), family(&gguf_family(file)), config(gguf_config(file)) {}
  Gguf file;
  const GgufFamily* family;
  Json config;
  std::vector<TensorInfo> tensors;
  std::vector<Part> parts;  // beside them
  std::unordered_map<std::string_view, size_t> index;

  int64_t heads(GgufChange change) const {
    return config[change == GgufChange::rotary_q ? "num_attention_heads" : "num_key_value_heads"].get<int64_t>();
  }
  void add(const TensorInfo& whole);
};

void GgufCheckpoint::State::add(const TensorInfo& whole) {
  const auto place = checkpoint_place(*family, whole.name);
  if (!place)
    fail(ErrorKind::unsupported, "{}: tensor {} is no part of architecture {}", file.source(), quote(whole.name),
         family->architecture);
  const GgufChange change = place->rule->change;
  if (change == GgufChange::expert) {
    if (whole.shape.size() < 2)
      fail(ErrorKind::bad_file, "{}: tensor {}: expected a stack of experts, got shape [{}]", file.source(),
           quote(whole.name), fmt::join(whole.shape, ", "));
    const auto experts = static_cast<uint64_t>(whole.shape[0]);
    for (uint64_t e = 0; e < experts; ++e) {
      tensors.push_back({checkpoint_place(*family, whole.name, static_cast<int64_t>(e))->name,
                         whole.dtype,
                         {whole.shape.begin() + 1, whole.shape.end()},
                         whole.offset + whole.bytes / experts * e,
                         whole.bytes / experts});
      parts.push_back({&whole, change, static_cast<int64_t>(e)});
    }
    return;
  }
  if (change == GgufChange::plus_one && whole.dtype != DType::f32)
    fail(ErrorKind::unsupported, "{}: tensor {}: expected a norm in F32, got {}", file.source(), quote(whole.name),
         info(whole.dtype).name);
  if (change == GgufChange::rotary_q || change == GgufChange::rotary_k) {
    const int64_t unit = 2 * heads(change);
    if (unit <= 0 || whole.shape[0] % unit != 0)
      fail(ErrorKind::bad_file, "{}: tensor {}: expected a multiple of {} rows (two halves of each head), got {}",
           file.source(), quote(whole.name), unit, whole.shape[0]);
  }
  tensors.push_back({place->name, whole.dtype, whole.shape, whole.offset, whole.bytes});
  parts.push_back({&whole, change, -1});
}

GgufCheckpoint::GgufCheckpoint(Gguf file) {
  auto state = std::make_shared<State>(std::move(file));
  for (const TensorInfo& whole : state->file.tensors())
    if (!is_weight_of_nothing(whole.name)) state->add(whole);
  for (size_t i = 0; i < state->tensors.size(); ++i) state->index.emplace(state->tensors[i].name, i);
  state_ = std::move(state);
}

bool GgufCheckpoint::has(std::string_view name) const { return state_->index.contains(name); }

std::optional<RawTensor> GgufCheckpoint::find(std::string_view name) const {
  const auto found = state_->index.find(name);
  if (found == state_->index.end()) return std::nullopt;
  const TensorInfo& tensor = state_->tensors[found->second];
  const Part& part = state_->parts[found->second];
  const RawTensor whole = *state_->file.tensor(part.whole->name);
  RawTensor raw{tensor.name, tensor.dtype, tensor.shape,
                whole.bytes.subspan(tensor.offset - part.whole->offset, tensor.bytes), state_};
  if (part.change == GgufChange::none || part.change == GgufChange::expert) return raw;

  struct Copy {
    std::shared_ptr<const State> state;  // the name
    std::unique_ptr<std::byte[]> bytes;
  };
  auto copy = std::make_shared<Copy>();
  copy->state = state_;
  copy->bytes.reset(new std::byte[tensor.bytes]);
  const std::span<std::byte> to(copy->bytes.get(), tensor.bytes);
  if (part.change == GgufChange::plus_one) {
    for (size_t i = 0; i < to.size(); i += sizeof(float)) {
      float value;
      std::memcpy(&value, raw.bytes.data() + i, sizeof(float));
      value -= 1;
      std::memcpy(to.data() + i, &value, sizeof(float));
    }
  } else {
    separate_halves(raw.bytes, to, tensor.shape[0], state_->heads(part.change));
  }
  state_->file.release(raw.bytes);
  raw.bytes = to;
  raw.owner = std::move(copy);
  return raw;
}

const std::vector<TensorInfo>& GgufCheckpoint::tensors() const { return state_->tensors; }
const Json& GgufCheckpoint::config() const { return state_->config; }
const GgufFamily& GgufCheckpoint::family() const { return *state_->family; }
const Gguf& GgufCheckpoint::file() const { return state_->file; }

}  // namespace glassbox
