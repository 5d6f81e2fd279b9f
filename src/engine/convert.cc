#include "engine/convert.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "engine/gguf_source.h"
#include "engine/gguf_tokenizer.h"
#include "engine/model_card.h"
#include "formats/gguf_checkpoint.h"
#include "formats/gguf_config.h"
#include "formats/gguf_file_type.h"
#include "formats/quote.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPiece = 1 << 18;  // values that are converted at a time

void check_dtype(const ConvertOptions& options) {
  if (options.dtype && !is_float(*options.dtype))
    fail(ErrorKind::bad_request, "--dtype: expected f32, f16 or bf16, got {}; quantize makes the others",
         info(*options.dtype).name);
}

std::optional<uint32_t> file_type(DType dtype) {
  return file_type_number(dtype == DType::mxfp4 ? "MXFP4_MOE" : info(dtype).name);
}

bool always_f32(const TensorPlan& tensor) {
  return tensor.shape.size() == 1 || tensor.name.find("_norm.weight") != tensor.name.npos ||
         tensor.name.find("ffn_gate_inp.weight") != tensor.name.npos || tensor.name.ends_with(".bias");
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
  if (const auto type = file_type(largest)) metadata.push_back({std::string(kFileTypeKey), GgufValue::of(*type)});
  write_gguf(target, metadata, plans, [&](size_t i, const AppendBytes& append) {
    const TensorPlan &from = source.tensors()[i], &to = plans[i];
    const int64_t rows = rows_of(to), width = width_of(to);
    const bool as_is = from.dtype == to.dtype && source.as_stored(i);
    const int64_t step = std::max<int64_t>(1, kPiece / width);
    std::vector<float> values;
    std::vector<std::byte> bytes;
    for (int64_t r = 0; r < rows; r += step) {
      const int64_t count = std::min(step, rows - r);
      if (as_is) {
        source.copy(i, r, count, append);
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

// A tensor to be written, and what it is of the one it comes from.
struct Written {
  enum class Form { whole, turned, blocks, scales };
  TensorPlan plan;
  std::string from;
  Form form = Form::whole;
};

// The dtypes a checkpoint has beside its usual one, as our own converter noted them.
std::map<std::string, DType> noted_dtypes(const Gguf& file) {
  std::map<std::string, DType> noted;
  const auto text = file.string(kOwnDtypes);
  if (!text) return noted;
  const std::string where = fmt::format("{}: {}", file.source(), kOwnDtypes);
  const Json dtypes = parse_json(*text, where);
  if (!dtypes.is_object()) fail(ErrorKind::bad_file, "{}: expected an object, got {}", where, brief(dtypes));
  for (const auto& [name, tensors] : dtypes.items()) {
    const auto dtype = dtype_named(name);
    if (!dtype || !is_float(*dtype) || !tensors.is_array())
      fail(ErrorKind::bad_file, "{}: expected lists of tensors by dtype, got {}", where, quote(name));
    for (const Json& tensor : tensors)
      if (tensor.is_string()) noted.emplace(tensor, *dtype);
  }
  return noted;
}

std::vector<Written> plan_folder(const GgufCheckpoint& checkpoint, const ConvertOptions& options, DType& common) {
  // The dtype most numbers have; blocks have no name in safetensors and become float32, which holds them exactly, but
  // for MXFP4 where a checkpoint has it.
  const auto stays_mxfp4 = [&](const TensorInfo& tensor) {
    return tensor.dtype == DType::mxfp4 && !options.dtype && checkpoint.turned(tensor.name);
  };
  const auto dtype_of = [&](const TensorInfo& tensor) {
    if (tensor.name.ends_with("kv_b_proj.weight")) return checkpoint.find(tensor.name, true)->dtype;
    return is_blocks(tensor.dtype) ? DType::f32 : tensor.dtype;
  };
  std::map<DType, int64_t> values_of;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    int64_t values = 1;
    for (const int64_t size : tensor.shape) values *= size;
    if (!stays_mxfp4(tensor)) values_of[is_blocks(tensor.dtype) ? DType::f32 : tensor.dtype] += values;
  }
  common = options.dtype.value_or(
      values_of.empty() ? DType::bf16
                        : std::ranges::max_element(values_of, {}, [](const auto& one) { return one.second; })->first);
  const auto noted = noted_dtypes(checkpoint.file());

  std::vector<Written> all;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    std::vector<int64_t> shape = tensor.shape;
    if (stays_mxfp4(tensor)) {
      shape.back() /= 32;
      all.push_back({{tensor.name + "_scales", DType::u8, shape}, tensor.name, Written::Form::scales});
      shape.push_back(16);
      all.push_back({{tensor.name + "_blocks", DType::u8, shape}, tensor.name, Written::Form::blocks});
      continue;
    }
    DType dtype = options.dtype.value_or(dtype_of(tensor));
    const auto meant = noted.find(tensor.name);
    if (!options.dtype && tensor.dtype == DType::f32) {
      const DType wanted = meant == noted.end() ? common : meant->second;
      if (wanted != DType::f32 && fits(*checkpoint.find(tensor.name), wanted)) dtype = wanted;
    }
    const bool turned = checkpoint.turned(tensor.name);
    if (turned) std::swap(shape[1], shape[2]);
    all.push_back({{tensor.name, dtype, shape}, tensor.name, turned ? Written::Form::turned : Written::Form::whole});
  }
  return all;
}

// Rows of a tensor as another dtype, a piece at a time.
void append_as(const RawTensor& raw, DType dtype, const AppendBytes& append) {
  const int64_t width = raw.shape.empty() ? 1 : raw.shape.back();
  int64_t rows = 1;
  for (const int64_t size : raw.shape) rows *= size;
  rows /= width;
  const int64_t step = std::max<int64_t>(1, kPiece / width);
  const size_t row_bytes = raw.bytes.size() / static_cast<size_t>(rows);
  std::vector<float> values;
  std::vector<std::byte> bytes;
  for (int64_t r = 0; r < rows; r += step) {
    const int64_t count = std::min(step, rows - r);
    values.resize(static_cast<size_t>(count * width));
    bytes.resize(values.size() * info(dtype).bytes);
    to_float(raw.dtype, raw.bytes.subspan(static_cast<size_t>(r) * row_bytes, static_cast<size_t>(count) * row_bytes),
             values.data(), count * width);
    from_float(dtype, values, bytes.data());
    append(bytes);
  }
}

// [E, n, k] as [E, k, n], a matrix at a time.
void append_turned(const RawTensor& raw, DType dtype, const AppendBytes& append) {
  const int64_t experts = raw.shape[0], n = raw.shape[1], k = raw.shape[2];
  const size_t size = raw.bytes.size() / static_cast<size_t>(experts);
  std::vector<float> values(static_cast<size_t>(n * k)), turned(values.size());
  std::vector<std::byte> bytes(values.size() * info(dtype).bytes);
  for (int64_t e = 0; e < experts; ++e) {
    to_float(raw.dtype, raw.bytes.subspan(static_cast<size_t>(e) * size, size), values.data(), n * k);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < k; ++j) turned[static_cast<size_t>(j * n + i)] = values[static_cast<size_t>(i * k + j)];
    from_float(dtype, turned, bytes.data());
    append(bytes);
  }
}

// GGUF's blocks of 17 bytes (a scale, value i low and i + 16 high) as published: 16 bytes, value 2 i and 2 i + 1 in
// one.
void append_mxfp4(const RawTensor& raw, bool scales, const AppendBytes& append) {
  constexpr size_t kBlocks = 1 << 14;
  const size_t blocks = raw.bytes.size() / 17;
  std::vector<std::byte> piece;
  for (size_t first = 0; first < blocks; first += kBlocks) {
    piece.clear();
    for (size_t b = first; b < std::min(blocks, first + kBlocks); ++b) {
      const std::byte* block = raw.bytes.data() + b * 17;
      const auto value = [&](int i) { return (i < 16 ? block[1 + i] : block[i - 15] >> 4) & std::byte{15}; };
      if (scales) piece.push_back(block[0]);
      for (int i = 0; !scales && i < 16; ++i) piece.push_back(value(2 * i) | value(2 * i + 1) << 4);
    }
    append(piece);
  }
}

Converted to_folder(const fs::path& source, const fs::path& target, const ConvertOptions& options,
                    const std::function<void(const Progress&)>& progress) {
  const GgufCheckpoint checkpoint(Gguf::open(source));
  const Gguf& file = checkpoint.file();
  Json config = checkpoint.config();
  const std::vector<NamedText> text_files = tokenizer_files(file);
  DType common = DType::f32;
  const std::vector<Written> all = plan_folder(checkpoint, options, common);
  std::map<std::string, const Written*> by_name;
  Progress so_far;
  for (const Written& one : all) {
    by_name[one.plan.name] = &one;
    so_far.total += *tensor_bytes(one.plan.dtype, one.plan.shape);
    if (one.form == Written::Form::blocks && !config.contains("quantization_config"))
      config["quantization_config"] = {
          {"quant_method", "mxfp4"},
          {"modules_to_not_convert",
           {"model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"}}};
  }

  std::vector<std::vector<const Written*>> shards(1);
  uint64_t in_shard = 0;
  for (const Written& one : all) {
    const uint64_t bytes = *tensor_bytes(one.plan.dtype, one.plan.shape);
    if (in_shard > 0 && in_shard + bytes > options.shard_bytes) {
      shards.emplace_back();
      in_shard = 0;
    }
    shards.back().push_back(&one);
    in_shard += bytes;
  }
  const auto shard_name = [&](size_t s) {
    return shards.size() == 1 ? std::string("model.safetensors")
                              : fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, shards.size());
  };

  fs::create_directories(target);
  Converted result{all.size(), so_far.total, {}};
  const auto put = [&](const std::string& name, const std::string& text) {
    write_file(target / name, text);
    result.files.push_back((target / name).string());
  };
  Json index = {{"metadata", {{"total_size", so_far.total}}}, {"weight_map", Json::object()}};
  for (size_t s = 0; s < shards.size(); ++s) {
    std::vector<TensorPlan> inside;
    for (const Written* one : shards[s]) {
      inside.push_back(one->plan);
      index["weight_map"][one->plan.name] = shard_name(s);
    }
    write_safetensors(target / shard_name(s), inside, {{"format", "pt"}}, [&](size_t at, const AppendBytes& append) {
      const Written& to = *by_name.at(inside[at].name);
      const RawTensor raw = *checkpoint.find(to.from, true);
      if (to.form == Written::Form::blocks || to.form == Written::Form::scales)
        append_mxfp4(raw, to.form == Written::Form::scales, append);
      else if (to.form == Written::Form::turned)
        append_turned(raw, to.plan.dtype, append);
      else if (raw.dtype == to.plan.dtype)
        append(raw.bytes);
      else
        append_as(raw, to.plan.dtype, append);
      checkpoint.release(raw.bytes);
      so_far.tensor = to.plan.name;
      so_far.done += *tensor_bytes(to.plan.dtype, to.plan.shape);
      if (progress) progress(so_far);
    });
    result.files.push_back((target / shard_name(s)).string());
  }
  if (shards.size() > 1) put("model.safetensors.index.json", dump_json(index, 2) + "\n");
  config["torch_dtype"] = common == DType::f32 ? "float32" : common == DType::f16 ? "float16" : "bfloat16";
  put("config.json", dump_json(config, 2) + "\n");
  put("generation_config.json", dump_json(gguf_generation_config(file), 2) + "\n");
  for (const NamedText& text : text_files) put(text.name, text.text);
  const fs::path card = target / "README.md";
  put("README.md", card_of(file, fs::exists(card) ? read_file(card) : ""));
  return result;
}

}  // namespace

Converted convert(const std::string& source, const std::string& target, const ConvertOptions& options,
                  const std::function<void(const Progress&)>& progress) {
  check_dtype(options);
  const bool from_gguf = is_gguf_file(source);
  const bool to_file = has_gguf_ending(target);
  if (from_gguf == to_file)
    fail(ErrorKind::bad_request, "convert: expected one .gguf file and one folder, got {} and {}", source, target);
  if (from_gguf) return to_folder(source, target, options, progress);
  return to_gguf(GgufSource::open(source, options.ignore_keys), target, options, progress);
}

}  // namespace glassbox
