// Any model as a GGUF file.
#include <algorithm>

#include "convert/conversions.h"
#include "convert/gguf_source.h"
#include "convert/write_rows.h"
#include "formats/gguf_file_type.h"

namespace glassbox {
namespace {

std::optional<uint32_t> file_type(DType dtype) {
  return file_type_number(dtype == DType::mxfp4 ? "MXFP4_MOE" : info(dtype).name);
}

bool always_f32(const TensorPlan& tensor) {
  return tensor.shape.size() == 1 || tensor.name.find("_norm.weight") != tensor.name.npos ||
         tensor.name.find("ffn_gate_inp.weight") != tensor.name.npos || tensor.name.ends_with(".bias");
}

}  // namespace

Converted convert_to_gguf(const FileSet& files, const std::filesystem::path& target, const ConvertOptions& options,
                          const ReportProgress& report) {
  const GgufSource source = GgufSource::open(files, options.ignore_keys);
  std::vector<TensorPlan> plans = source.tensors;
  DType largest = DType::f32;
  uint64_t most = 0;
  for (TensorPlan& plan : plans) {
    if (files.kind() != FileSet::Kind::gguf || options.dtype)
      plan.dtype = always_f32(plan) ? DType::f32 : options.dtype.value_or(plan.dtype);
    const uint64_t bytes = *tensor_bytes(plan.dtype, plan.shape);
    if (bytes > most && !always_f32(plan)) {
      most = bytes;
      largest = plan.dtype;
    }
  }
  std::vector<GgufEntry> metadata = source.metadata;
  if (const auto type = file_type(largest)) metadata.push_back({std::string(kFileTypeKey), GgufValue::of(*type)});
  write_gguf_model(
      source, target, metadata, plans,
      [&](const Piece& piece) {
        narrow(plans[piece.tensor].name, plans[piece.tensor].dtype, piece.values, piece.bytes.data());
      },
      [&](size_t, const Progress& progress) { report(progress); },
      options.force ? Existing::replaced : Existing::refused);
  return {plans.size(), ProgressOf(plans).total(), {target.string()}};
}

}  // namespace glassbox
