#include "convert/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/output.h"
#include "base/quote.h"
#include "convert/gguf_source.h"
#include "convert/gguf_tokenizer.h"
#include "convert/model_card.h"
#include "convert/stored_weights.h"
#include "formats/config.h"
#include "formats/gguf_checkpoint.h"
#include "formats/gguf_config.h"
#include "formats/gguf_file_type.h"
#include "formats/shipped.h"

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

// As from_float(), where every number that is finite stays so.
void narrowed(std::string_view tensor, DType dtype, std::span<const float> values, std::byte* bytes) {
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

Converted to_gguf(const GgufSource& source, bool from_gguf, const fs::path& target, const ConvertOptions& options,
                  const std::function<void(const Progress&)>& progress) {
  std::vector<TensorPlan> plans = source.tensors();
  Progress so_far;
  DType largest = DType::f32;
  uint64_t most = 0;
  for (TensorPlan& plan : plans) {
    if (!from_gguf || options.dtype) plan.dtype = always_f32(plan) ? DType::f32 : options.dtype.value_or(plan.dtype);
    const uint64_t bytes = *tensor_bytes(plan.dtype, plan.shape);
    so_far.total += bytes;
    if (bytes > most && !always_f32(plan)) {
      most = bytes;
      largest = plan.dtype;
    }
  }
  std::vector<GgufEntry> metadata = source.metadata();
  if (const auto type = file_type(largest)) metadata.push_back({std::string(kFileTypeKey), GgufValue::of(*type)});
  write_gguf(
      target, metadata, plans,
      [&](size_t i, const AppendBytes& append) {
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
            narrowed(to.name, to.dtype, values, bytes.data());
            append(bytes);
          }
        }
        source.release(i);
        so_far.tensor = to.name;
        so_far.done += *tensor_bytes(to.dtype, to.shape);
        if (progress) progress(so_far);
      },
      options.force ? Existing::replaced : Existing::refused);
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
    narrowed(raw.name, dtype, values, bytes.data());
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
    narrowed(raw.name, dtype, turned, bytes.data());
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

const char* torch_name(DType dtype) {
  return dtype == DType::f32 ? "float32" : dtype == DType::f16 ? "float16" : "bfloat16";
}

// Under the name that is there, else the one that all versions of transformers read.
void set_dtype(OrderedJson& config, DType dtype) {
  const bool newer = config.contains("dtype") && !config.contains("torch_dtype");
  if (!newer) config.erase("dtype");
  config[newer ? "dtype" : "torch_dtype"] = torch_name(dtype);
}

// Experts that are published packed have a row for each output; those that are not, a column (gpt-oss).
bool is_turned(const StoredWeight& weight) { return weight.dtype == DType::f4_e2m1 && weight.shape.size() == 3; }

// A weight in another dtype, a piece at a time.
void append_rows(const StoredWeights& stored, const StoredWeight& weight, DType dtype, const AppendBytes& append) {
  const int64_t width = weight.shape.empty() ? 1 : weight.shape.back();
  int64_t rows = 1;
  for (const int64_t size : weight.shape) rows *= size;
  rows /= std::max<int64_t>(1, width);
  const int64_t matrix = is_turned(weight) ? weight.shape[1] : 0;
  const int64_t step = matrix > 0 ? matrix : std::max<int64_t>(1, kPiece / std::max<int64_t>(1, width));
  std::vector<float> values, turned;
  std::vector<std::byte> bytes;
  for (int64_t r = 0; r < rows; r += step) {
    const int64_t count = std::min(step, rows - r);
    values.resize(static_cast<size_t>(count * width));
    bytes.resize(values.size() * info(dtype).bytes);
    stored.read(weight, r, count, values.data());
    if (matrix > 0) {
      turned.resize(values.size());
      for (int64_t i = 0; i < count; ++i)
        for (int64_t j = 0; j < width; ++j)
          turned[static_cast<size_t>(j * count + i)] = values[static_cast<size_t>(i * width + j)];
      std::swap(values, turned);
    }
    narrowed(weight.name, dtype, values, bytes.data());
    append(bytes);
  }
}

// A folder as published, while it is written.
class Folder {
 public:
  Folder(const fs::path& target, const ConvertOptions& options)
      : target_(target),
        shard_bytes_(options.shard_bytes),
        writer_(target, options.force ? Existing::replaced : Existing::refused) {}

  // In files of at most shard_bytes, but for a tensor that is larger.
  void weights(const std::vector<TensorPlan>& plans,
               const std::function<void(const TensorPlan& plan, const AppendBytes& append)>& write) {
    std::vector<std::vector<TensorPlan>> shards(1);
    uint64_t in_shard = 0;
    for (const TensorPlan& plan : plans) {
      const uint64_t bytes = *tensor_bytes(plan.dtype, plan.shape);
      if (in_shard > 0 && in_shard + bytes > shard_bytes_) {
        shards.emplace_back();
        in_shard = 0;
      }
      shards.back().push_back(plan);
      in_shard += bytes;
      result_.bytes += bytes;
    }
    result_.tensors = plans.size();
    Json map = Json::object();
    for (size_t s = 0; s < shards.size(); ++s) {
      const std::string name = shards.size() == 1
                                   ? "model.safetensors"
                                   : fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, shards.size());
      for (const TensorPlan& plan : shards[s]) map[plan.name] = name;
      write_safetensors(file(name), shards[s], {{"format", "pt"}},
                        [&](size_t at, const AppendBytes& append) { write(shards[s][at], append); });
    }
    if (shards.size() > 1)
      put("model.safetensors.index.json",
          dump_json({{"metadata", {{"total_size", result_.bytes}}}, {"weight_map", map}}, 2) + "\n");
  }

  void put(const std::string& name, const std::string& text) { write_file(file(name), text); }

  Converted commit() {
    writer_.commit("config.json", [](const std::string& name) {
      return name.starts_with("model") && (name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json"));
    });
    return std::move(result_);
  }

 private:
  fs::path file(const std::string& name) {
    result_.files.push_back((target_ / name).string());
    return writer_.file(name);
  }

  fs::path target_;
  uint64_t shard_bytes_;
  FolderWriter writer_;
  Converted result_;
};

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

  Folder folder(target, options);
  std::vector<TensorPlan> plans;
  for (const Written& one : all) plans.push_back(one.plan);
  folder.weights(plans, [&](const TensorPlan& plan, const AppendBytes& append) {
    const Written& to = *by_name.at(plan.name);
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
  config["torch_dtype"] = torch_name(common);
  folder.put("config.json", dump_json(config, 2) + "\n");
  folder.put("generation_config.json", dump_json(gguf_generation_config(file), 2) + "\n");
  for (const NamedText& text : text_files) folder.put(text.name, text.text);
  const fs::path card = target / "README.md";
  folder.put("README.md", card_of(file, fs::exists(card) ? read_file(card) : ""));
  return folder.commit();
}

// A published checkpoint, in a folder or shipped.
struct Published {
  std::string name;
  OrderedJson config;
  Checkpoint checkpoint;
  std::vector<NamedText> texts;  // the other files
};

// What goes along: text of every kind that models have, and their tokenizers.
bool goes_along(const fs::path& file) {
  constexpr uintmax_t kLargest = 256 << 20;
  const std::string name = file.filename().string(), ending = file.extension().string();
  if (name.starts_with('.') || name == "config.json" || name.ends_with(".index.json")) return false;
  static constexpr std::string_view kEndings[] = {"", ".json", ".jinja", ".md", ".model", ".tiktoken", ".txt"};
  std::error_code failed;
  return std::ranges::find(kEndings, ending) != std::end(kEndings) && fs::is_regular_file(file, failed) &&
         fs::file_size(file, failed) <= kLargest && !failed;
}

Published open_published(const std::string& source) {
  if (const auto shipped = shipped_model(source)) {
    Published model{source,
                    OrderedJson::parse(shipped->config),
                    Checkpoint::of(SafeTensors::from_bytes(shipped->weights, nullptr, source + "/model.safetensors")),
                    {}};
    for (const auto& [name, text] : {std::pair{"generation_config.json", shipped->generation_config},
                                     {"tokenizer.json", shipped->tokenizer},
                                     {"tokenizer_config.json", shipped->tokenizer_config},
                                     {"chat_template.jinja", shipped->chat_template},
                                     {"README.md", shipped->card}})
      if (!text.empty()) model.texts.push_back({name, std::string(text)});
    return model;
  }
  const fs::path folder(source);
  if (!fs::is_directory(folder))
    fail(ErrorKind::not_found,
         "{}: no such model: expected a folder with config.json, a .gguf file, or one that is shipped ({})", source,
         fmt::join(shipped_models(), ", "));
  const fs::path config = folder / "config.json";
  Config::open(config);  // that it is one, said in our words
  Published model{source, OrderedJson::parse(read_file(config, kMaxConfig)), Checkpoint::open(folder), {}};
  const auto take = [&](const fs::path& from, const std::string& before) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(from))
      if (goes_along(entry.path())) files.push_back(entry.path());
    std::ranges::sort(files);
    for (const fs::path& file : files) model.texts.push_back({before + file.filename().string(), read_file(file)});
  };
  take(folder, "");
  if (const fs::path templates = folder / "additional_chat_templates"; fs::is_directory(templates))
    take(templates, "additional_chat_templates/");
  return model;
}

// Routers' corrections stay as they are, as in transformers: bf16 would move experts' places.
bool keeps_dtype(const StoredWeight& weight) { return weight.name.ends_with("e_score_correction_bias"); }

// Whether a table that config.json ties is not the output matrix all the same (models/rope.h).
bool has_another_head(const OrderedJson& config, WeightSource& weights) {
  if (!config.value("tie_word_embeddings", false)) return false;
  for (const std::string before : {"", "language_model."})
    if (weights.copy_of(before + "model.embed_tokens.weight", before + "lm_head.weight") ==
        WeightSource::Copy::different)
      return true;
  return false;
}

// A published folder as another: each tensor as it is, or all weights in a dtype.
Converted recast(const Published& from, const fs::path& target, const ConvertOptions& options,
                 const std::function<void(const Progress&)>& progress) {
  OrderedJson config = from.config;
  const Quantization quantization =
      read_quantization(Config(Json::parse(config.dump()), from.name + "/config.json", options.ignore_keys));
  const StoredWeights stored(from.checkpoint, quantization);
  std::map<std::string, StoredWeight> weights;  // those that are not copied, by the name they are written under
  std::vector<TensorPlan> plans;
  Progress so_far;
  for (const std::string_view tensor : from.checkpoint.names()) {
    const RawTensor raw = *from.checkpoint.find(tensor);
    TensorPlan plan{std::string(tensor), raw.dtype, raw.shape};
    const bool number = raw.dtype == DType::i64 || raw.dtype == DType::i32 || raw.dtype == DType::boolean;
    const bool packed = raw.name.ends_with(".qweight") || raw.name.ends_with(".qzeros") || raw.name.ends_with(".g_idx");
    if (options.dtype && (!number || packed)) {
      const auto weight = stored.of(tensor);
      if (!weight) continue;  // a part of one
      if (!weight->plain() || (weight->dtype != *options.dtype && !keeps_dtype(*weight))) {
        plan = {weight->name, *options.dtype, weight->shape};
        if (is_turned(*weight)) std::swap(plan.shape[1], plan.shape[2]);
        weights.emplace(plan.name, *weight);
      }
    }
    so_far.total += *tensor_bytes(plan.dtype, plan.shape);
    plans.push_back(std::move(plan));
  }
  Folder folder(target, options);
  folder.weights(plans, [&](const TensorPlan& plan, const AppendBytes& append) {
    if (const auto weight = weights.find(plan.name); weight == weights.end()) {
      const RawTensor raw = *from.checkpoint.find(plan.name);
      append(raw.bytes);
      from.checkpoint.release(raw.bytes);
    } else {
      append_rows(stored, weight->second, plan.dtype, append);
      stored.release(weight->second);
    }
    so_far.tensor = plan.name;
    so_far.done += *tensor_bytes(plan.dtype, plan.shape);
    if (progress) progress(so_far);
  });
  if (options.dtype) {
    config.erase("quantization_config");
    set_dtype(config, *options.dtype);
    for (const char* part : {"text_config", "vision_config"})
      if (config.contains(part) && config[part].is_object() &&
          (config[part].contains("dtype") || config[part].contains("torch_dtype")))
        set_dtype(config[part], *options.dtype);
  }
  if (has_another_head(from.config, stored.weights())) config["tie_word_embeddings"] = false;
  folder.put("config.json", config.dump(2) + "\n");
  for (const NamedText& text : from.texts) folder.put(text.name, text.text);
  return folder.commit();
}

}  // namespace

Converted convert(const std::string& source, const std::string& target, const ConvertOptions& options,
                  const std::function<void(const Progress&)>& progress) {
  check_dtype(options);
  const bool from_gguf = is_gguf_file(source), to_file = has_gguf_ending(target);
  if (!shipped_model(source)) {
    std::error_code failed;
    if (const fs::path holder = fs::weakly_canonical(source, failed).parent_path();
        !to_file && fs::is_directory(target, failed) && fs::equivalent(holder, target, failed))
      fail(ErrorKind::bad_request, "{}: holds what is read ({}): expected another folder", target, source);
    check_output(target, from_gguf ? gguf_files(source) : std::vector<fs::path>{source}, options.force);
  } else {
    check_output(target, {}, options.force);
  }
  if (to_file) return to_gguf(GgufSource::open(source, options.ignore_keys), from_gguf, target, options, progress);
  if (from_gguf) return to_folder(source, target, options, progress);
  return recast(open_published(source), target, options, progress);
}

}  // namespace glassbox
