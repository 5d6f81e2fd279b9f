// A GGUF file as a folder of safetensors.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/quote.h"
#include "convert/checkpoint_folder.h"
#include "convert/conversions.h"
#include "convert/gguf_tokenizer.h"
#include "convert/model_card.h"
#include "convert/write_rows.h"
#include "formats/gguf_checkpoint.h"
#include "formats/gguf_config.h"
#include "models/registry.h"
#include "tensor/numbers.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

// Whether all values of a float32 tensor are values of `dtype` too.
bool fits(const RawTensor& raw, DType dtype) {
  std::vector<float> values(raw.bytes.size() / sizeof(float)), back(values.size());
  to_float(raw.dtype, raw.bytes.data(), values.data(), static_cast<int64_t>(values.size()));
  std::vector<std::byte> narrow(values.size() * 2);
  from_float(dtype, values, narrow.data());
  to_float(dtype, narrow.data(), back.data(), static_cast<int64_t>(back.size()));
  return values == back;
}

// A tensor to be written, and what it is of the one it comes from.
struct Written {
  enum class Form { whole, transposed, blocks, scales };
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
    return tensor.dtype == DType::mxfp4 && !options.dtype && checkpoint.is_transposed(tensor.name);
  };
  const auto dtype_of = [&](const TensorInfo& tensor) {
    if (tensor.name.ends_with("kv_b_proj.weight")) return checkpoint.find(tensor.name, true)->dtype;
    return is_blocks(tensor.dtype) ? DType::f32 : tensor.dtype;
  };
  std::map<DType, int64_t> values_of;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    if (!stays_mxfp4(tensor)) values_of[is_blocks(tensor.dtype) ? DType::f32 : tensor.dtype] += tensor.elements();
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
    const bool transposed = checkpoint.is_transposed(tensor.name);
    if (transposed) std::swap(shape[1], shape[2]);
    all.push_back(
        {{tensor.name, dtype, shape}, tensor.name, transposed ? Written::Form::transposed : Written::Form::whole});
  }
  return all;
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

}  // namespace

Converted convert_from_gguf(const FileSet& source, const fs::path& target, const ConvertOptions& options,
                            const ReportProgress& report) {
  const GgufCheckpoint checkpoint = gguf_checkpoint(Gguf::open(source.path()));
  const Gguf& file = checkpoint.file();
  Json config = checkpoint.config();
  const std::vector<NamedText> text_files = tokenizer_files(file);
  DType common = DType::f32;
  const std::vector<Written> all = plan_folder(checkpoint, options, common);
  std::map<std::string, const Written*> by_name;
  std::vector<TensorPlan> plans;
  for (const Written& one : all) {
    by_name[one.plan.name] = &one;
    plans.push_back(one.plan);
    if (one.form == Written::Form::blocks && !config.contains("quantization_config"))
      config["quantization_config"] = {
          {"quant_method", "mxfp4"},
          {"modules_to_not_convert",
           {"model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"}}};
  }

  ProgressOf progress(plans);
  CheckpointFolder folder(target, options);
  folder.weights(plans, [&](const TensorPlan& plan, const AppendBytes& append) {
    const Written& to = *by_name.at(plan.name);
    const RawTensor raw = *checkpoint.find(to.from, true);
    if (to.form == Written::Form::blocks || to.form == Written::Form::scales) {
      append_mxfp4(raw, to.form == Written::Form::scales, append);
    } else if (to.form == Written::Form::whole && raw.dtype == plan.dtype) {
      append(raw.bytes);
    } else {
      const StoredWeight weight{std::string(raw.name), raw.dtype, raw.shape, raw};
      const auto read = [&](int64_t first, int64_t count, float* values) { read_plain(weight, first, count, values); };
      append_rows(weight, read, to.form == Written::Form::transposed, plan.dtype, append);
    }
    checkpoint.release(raw.bytes);
    report(progress.after(plan));
  });
  config["torch_dtype"] = torch_name(common);
  folder.put("config.json", dump_json(config, 2) + "\n");
  folder.put("generation_config.json", dump_json(gguf_generation_config(file), 2) + "\n");
  for (const NamedText& text : text_files) folder.put(text.name, text.text);
  const fs::path card = target / "README.md";
  folder.put("README.md", card_of(file, fs::exists(card) ? read_file(card) : ""));
  return folder.commit();
}

}  // namespace glassbox
