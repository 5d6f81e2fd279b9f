#include "nn/peft_experts.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "base/error.h"

namespace glassbox {
namespace {

using Kind = AdaptableWeight::Kind;

// What a stack holds of each expert, top to bottom, by the names a checkpoint may have for it.
struct Stack {
  std::string_view parameter;
  std::vector<std::vector<std::string_view>> spellings;
};
const std::array<Stack, 2> kStacks = {{
    {"gate_up_proj", {{"gate_up_proj"}, {"gate_proj", "up_proj"}, {"w1", "w3"}}},
    {"down_proj", {{"down_proj"}, {"w2"}}},
}};

// The expert's weights that the parameter holds; empty if there are none.
std::vector<const AdaptableWeight*> parts_of(std::string_view module, std::string_view parameter, int64_t expert,
                                             const AdaptableByPath& weights) {
  const Stack& stack = *std::ranges::find(kStacks, parameter, &Stack::parameter);
  for (const auto& names : stack.spellings) {
    std::vector<const AdaptableWeight*> parts;
    for (const std::string_view name : names)
      if (const auto found = weights.find(fmt::format("{}.{}.{}", module, expert, name)); found != weights.end())
        parts.push_back(found->second);
    if (parts.size() == names.size()) return parts;
  }
  return {};
}

int64_t outputs_of(const AdaptableWeight& w) { return w.weight.shape()[w.kind == Kind::expert_columns ? 1 : 0]; }
int64_t inputs_of(const AdaptableWeight& w) { return w.weight.shape()[w.kind == Kind::expert_columns ? 0 : 1]; }

// A matrix of a checkpoint, element by element.
struct Elements {
  const std::byte* data;
  int64_t width;
  size_t size;
  const std::byte* at(int64_t row, int64_t column) const {
    return data + static_cast<size_t>(row * width + column) * size;
  }
};

template <class At>
Tensor gathered(DType dtype, int64_t rows, int64_t columns, const At& at) {
  const size_t size = info(dtype).bytes;
  std::shared_ptr<std::byte[]> memory(new std::byte[static_cast<size_t>(rows * columns) * size]);
  std::byte* to = memory.get();
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j, to += size) std::memcpy(to, at(i, j), size);
  const void* data = memory.get();
  return Tensor({rows, columns}, dtype, std::move(memory), data);
}

}  // namespace

ExpertParameter expert_parameter(std::string_view key, const std::vector<std::string>& target_parameters,
                                 const AdaptableByPath& weights) {
  constexpr std::string_view kWrapped = ".base_layer";
  size_t depth = 0;
  for (; key.ends_with(kWrapped); ++depth) key.remove_suffix(kWrapped.size());
  std::string module(key);
  // Mixtral's mixtures are `mlp` in transformers 5 and `block_sparse_moe` in checkpoints.
  if (parts_of(module, "down_proj", 0, weights).empty())
    if (const size_t at = module.rfind(".mlp."); at != std::string::npos) module.replace(at, 5, ".block_sparse_moe.");
  if (parts_of(module, "down_proj", 0, weights).empty()) return {};
  std::vector<std::string> wrapped;
  for (const Stack& stack : kStacks) {
    const std::string name = fmt::format("{}.{}", key, stack.parameter);
    if (std::ranges::any_of(target_parameters,
                            [&](const std::string& target) { return name == target || name.ends_with("." + target); }))
      wrapped.emplace_back(stack.parameter);
  }
  if (depth >= wrapped.size()) return {};
  return {module, wrapped[wrapped.size() - 1 - depth]};
}

std::vector<ExpertChange> expert_changes(const ExpertParameter& of, const RawTensor& a, const RawTensor& b,
                                         const AdaptableByPath& weights, const std::string& source) {
  std::vector<std::vector<const AdaptableWeight*>> experts;
  for (;;) {
    auto parts = parts_of(of.module, of.parameter, static_cast<int64_t>(experts.size()), weights);
    if (parts.empty()) break;
    experts.push_back(std::move(parts));
  }
  const auto count = static_cast<int64_t>(experts.size());
  if (count < 2)
    fail(ErrorKind::unsupported, "{}: tensor {}: expected a mixture of at least two experts", source, a.name);
  int64_t n = 0;
  for (const AdaptableWeight* part : experts[0]) n += outputs_of(*part);
  const int64_t k = inputs_of(*experts[0][0]);
  for (const RawTensor* raw : {&a, &b})
    if (raw->dtype != DType::f32 && raw->dtype != DType::f16 && raw->dtype != DType::bf16)
      fail(ErrorKind::unsupported, "{}: tensor {}: expected F32, F16 or BF16, got {}", source, raw->name,
           info(raw->dtype).name);
  const bool whole = a.shape.size() == 2 && b.shape.size() == 2 && a.shape[0] > 0 && a.shape[0] % count == 0 &&
                     b.shape[1] == a.shape[0];
  // A over what goes in and B over what comes out, or where transformers keeps inputs first and PEFT takes them for
  // outputs (Llama 4) the other way round.
  const bool straight = whole && a.shape[1] == k && b.shape[0] == n;
  const bool crossed = whole && a.shape[1] == n && b.shape[0] == k && experts[0][0]->kind == Kind::expert_columns;
  if (!straight && !crossed)
    fail(ErrorKind::bad_file, "{}: tensor {}: expected [{} r, {}] beside [{}, {} r] of {} experts, got [{}] and [{}]",
         source, a.name, count, k, n, count, count, fmt::join(a.shape, ", "), fmt::join(b.shape, ", "));
  if (straight && crossed && of.module.ends_with("feed_forward.experts"))
    fail(ErrorKind::unsupported, "{}: tensor {}: which side is which cannot be told of square matrices", source,
         a.name);

  const int64_t rank = a.shape[0] / count;
  const Elements from_a{a.bytes.data(), a.shape[1], info(a.dtype).bytes};
  const Elements from_b{b.bytes.data(), b.shape[1], info(b.dtype).bytes};
  std::vector<ExpertChange> changes;
  for (int64_t e = 0; e < count; ++e) {
    int64_t first = 0;
    for (const AdaptableWeight* part : experts[static_cast<size_t>(e)]) {
      const int64_t outputs = outputs_of(*part);
      LowRank change;
      if (straight) {
        change.a = gathered(a.dtype, rank, k, [&](int64_t r, int64_t i) { return from_a.at(e * rank + r, i); });
        change.b =
            gathered(b.dtype, outputs, rank, [&](int64_t o, int64_t r) { return from_b.at(first + o, r * count + e); });
      } else {
        change.a = gathered(b.dtype, rank, k, [&](int64_t r, int64_t i) { return from_b.at(i, r * count + e); });
        change.b =
            gathered(a.dtype, outputs, rank, [&](int64_t o, int64_t r) { return from_a.at(e * rank + r, first + o); });
      }
      first += outputs;
      changes.push_back({part->path, std::move(change)});
    }
  }
  return changes;
}

}  // namespace glassbox
