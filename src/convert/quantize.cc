#include "convert/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/quote.h"
#include "base/threads.h"
#include "convert/gguf_source.h"
#include "convert/write_rows.h"
#include "formats/gguf_file_type.h"
#include "tensor/blocks.h"
#include "tensor/numbers.h"

namespace glassbox {
namespace {

// A mix, and the type most matrices get.
struct Mix {
  std::string_view name;
  DType type;
};
constexpr std::array kMixes = {
    Mix{"Q4_0", DType::q4_0},     Mix{"Q4_1", DType::q4_1},       Mix{"Q5_0", DType::q5_0},
    Mix{"Q5_1", DType::q5_1},     Mix{"Q8_0", DType::q8_0},       Mix{"Q2_K", DType::q2_k},
    Mix{"Q3_K_S", DType::q3_k},   Mix{"Q3_K_M", DType::q3_k},     Mix{"Q3_K_L", DType::q3_k},
    Mix{"Q4_K_S", DType::q4_k},   Mix{"Q4_K_M", DType::q4_k},     Mix{"Q5_K_S", DType::q5_k},
    Mix{"Q5_K_M", DType::q5_k},   Mix{"Q6_K", DType::q6_k},       Mix{"IQ4_NL", DType::iq4_nl},
    Mix{"IQ4_XS", DType::iq4_xs}, Mix{"MXFP4_MOE", DType::mxfp4},
};

enum class Role { output, embedding, value, key, query, attention_output, up, gate, down, other };

Role role_of(std::string_view name) {
  const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
  if (name == "output.weight") return Role::output;
  if (name == "token_embd.weight") return Role::embedding;
  if (has("attn_kv_b.weight") || has("attn_v.weight")) return Role::value;
  if (has("attn_k.weight")) return Role::key;
  if (has("attn_q.weight")) return Role::query;
  if (has("attn_output.weight")) return Role::attention_output;
  if (has("ffn_up")) return Role::up;
  if (has("ffn_gate")) return Role::gate;
  if (has("ffn_down")) return Role::down;
  return Role::other;
}

bool is_quantized(const TensorPlan& tensor) {
  return tensor.shape.size() >= 2 && tensor.name.ends_with("weight") &&
         tensor.name.find("_norm.weight") == tensor.name.npos &&
         tensor.name.find("ffn_gate_inp.weight") == tensor.name.npos;
}

// llama.cpp's choice of types (its llama-quant.cpp): the outer layers, and what feeds the residual stream, get more
// bits.
class Chooser {
 public:
  Chooser(const Mix& mix, const GgufSource& source, bool importance) : mix_(mix), importance_(importance) {
    const auto integer = [&](std::string_view suffix) -> int64_t {
      for (const GgufEntry& entry : source.metadata) {
        if (!entry.key.ends_with(suffix) || entry.key.starts_with("general.")) continue;
        if (const auto value = entry.value.integer()) return *value;
        const auto layers = entry.value.integers();  // one for each, all the same
        if (layers && !layers->empty()) return (*layers)[0];
      }
      return 0;
    };
    layers_ = integer(".block_count");
    experts_ = integer(".expert_count");
    const int64_t heads = integer(".attention.head_count"), kv_heads = integer(".attention.head_count_kv");
    groups_ = kv_heads > 0 ? heads / kv_heads : 1;
    is_llama_70b_shape_ = layers_ == 80 && heads != kv_heads;
    for (const GgufEntry& entry : source.metadata)
      if (entry.key == "general.architecture") is_llama_70b_shape_ &= entry.value.string() == "llama";
    for (const TensorPlan& tensor : source.tensors) {
      values_ += role_of(tensor.name) == Role::value;
      tied_ &= role_of(tensor.name) != Role::output;
    }
  }

  // To be asked for every tensor once, in order.
  DType operator()(const TensorPlan& tensor) {
    const Role role = role_of(tensor.name);
    if (role == Role::output || (tied_ && role == Role::embedding)) return of_output(tensor);
    if (is("MXFP4_MOE")) return tensor.shape.size() == 3 ? DType::mxfp4 : DType::q8_0;
    switch (role) {
      case Role::value:
        return of_value();
      case Role::key:
        return experts_ == 8 ? DType::q8_0 : mix_.type;
      case Role::down:
        return of_down(tensor);
      case Role::attention_output:
        return of_attention_output();
      default:
        return mix_.type;
    }
  }

 private:
  template <class... Names>
  bool is(Names... names) const {
    return ((mix_.name == names) || ...);
  }
  static bool more_bits(int64_t layer, int64_t layers) {
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
  }
  DType of_output(const TensorPlan& tensor) const {
    if (is("MXFP4_MOE") || tensor.width() % static_cast<int64_t>(info(mix_.type).block) != 0) return DType::q8_0;
    return mix_.type == DType::q8_0 ? DType::q8_0 : DType::q6_k;
  }
  DType of_value() {
    const int64_t at = value_++;
    DType type = mix_.type;
    if (is("Q2_K"))
      type = groups_ >= 4 ? DType::q4_k : DType::q3_k;
    else if (is("Q3_K_M"))
      type = at < 2 ? DType::q5_k : DType::q4_k;
    else if (is("Q3_K_L"))
      type = DType::q5_k;
    else if (is("IQ4_NL", "IQ4_XS") && groups_ >= 4)
      type = DType::q5_k;
    else if (is("Q4_K_M", "Q5_K_M") && more_bits(at, values_))
      type = DType::q6_k;
    else if (is("Q4_K_S") && at < 4)
      type = DType::q5_k;
    if (is_llama_70b_shape_ && (type == DType::q3_k || type == DType::q4_k)) type = DType::q5_k;
    return experts_ == 8 ? DType::q8_0 : type;
  }
  DType of_down(const TensorPlan& tensor) {
    int64_t layer = down_++;
    if (experts_ > 1) layer = std::atoll(tensor.name.c_str() + 4);  // "blk.7."
    if (is("Q2_K")) return DType::q3_k;
    if (is("Q3_K_M")) return layer < layers_ / 16 ? DType::q5_k : DType::q4_k;
    if (is("Q3_K_L")) return DType::q5_k;
    if (is("Q4_K_M", "Q5_K_M")) return more_bits(layer, layers_) ? DType::q6_k : mix_.type;
    const bool early = layer < layers_ / 8;
    if (early && is("IQ4_NL", "IQ4_XS") && !importance_) return DType::q5_k;
    if (early && is("Q4_K_S")) return DType::q5_k;
    if (early && importance_ && is("Q4_0")) return DType::q4_1;
    if (early && importance_ && is("Q5_0")) return DType::q5_1;
    return mix_.type;
  }
  DType of_attention_output() const {
    if (experts_ == 8)
      return is("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M", "IQ4_NL", "IQ4_XS") ? DType::q5_k : mix_.type;
    if (is("Q2_K")) return DType::q3_k;
    if (is("Q3_K_M")) return DType::q4_k;
    if (is("Q3_K_L")) return DType::q5_k;
    return mix_.type;
  }

  const Mix mix_;
  bool importance_, tied_ = true, is_llama_70b_shape_ = false;
  int64_t layers_ = 0, experts_ = 0, groups_ = 1, values_ = 0, value_ = 0, down_ = 0;
};

// Sums of errors, in the order of the rows.
struct Errors {
  double squared = 0, source_squared = 0, largest = 0;
  int64_t count = 0;
  void add(std::span<const float> meant, std::span<const float> got) {
    for (size_t i = 0; i < meant.size(); ++i) {
      const double error = static_cast<double>(got[i]) - static_cast<double>(meant[i]);
      squared += error * error;
      source_squared += static_cast<double>(meant[i]) * static_cast<double>(meant[i]);
      largest = std::max(largest, std::abs(error));
    }
    count += static_cast<int64_t>(meant.size());
  }
  void put_into(QuantizedTensor& tensor) const {
    if (count == 0) return;  // stored as it was
    tensor.rms = std::sqrt(squared / static_cast<double>(count));
    tensor.relative = source_squared > 0 ? std::sqrt(squared / source_squared) : 0;
    tensor.largest = largest;
  }
};

// Of the inputs of one matrix of a tensor; null where nothing is known of it.
const float* importance_of(const std::optional<Importance>& importance, const TensorPlan& tensor, int64_t matrix) {
  if (!importance) return nullptr;
  const auto found = importance->of.find(tensor.name);
  if (found == importance->of.end()) return nullptr;
  const Importance::Inputs& inputs = found->second;
  const int64_t matrices = tensor.shape.size() == 3 ? tensor.shape[0] : 1;
  if (inputs.experts != matrices || static_cast<int64_t>(inputs.mean_square.size()) != matrices * tensor.width())
    fail(ErrorKind::bad_file, "{}: {}: expected {} values, got {}", importance->source, quote(tensor.name),
         matrices * tensor.width(), inputs.mean_square.size());
  return inputs.mean_square.data() + matrix * tensor.width();
}

void set(std::vector<GgufEntry>& metadata, const std::string& key, GgufValue value) {
  const auto found = std::ranges::find(metadata, key, &GgufEntry::key);
  if (found != metadata.end())
    found->value = std::move(value);
  else
    metadata.push_back({key, std::move(value)});
}

}  // namespace

std::vector<std::string> quantization_types() {
  std::vector<std::string> names;
  for (const Mix& mix : kMixes) names.emplace_back(mix.name);
  return names;
}

std::vector<QuantizedTensor> quantize_model(
    const std::string& source_name, const std::string& target, const QuantizeOptions& options,
    const std::function<void(const QuantizedTensor&, const Progress&)>& report) {
  const auto mix = std::ranges::find(kMixes, options.type, &Mix::name);
  const auto is_plain = [&] { return options.type == "F32" || options.type == "F16" || options.type == "BF16"; };
  if (mix == kMixes.end() && file_type_number(options.type) && !is_plain())
    fail(ErrorKind::unsupported, "quantize: {} is read, not written: expected one of {}", options.type,
         fmt::join(quantization_types(), ", "));
  if (mix == kMixes.end())
    fail(ErrorKind::bad_request, "quantize: expected one of {}, got {}", fmt::join(quantization_types(), ", "),
         quote(options.type));
  if (!has_gguf_ending(target))
    fail(ErrorKind::bad_request, "quantize: expected a name that ends in .gguf, got {}", quote(target));
  const FileSet files = FileSet::open(source_name);
  std::vector<std::filesystem::path> inputs = files.paths();
  if (options.importance) inputs.emplace_back(options.importance->source);
  check_output(target, inputs, options.force);
  const GgufSource source = GgufSource::open(files, options.ignore_keys);

  Chooser choose(*mix, source, options.importance.has_value());
  std::vector<TensorPlan> plans = source.tensors;
  std::vector<QuantizedTensor> tensors;
  for (TensorPlan& plan : plans) {
    QuantizedTensor tensor{plan.name, plan.dtype, plan.dtype, {}, 0, 0, 0, 0};
    if (is_quantized(plan)) {
      const DType chosen = choose(plan);
      tensor.type = fitting_type(chosen, plan.width());
      if (tensor.type != chosen) tensor.instead_of = chosen;
    } else {
      tensor.type = DType::f32;
    }
    plan.dtype = tensor.type;
    tensor.bytes = *tensor_bytes(plan.dtype, plan.shape);
    tensors.push_back(std::move(tensor));
  }

  std::vector<GgufEntry> metadata = source.metadata;
  set(metadata, std::string(kFileTypeKey), GgufValue::of(*file_type_number(mix->name)));
  set(metadata, "general.quantization_version", GgufValue::of(uint32_t{2}));
  std::vector<std::string> tags;
  for (const GgufEntry& entry : metadata)
    if (const auto strings = entry.key == "general.tags" ? entry.value.strings() : std::nullopt)
      for (const std::string_view tag : *strings)
        if (!tag.starts_with("base_model:")) tags.emplace_back(tag);
  tags.push_back("base_model:quantized:" + source.name);
  std::erase_if(metadata, [](const GgufEntry& entry) { return entry.key.starts_with("general.base_model."); });
  set(metadata, "general.base_model.count", GgufValue::of(uint32_t{1}));
  set(metadata, "general.base_model.0.name", GgufValue::of(source.name));
  set(metadata, "general.tags", GgufValue::array(tags));
  if (options.importance)
    set(metadata, "quantize.imatrix.file",
        GgufValue::of(std::filesystem::path(options.importance->source).filename().string()));

  const std::shared_ptr<ThreadPool> pool = ThreadPool::shared(options.threads);
  std::vector<Errors> errors(plans.size());
  std::vector<float> back;
  const auto encode = [&](const Piece& piece) {
    const TensorPlan& to = plans[piece.tensor];
    if (!std::ranges::all_of(piece.values, [](float value) { return std::isfinite(value); }))
      fail(ErrorKind::unsupported, "{}: tensor {}: a value is not finite", source_name, quote(to.name));
    if (is_blocks(to.dtype))
      quantize(*pool, to.dtype, piece.values.data(), piece.rows, to.width(),
               importance_of(options.importance, to, piece.matrix), piece.bytes.data());
    else
      from_float(to.dtype, piece.values, piece.bytes.data());
    back.resize(piece.values.size());
    to_float(to.dtype, piece.bytes.data(), back.data(), static_cast<int64_t>(back.size()));
    errors[piece.tensor].add(piece.values, back);
  };
  const auto written = [&](size_t i, const Progress& progress) {
    errors[i].put_into(tensors[i]);
    if (report) report(tensors[i], progress);
  };
  write_gguf_model(source, target, metadata, plans, encode, written,
                   options.force ? Existing::replaced : Existing::refused);
  return tensors;
}

}  // namespace glassbox
