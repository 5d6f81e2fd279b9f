#include "formats/quantization.h"

namespace glassbox {
namespace {

using Method = Quantization::Method;

Quantization read_fp8(const Config& q) {
  q.choice_or("fmt", "e4m3", {"e4m3", "float8_e4m3fn"});
  q.choice_or("activation_scheme", "dynamic", {"dynamic", "static"});
  q.choice_or("scale_fmt", "float", {"float", "ue8m0"});  // scales that are powers of two are still stored as float32
  q.harmless({"modules_to_not_convert", "ignored_layers"});  // which tensors are FP8, their dtype says
  Quantization result{Method::fp8};
  if (const auto block = q.optional<std::vector<int64_t>>("weight_block_size")) {
    if (block->size() != 2 || (*block)[0] < 1 || (*block)[1] < 32 || (*block)[0] > 65536 || (*block)[1] > 65536)
      fail(ErrorKind::bad_file, "{}: expected two sizes, 1 to 65536 rows and 32 to 65536 columns",
           q.where("weight_block_size"));
    result.block_rows = (*block)[0];
    result.block_columns = (*block)[1];
  }
  return result;
}

int64_t read_group(const Config& q) {
  const int64_t group = q.between<int64_t>("group_size", -1, 65536);
  if (group == -1) return 0;
  if (group < 32 || group % 32 != 0)
    fail(ErrorKind::unsupported, "{}: expected a multiple of 32 or -1, got {}", q.where("group_size"), group);
  return group;
}

void only_four_bits(const Config& q, std::string_view key) {
  if (const auto bits = q.get<int64_t>(key); bits != 4)
    fail(ErrorKind::unsupported, "{}: weights of 4 bits are supported, not of {}", q.where(key), bits);
}

Quantization read_awq(const Config& q) {
  only_four_bits(q, q.has("w_bit") ? "w_bit" : "bits");
  Quantization result{Method::awq};
  if (q.has("q_group_size")) {
    result.group = q.between<int64_t>("q_group_size", 32, 65536);
    if (result.group % 32 != 0)
      fail(ErrorKind::unsupported, "{}: expected a multiple of 32, got {}", q.where("q_group_size"), result.group);
  } else {
    result.group = read_group(q);
  }
  if (!q.get_or("zero_point", true))
    fail(ErrorKind::unsupported, "{}: AWQ without zero points is not supported", q.where("zero_point"));
  q.choice_or("version", "gemm", {"gemm", "GEMM"});
  q.harmless({"modules_to_not_convert", "backend", "do_fuse", "fuse_max_seq_len", "modules_to_fuse", "exllama_config"});
  return result;
}

Quantization read_gptq(const Config& q) {
  only_four_bits(q, "bits");
  Quantization result{Method::gptq};
  result.group = read_group(q);
  result.zeros_less_one = q.choice_or("checkpoint_format", "gptq", {"gptq", "gptq_v2"}) == "gptq";
  // Inputs in an order of their own (desc_act) are told by g_idx, which is checked; how the search went is history.
  q.harmless({"desc_act",
              "sym",
              "damp_percent",
              "damp_auto_increment",
              "dataset",
              "true_sequential",
              "static_groups",
              "model_name_or_path",
              "model_file_base_name",
              "block_name_to_quantize",
              "module_name_preceding_first_block",
              "modules_in_block_to_quantize",
              "batch_size",
              "pad_token_id",
              "use_cuda_fp16",
              "use_exllama",
              "disable_exllama",
              "exllama_config",
              "max_input_length",
              "model_seqlen",
              "cache_block_outputs",
              "tokenizer",
              "meta",
              "pack_dtype",
              "backend",
              "mse",
              "quantizer",
              "version"});
  return result;
}

// compressed-tensors: FP8 weights with a scale each or a scale an output. Its other formats keep weights otherwise.
Quantization read_compressed(const Config& q) {
  q.choice("format", {"float-quantized"});
  q.harmless({"ignore", "quantization_status", "global_compression_ratio", "version"});
  const auto groups = q.object("config_groups");
  if (!groups) fail(ErrorKind::bad_file, "{}: expected an object", q.where("config_groups"));
  const auto group = groups->object("group_0");
  if (!group) fail(ErrorKind::bad_file, "{}: expected an object", groups->where("group_0"));
  group->harmless({"input_activations", "output_activations", "targets", "format"});
  const auto weights = group->object("weights");
  if (!weights) fail(ErrorKind::bad_file, "{}: expected an object", group->where("weights"));
  weights->choice("type", {"float"});
  weights->choice("strategy", {"tensor", "channel"});
  if (weights->get<int64_t>("num_bits") != 8)
    fail(ErrorKind::unsupported, "{}: floats of 8 bits are supported, not others", weights->where("num_bits"));
  if (!weights->get_or("symmetric", true))
    fail(ErrorKind::unsupported, "{}: only symmetric weights are supported", weights->where("symmetric"));
  weights->harmless({"observer", "observer_kwargs", "dynamic", "actorder", "scale_dtype", "zp_dtype"});
  return {Method::fp8};
}

}  // namespace

std::optional<DType> Quantization::dtype() const {
  switch (method) {
    case Method::none:
      return std::nullopt;
    case Method::fp8:
      return DType::f8_e4m3;
    case Method::mxfp4:
      return DType::f4_e2m1;
    case Method::awq:
    case Method::gptq:
      return DType::i4;
  }
  return std::nullopt;
}

Quantization read_quantization(const Config& config) {
  const auto q = config.object("quantization_config");
  if (!q) return {};
  const std::string method = q->choice("quant_method", {"fp8", "mxfp4", "awq", "gptq", "compressed-tensors"});
  if (method == "fp8") return read_fp8(*q);
  if (method == "awq") return read_awq(*q);
  if (method == "gptq") return read_gptq(*q);
  if (method == "compressed-tensors") return read_compressed(*q);
  q->harmless({"modules_to_not_convert"});
  return {Method::mxfp4};
}

}  // namespace glassbox
