#include "engine/convert.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "engine/gguf_source.h"
#include "engine/gguf_tokenizer.h"
#include "formats/gguf_checkpoint.h"
#include "formats/gguf_config.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPiece = 1 << 18;  // values that are converted at a time

void check_dtype(const ConvertOptions& options) {
  if (options.dtype && !is_float(*options.dtype))
    fail(ErrorKind::bad_request, "--dtype: expected f32, f16 or bf16, got {}; quantize makes the others",
         info(*options.dtype).name);
}

// general.file_type, as llama.cpp numbers it.
uint32_t file_type(DType dtype) { return dtype == DType::f32 ? 0 : dtype == DType::f16 ? 1 : 32; }

bool always_f32(const TensorPlan& tensor) {
  return tensor.shape.size() == 1 || tensor.name.find("_norm.weight") != tensor.name.npos ||
         tensor.name.find("ffn_gate_inp.weight") != tensor.name.npos;
}

Converted to_gguf(const GgufSource& source, const fs::path& target, const ConvertOptions& options,
                  const std::function<void(const Progress&)>& progress) {
  std::vector<TensorPlan> plans = source.tensors();
  Progress so_far;
  DType largest = DType::f32;
  uint64_t most = 0;
  for (TensorPlan& plan : plans) {
    plan.dtype = always_f32(plan) ? DType::f32 : options.dtype.value_or(plan.dtype);
    const uint64_t bytes = *tensor_bytes(plan.dtype, plan.shape);
    so_far.total += bytes;
    if (bytes > most && !always_f32(plan)) {
      most = bytes;
      largest = plan.dtype;
    }
  }
  std::vector<GgufEntry> metadata = source.metadata();
  metadata.push_back({"general.file_type", GgufValue::of(file_type(largest))});
  write_gguf(target, metadata, plans, [&](size_t i, const AppendBytes& append) {
    const TensorPlan &from = source.tensors()[i], &to = plans[i];
    const int64_t rows = rows_of(to), width = width_of(to);
    const bool as_is = from.dtype == to.dtype && !source.row(i, 0).empty();
    const int64_t step = std::max<int64_t>(1, kPiece / width);
    std::vector<float> values;
    std::vector<std::byte> bytes;
    for (int64_t r = 0; r < rows; r += step) {
      const int64_t count = std::min(step, rows - r);
      if (as_is) {
        for (int64_t k = r; k < r + count; ++k) append(source.row(i, k));
      } else {
        values.resize(static_cast<size_t>(count * width));
        bytes.resize(values.size() * info(to.dtype).bytes);
        source.read(i, r, count, values.data());
        from_float(to.dtype, values, bytes.data());
        append(bytes);
      }
    }
    source.release(i);
    so_far.tensor = to.name;
    so_far.done += *tensor_bytes(to.dtype, to.shape);
    if (progress) progress(so_far);
  });
  return {plans.size(), so_far.total, {target.string()}};
}

// Whether all values of a float32 tensor are values of `dtype` too.
bool fits(const RawTensor& raw, DType dtype) {
  std::vector<float> values(raw.bytes.size() / sizeof(float)), back(values.size());
  to_float(raw.dtype, raw.bytes, values.data(), static_cast<int64_t>(values.size()));
  std::vector<std::byte> narrow(values.size() * 2);
  from_float(dtype, values, narrow.data());
  to_float(dtype, narrow, back.data(), static_cast<int64_t>(back.size()));
  return values == back;
}

Converted to_folder(const fs::path& source, const fs::path& target, const ConvertOptions& options,
                    const std::function<void(const Progress&)>& progress) {
  const GgufCheckpoint checkpoint(Gguf::open(source));
  const Gguf& file = checkpoint.file();
  Json config = checkpoint.config();
  const std::vector<NamedText> text_files = tokenizer_files(file);

  // The dtype most numbers have; blocks have no name in safetensors and become float32, which holds them exactly.
  std::map<DType, int64_t> values_of;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    int64_t values = 1;
    for (const int64_t size : tensor.shape) values *= size;
    values_of[is_blocks(tensor.dtype) ? DType::f32 : tensor.dtype] += values;
  }
  const DType common = options.dtype.value_or(
      std::ranges::max_element(values_of, {}, [](const auto& entry) { return entry.second; })->first);

  std::vector<TensorPlan> plans;
  Progress so_far;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    DType dtype = is_blocks(tensor.dtype) ? DType::f32 : tensor.dtype;
    if (options.dtype)
      dtype = *options.dtype;
    else if (dtype == DType::f32 && common != DType::f32 && fits(*checkpoint.find(tensor.name), common))
      dtype = common;
    plans.push_back({tensor.name, dtype, tensor.shape});
    so_far.total += *tensor_bytes(dtype, tensor.shape);
  }

  std::vector<std::vector<size_t>> shards(1);
  uint64_t in_shard = 0;
  for (size_t i = 0; i < plans.size(); ++i) {
    const uint64_t bytes = *tensor_bytes(plans[i].dtype, plans[i].shape);
    if (in_shard > 0 && in_shard + bytes > options.shard_bytes) {
      shards.emplace_back();
      in_shard = 0;
    }
    shards.back().push_back(i);
    in_shard += bytes;
  }
  const auto shard_name = [&](size_t s) {
    return shards.size() == 1 ? std::string("model.safetensors")
                              : fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, shards.size());
  };

  fs::create_directories(target);
  Converted result{plans.size(), so_far.total, {}};
  const auto put = [&](const std::string& name, const std::string& text) {
    write_file(target / name, text);
    result.files.push_back((target / name).string());
  };
  Json index = {{"metadata", {{"total_size", so_far.total}}}, {"weight_map", Json::object()}};
  for (size_t s = 0; s < shards.size(); ++s) {
    std::vector<TensorPlan> inside;
    for (const size_t i : shards[s]) {
      inside.push_back(plans[i]);
      index["weight_map"][plans[i].name] = shard_name(s);
    }
    write_safetensors(target / shard_name(s), inside, {{"format", "pt"}}, [&](size_t at, const AppendBytes& append) {
      const TensorPlan& to = inside[at];
      const RawTensor raw = *checkpoint.find(to.name);
      if (raw.dtype == to.dtype) {
        append(raw.bytes);
      } else {
        const int64_t rows = rows_of(to), width = width_of(to), step = std::max<int64_t>(1, kPiece / width);
        const size_t row_bytes = raw.bytes.size() / static_cast<size_t>(rows);
        std::vector<float> values;
        std::vector<std::byte> bytes;
        for (int64_t r = 0; r < rows; r += step) {
          const int64_t count = std::min(step, rows - r);
          values.resize(static_cast<size_t>(count * width));
          bytes.resize(values.size() * info(to.dtype).bytes);
          to_float(raw.dtype,
                   raw.bytes.subspan(static_cast<size_t>(r) * row_bytes, static_cast<size_t>(count) * row_bytes),
                   values.data(), count * width);
          from_float(to.dtype, values, bytes.data());
          append(bytes);
        }
      }
      checkpoint.release(raw.bytes);
      so_far.tensor = to.name;
      so_far.done += *tensor_bytes(to.dtype, to.shape);
      if (progress) progress(so_far);
    });
    result.files.push_back((target / shard_name(s)).string());
  }
  if (shards.size() > 1) put("model.safetensors.index.json", dump_json(index, 2) + "\n");
  config["torch_dtype"] = common == DType::f32 ? "float32" : common == DType::f16 ? "float16" : "bfloat16";
  put("config.json", dump_json(config, 2) + "\n");
  put("generation_config.json", dump_json(gguf_generation_config(file), 2) + "\n");
  for (const NamedText& text : text_files) put(text.name, text.text);
  return result;
}

}  // namespace

Converted convert(const std::string& source, const std::string& target, const ConvertOptions& options,
                  const std::function<void(const Progress&)>& progress) {
  check_dtype(options);
  const bool from_gguf = fs::path(source).extension() == ".gguf" && !fs::is_directory(source);
  const bool to_file = fs::path(target).extension() == ".gguf";
  if (from_gguf == to_file)
    fail(ErrorKind::bad_request, "convert: expected one .gguf file and one folder, got {} and {}", source, target);
  if (from_gguf) return to_folder(source, target, options, progress);
  return to_gguf(GgufSource::open(source, options.ignore_keys), target, options, progress);
}

}  // namespace glassbox
