#include "formats/gguf_checkpoint.h"

#include <cstring>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/quote.h"
#include "formats/gguf_config.h"
#include "formats/gguf_names.h"
#include "tensor/blocks.h"
#include "tensor/numbers.h"

namespace glassbox {
namespace {

struct Part {
  const TensorInfo* whole;  // in the GGUF file
  GgufChange change;
  int64_t expert;
  const TensorInfo* other = nullptr;  // up beside gate, values beside keys
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

bool is_first(GgufChange change) {
  return change == GgufChange::gate_half || change == GgufChange::gate_interleaved || change == GgufChange::gate_bias ||
         change == GgufChange::key_part;
}
bool is_second(GgufChange change) {
  return change == GgufChange::up_half || change == GgufChange::up_interleaved || change == GgufChange::up_bias ||
         change == GgufChange::value_part;
}

// A tensor of its own, and who keeps its name.
struct Copy {
  std::shared_ptr<const void> state;
  std::unique_ptr<std::byte[]> bytes;
};

// Pieces of `size` bytes for each of `groups`: `counts[0]` of the first and `counts[1]` of the second, one after the
// other or in turn.
void join(std::span<const std::byte> first, std::span<const std::byte> second, std::byte* to, int64_t groups,
          const int64_t (&counts)[2], bool in_turn) {
  const size_t size = (first.size() + second.size()) / static_cast<size_t>(groups * (counts[0] + counts[1]));
  const std::byte *a = first.data(), *b = second.data();
  const auto take = [&](const std::byte*& from, int64_t count) {
    const size_t bytes = size * static_cast<size_t>(count);
    std::memcpy(to, from, bytes);
    to += bytes;
    from += bytes;
  };
  for (int64_t g = 0; g < groups; ++g) {
    if (!in_turn) {
      take(a, counts[0]);
      take(b, counts[1]);
      continue;
    }
    for (int64_t i = 0; i < counts[0]; ++i) {
      take(a, 1);
      take(b, 1);
    }
  }
}

// [H, C, N] and [H, V, C] of numbers of `size` bytes as [H (N + V), C].
void join_latent(const std::byte* keys, const std::byte* values, std::byte* to, int64_t heads, int64_t n, int64_t v,
                 int64_t c, size_t size) {
  const auto times = [&](int64_t count) { return static_cast<size_t>(count) * size; };
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t k = 0; k < c; ++k) std::memcpy(to + times(i * c + k), keys + times(k * n + i), size);
    std::memcpy(to + times(n * c), values, times(v * c));
    to += times((n + v) * c);
    keys += times(c * n);
    values += times(v * c);
  }
}

// Numbers of any type as float32, or rounded to bf16.
std::vector<std::byte> widened(const TensorInfo& tensor, std::span<const std::byte> bytes, DType to) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  to_float(tensor.dtype, bytes.data(), values.data(), tensor.elements());
  std::vector<std::byte> result(values.size() * info(to).bytes);
  from_float(to, values, result.data());
  return result;
}

bool is_plain(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

}  // namespace

void interleave_halves(std::span<const std::byte> from, std::span<std::byte> to, int64_t rows, int64_t heads) {
  move_rows(from, to, rows, heads, true);
}
void separate_halves(std::span<const std::byte> from, std::span<std::byte> to, int64_t rows, int64_t heads) {
  move_rows(from, to, rows, heads, false);
}

struct GgufCheckpoint::State : std::enable_shared_from_this<State> {
  State(Gguf f, const FamilyFormat& of) : file(std::move(f)), family(&of), config(gguf_config(file, of)) {}
  Gguf file;
  const FamilyFormat* family;
  Json config;
  std::vector<TensorInfo> tensors;
  std::vector<Part> parts;  // beside them
  std::unordered_map<std::string_view, size_t> index;
  std::map<std::string, Part> halves;  // the first seen of each pair

  // Of the text, where a model is more.
  int64_t number(const char* key) const {
    const Json& text = family->text ? config["text_config"] : config;
    const auto found = text.find(key);
    if (found == text.end() || !found->is_number_integer())
      fail(ErrorKind::bad_file, "{}: expected a number for {}, found none", file.source(), key);
    return found->get<int64_t>();
  }
  int64_t heads(GgufChange change) const {
    return number(change == GgufChange::rotary_q ? "num_attention_heads" : "num_key_value_heads");
  }
  void add(const TensorInfo& whole);
  void add_pair(const std::string& name, const TensorInfo& first, const TensorInfo& second, GgufChange change);
  RawTensor raw(const TensorInfo& whole) const { return *file.tensor(whole.name); }
  RawTensor own(const TensorInfo& tensor, size_t bytes, std::byte*& to) const;
  RawTensor pair(const TensorInfo& tensor, const Part& part, bool exact) const;
  RawTensor norm(const TensorInfo& tensor, const Part& part) const;
};

void GgufCheckpoint::State::add_pair(const std::string& name, const TensorInfo& first, const TensorInfo& second,
                                     GgufChange change) {
  const auto demand = [&](bool holds, std::string_view expected) {
    if (!holds)
      fail(ErrorKind::bad_file, "{}: tensors {} [{}] and {} [{}]: expected {}", file.source(), quote(first.name),
           fmt::join(first.shape, ", "), quote(second.name), fmt::join(second.shape, ", "), expected);
  };
  TensorInfo made{name, first.dtype, first.shape, std::min(first.offset, second.offset), first.bytes + second.bytes};
  if (change == GgufChange::key_part) {
    const int64_t rows = number("qk_nope_head_dim") + number("v_head_dim"), c = number("kv_lora_rank"),
                  heads = number("num_attention_heads");
    demand(first.shape == std::vector<int64_t>{heads, c, number("qk_nope_head_dim")} &&
               second.shape == std::vector<int64_t>{heads, number("v_head_dim"), c},
           "keys and values of latent attention");
    made.shape = {heads * rows, c};
    if (first.dtype != second.dtype || !is_plain(first.dtype)) made.dtype = DType::bf16;
    made.bytes = *tensor_bytes(made.dtype, made.shape);
  } else {
    demand(first.shape == second.shape && first.shape.size() == (change == GgufChange::gate_bias ? 2u : 3u),
           "gate and up of one shape");
    if (first.dtype != second.dtype)
      fail(ErrorKind::unsupported, "{}: tensors {} and {}: expected one type, got {} and {}", file.source(),
           quote(first.name), quote(second.name), info(first.dtype).name, info(second.dtype).name);
    made.shape[1] *= 2;
  }
  tensors.push_back(std::move(made));
  parts.push_back({&first, change, -1, &second});
}

void GgufCheckpoint::State::add(const TensorInfo& whole) {
  const auto place = checkpoint_place(*family, whole.name);
  if (!place)
    fail(ErrorKind::unsupported, "{}: tensor {} is no part of architecture {}", file.source(), quote(whole.name),
         family->gguf.architecture);
  const GgufChange change = place->rule->change;
  if (is_first(change) || is_second(change)) {
    const auto [seen, fresh] = halves.try_emplace(place->name, Part{&whole, change, -1});
    if (fresh) return;
    const TensorInfo& before = *seen->second.whole;
    if (is_first(change))
      add_pair(place->name, whole, before, change);
    else
      add_pair(place->name, before, whole, seen->second.change);
    halves.erase(seen);
    return;
  }
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

GgufCheckpoint::GgufCheckpoint(Gguf file, const FamilyFormat& family) {
  auto state = std::make_shared<State>(std::move(file), family);
  for (const TensorInfo& whole : state->file.tensors())
    if (!is_weight_of_nothing(whole.name)) state->add(whole);
  for (const auto& [name, half] : state->halves)
    fail(ErrorKind::bad_file, "{}: tensor {}: expected its other half, found none", state->file.source(),
         quote(half.whole->name));
  for (size_t i = 0; i < state->tensors.size(); ++i)
    if (!state->index.emplace(state->tensors[i].name, i).second)
      fail(ErrorKind::bad_file, "{}: tensor {}: two of the file's tensors say what it is", state->file.source(),
           quote(state->tensors[i].name));
  state_ = std::move(state);
}

bool GgufCheckpoint::has(std::string_view name) const { return state_->index.contains(name); }

bool GgufCheckpoint::is_transposed(std::string_view name) const {
  const auto found = state_->index.find(name);
  if (found == state_->index.end()) return false;
  const GgufChange change = state_->parts[found->second].change;
  return change == GgufChange::stacked || change == GgufChange::gate_half || change == GgufChange::gate_interleaved;
}

RawTensor GgufCheckpoint::State::own(const TensorInfo& tensor, size_t bytes, std::byte*& to) const {
  auto copy = std::make_shared<Copy>();
  copy->state = shared_from_this();
  copy->bytes.reset(new std::byte[bytes]);
  to = copy->bytes.get();
  return {tensor.name, tensor.dtype, tensor.shape, {to, bytes}, std::move(copy)};
}

RawTensor GgufCheckpoint::State::pair(const TensorInfo& tensor, const Part& part, bool exact) const {
  const RawTensor first = raw(*part.whole), second = raw(*part.other);
  std::byte* to = nullptr;
  RawTensor made;
  if (part.change == GgufChange::key_part) {
    const bool as_stored = first.dtype == second.dtype && is_plain(first.dtype);
    const DType dtype = as_stored ? first.dtype : exact ? DType::f32 : DType::bf16;
    made = own(tensor, *tensor_bytes(dtype, tensor.shape), to);
    made.dtype = dtype;
    const auto keys = as_stored ? std::vector<std::byte>() : widened(*part.whole, first.bytes, dtype),
               values = as_stored ? std::vector<std::byte>() : widened(*part.other, second.bytes, dtype);
    join_latent(as_stored ? first.bytes.data() : keys.data(), as_stored ? second.bytes.data() : values.data(), to,
                first.shape[0], first.shape[2], second.shape[1], first.shape[1], info(dtype).bytes);
  } else {
    made = own(tensor, tensor.bytes, to);
    const bool bias = part.change == GgufChange::gate_bias;
    // The rows of one, and those of the other: of an expert, or value by value.
    const int64_t counts[2] = {first.shape[1], second.shape[1]};
    join(first.bytes, second.bytes, to, first.shape[0], counts, bias || part.change == GgufChange::gate_interleaved);
  }
  file.release(first.bytes);
  file.release(second.bytes);
  return made;
}

RawTensor GgufCheckpoint::State::norm(const TensorInfo& tensor, const Part& part) const {
  const RawTensor stored = raw(*part.whole);
  std::byte* to = nullptr;
  RawTensor made = own(tensor, tensor.bytes, to);
  // Written beside the sum where that keeps less than w had.
  const auto exact = file.numbers(kExactNorm + part.whole->name);
  for (size_t i = 0; i < tensor.bytes / sizeof(float); ++i) {
    float sum;
    std::memcpy(&sum, stored.bytes.data() + i * sizeof(float), sizeof(float));
    float value = sum - 1;
    if (exact && i < exact->size() && 1 + static_cast<float>((*exact)[i]) == sum)
      value = static_cast<float>((*exact)[i]);
    std::memcpy(to + i * sizeof(float), &value, sizeof(float));
  }
  return made;
}

std::optional<RawTensor> GgufCheckpoint::find(std::string_view name, bool exact) const {
  const auto found = state_->index.find(name);
  if (found == state_->index.end()) return std::nullopt;
  const TensorInfo& tensor = state_->tensors[found->second];
  const Part& part = state_->parts[found->second];
  if (part.other) return state_->pair(tensor, part, exact);
  if (part.change == GgufChange::plus_one) return state_->norm(tensor, part);
  const RawTensor whole = state_->raw(*part.whole);
  RawTensor raw{tensor.name, tensor.dtype, tensor.shape,
                whole.bytes.subspan(tensor.offset - part.whole->offset, tensor.bytes), state_};
  if (part.change != GgufChange::rotary_q && part.change != GgufChange::rotary_k) return raw;
  std::byte* to = nullptr;
  RawTensor made = state_->own(tensor, tensor.bytes, to);
  separate_halves(raw.bytes, {to, tensor.bytes}, tensor.shape[0], state_->heads(part.change));
  state_->file.release(raw.bytes);
  return made;
}

const std::vector<TensorInfo>& GgufCheckpoint::tensors() const { return state_->tensors; }
const Json& GgufCheckpoint::config() const { return state_->config; }
const FamilyFormat& GgufCheckpoint::family() const { return *state_->family; }
const Gguf& GgufCheckpoint::file() const { return state_->file; }

}  // namespace glassbox
