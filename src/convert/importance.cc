#include "convert/importance.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/quote.h"
#include "formats/gguf.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

using Inputs = Importance::Inputs;

// llama.cpp's files of GGUF: sums of squares and counts.
void read_gguf(const fs::path& file, Importance& importance) {
  const Gguf gguf = Gguf::open(file);
  if (gguf.string("general.type") != "imatrix")
    fail(ErrorKind::bad_file, "{}: general.type: expected \"imatrix\"", file.string());
  for (const TensorInfo& tensor : gguf.tensors()) {
    constexpr std::string_view kSums = ".in_sum2";
    if (!tensor.name.ends_with(kSums)) continue;
    const std::string name = tensor.name.substr(0, tensor.name.size() - kSums.size());
    const auto counts = gguf.tensor(name + ".counts");
    const RawTensor sums = *gguf.tensor(tensor.name);
    const int64_t experts = counts ? static_cast<int64_t>(counts->bytes.size() / sizeof(float)) : 0;
    const auto values = static_cast<int64_t>(sums.bytes.size() / sizeof(float));
    if (tensor.dtype != DType::f32 || experts == 0 || counts->dtype != DType::f32 || values % experts != 0)
      fail(ErrorKind::bad_file, "{}: {}: expected sums and counts in F32", file.string(), quote(name));
    Inputs inputs{std::vector<float>(static_cast<size_t>(values)), experts};
    for (int64_t i = 0; i < values; ++i) {
      float sum, count;
      std::memcpy(&sum, sums.bytes.data() + i * 4, 4);
      std::memcpy(&count, counts->bytes.data() + i / (values / experts) * 4, 4);
      // An expert that no token took says nothing: all its inputs count alike.
      inputs.mean_square[static_cast<size_t>(i)] = count > 0 ? sum / count : 1;
    }
    importance.of.emplace(name, std::move(inputs));
  }
}

// The older format: how many entries, each a length and a name, how many calls, how many values, the values.
void read_binary(const fs::path& file, std::span<const std::byte> bytes, Importance& importance) {
  size_t at = 0;
  const auto take = [&](size_t count) {
    if (count > bytes.size() - at)
      fail(ErrorKind::bad_file, "{}: byte {}: expected {} more bytes: truncated, or no importance file", file.string(),
           at, count);
    at += count;
    return bytes.data() + at - count;
  };
  const auto number = [&] {
    int32_t value;
    std::memcpy(&value, take(4), 4);
    if (value < 0) fail(ErrorKind::bad_file, "{}: byte {}: expected a count, got {}", file.string(), at - 4, value);
    return static_cast<size_t>(value);
  };
  const size_t entries = number();
  for (size_t e = 0; e < entries; ++e) {
    const size_t length = number();
    const std::string name(reinterpret_cast<const char*>(take(length)), length);
    const size_t calls = number(), count = number();
    if (count > (bytes.size() - at) / sizeof(float)) take(count * sizeof(float));
    Inputs inputs{std::vector<float>(count), 1};
    std::memcpy(inputs.mean_square.data(), take(count * sizeof(float)), count * sizeof(float));
    for (float& value : inputs.mean_square) value /= static_cast<float>(std::max<size_t>(calls, 1));
    importance.of.emplace(name, std::move(inputs));
  }
}

}  // namespace

Importance Importance::open(const fs::path& file) {
  Importance importance;
  importance.source = file.string();
  const std::shared_ptr<const MappedFile> mapped = MappedFile::open(file);
  const std::span<const std::byte> bytes = mapped->bytes();
  if (bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0)
    read_gguf(file, importance);
  else
    read_binary(file, bytes, importance);
  if (importance.of.empty()) fail(ErrorKind::bad_file, "{}: expected importance of tensors, got none", file.string());
  for (const auto& [name, inputs] : importance.of)
    for (const float value : inputs.mean_square)
      if (!(value >= 0) || !std::isfinite(value))
        fail(ErrorKind::bad_file, "{}: {}: expected values above or equal 0, got {}", file.string(), quote(name),
             value);
  return importance;
}

void write_importance(const fs::path& file, const std::map<std::string, ImportanceSums>& sums,
                      const std::string& dataset, int64_t windows, int64_t context, Existing existing) {
  const std::vector<std::string> datasets = {dataset};
  const GgufEntry metadata[] = {{"general.type", GgufValue::of("imatrix")},
                                {"imatrix.datasets", GgufValue::array(datasets)},
                                {"imatrix.chunk_count", GgufValue::of(static_cast<uint32_t>(windows))},
                                {"imatrix.chunk_size", GgufValue::of(static_cast<uint32_t>(context))}};
  std::vector<TensorPlan> plans;
  std::vector<std::vector<float>> data;
  for (const auto& [name, sum] : sums) {
    const auto experts = static_cast<int64_t>(sum.rows.size());
    plans.push_back({name + ".in_sum2", DType::f32, {experts, static_cast<int64_t>(sum.squares.size()) / experts}});
    data.push_back(sum.squares);
    plans.push_back({name + ".counts", DType::f32, {experts, 1}});
    data.emplace_back(sum.rows.begin(), sum.rows.end());
  }
  write_gguf(
      file, metadata, plans, [&](size_t i, const AppendBytes& append) { append(std::as_bytes(std::span(data[i]))); },
      existing);
}

}  // namespace glassbox
