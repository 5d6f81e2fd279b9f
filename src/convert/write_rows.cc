#include "convert/write_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/quote.h"
#include "tensor/numbers.h"

namespace glassbox {
namespace {

constexpr int64_t kPiece = 1 << 20;  // values that are held at a time, and a row at least

// Calls `piece(first, count)` for rows after rows, none across a multiple of `matrix`.
template <class Take>
void for_pieces(int64_t rows, int64_t matrix, int64_t most, const Take& piece) {
  for (int64_t first = 0; first < rows;) {
    const int64_t count = std::min(std::max<int64_t>(1, most), matrix - first % matrix);
    piece(first, count);
    first += count;
  }
}

}  // namespace

void narrow(std::string_view tensor, DType dtype, std::span<const float> values, std::byte* bytes) {
  from_float(dtype, values, bytes);
  if (dtype != DType::f16) return;
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t half;
    std::memcpy(&half, bytes + 2 * i, 2);
    if ((half & 0x7fff) == 0x7c00 && std::isfinite(values[i]))
      fail(ErrorKind::unsupported, "tensor {}: {} is more than F16 holds: --dtype bf16 or f32 does", quote(tensor),
           values[i]);
  }
}

void append_rows(const StoredWeight& weight, const ReadRows& read, bool transposed, DType dtype,
                 const AppendBytes& append) {
  const int64_t width = weight.width(), rows = weight.rows();
  const int64_t matrix = transposed ? weight.shape[1] : std::max<int64_t>(1, rows);
  const int64_t most = transposed ? matrix : kPiece / std::max<int64_t>(1, width);
  std::vector<float> values, across;
  std::vector<std::byte> bytes;
  for_pieces(rows, matrix, most, [&](int64_t first, int64_t count) {
    values.resize(static_cast<size_t>(count * width));
    bytes.resize(values.size() * info(dtype).bytes);
    read(first, count, values.data());
    if (transposed) {
      across.resize(values.size());
      for (int64_t i = 0; i < count; ++i)
        for (int64_t j = 0; j < width; ++j)
          across[static_cast<size_t>(j * count + i)] = values[static_cast<size_t>(i * width + j)];
      std::swap(values, across);
    }
    narrow(weight.name, dtype, values, bytes.data());
    append(bytes);
  });
}

ProgressOf::ProgressOf(std::span<const TensorPlan> plans) {
  for (const TensorPlan& plan : plans) progress_.total += *tensor_bytes(plan.dtype, plan.shape);
}

const Progress& ProgressOf::after(const TensorPlan& plan) {
  progress_.tensor = plan.name;
  progress_.done += *tensor_bytes(plan.dtype, plan.shape);
  return progress_;
}

void write_gguf_model(const GgufSource& source, const std::filesystem::path& target,
                      std::span<const GgufEntry> metadata, const std::vector<TensorPlan>& plans,
                      const std::function<void(const Piece&)>& encode,
                      const std::function<void(size_t tensor, const Progress&)>& written, Existing existing) {
  ProgressOf progress(plans);
  std::vector<float> values;
  std::vector<std::byte> bytes;
  const auto write = [&](size_t i, const AppendBytes& append) {
    const TensorPlan &from = source.tensors[i], &to = plans[i];
    const bool as_stored = from.dtype == to.dtype && source.rows.as_stored(i);
    const int64_t matrix = to.shape.size() == 3 ? to.shape[1] : to.rows();
    for_pieces(to.rows(), matrix, kPiece / to.width(), [&](int64_t first, int64_t count) {
      if (as_stored) return source.rows.copy(i, first, count, append);
      values.resize(static_cast<size_t>(count * to.width()));
      bytes.resize(values.size() / info(to.dtype).block * info(to.dtype).bytes);
      source.rows.read(i, first, count, values.data());
      encode({i, first / matrix, count, values, bytes});
      append(bytes);
    });
    source.rows.release(i);
    written(i, progress.after(to));
  };
  write_gguf(target, metadata, plans, write, existing);
}

}  // namespace glassbox
