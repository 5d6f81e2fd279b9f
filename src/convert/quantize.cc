#include "convert/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/quote.h"
#include "base/threads.h"
#include "convert/gguf_source.h"
#include "formats/gguf_file_type.h"
#include "formats/shipped.h"
#include "tensor/blocks.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

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
      for (const GgufEntry& entry : source.metadata()) {
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
    seventy_ = layers_ == 80 && heads != kv_heads;
    for (const GgufEntry& entry : source.metadata())
      if (entry.key == "general.architecture") seventy_ &= entry.value.string() == "llama";
    for (const TensorPlan& tensor : source.tensors()) {
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
    if (is("MXFP4_MOE") || width_of(tensor) % static_cast<int64_t>(info(mix_.type).block) != 0) return DType::q8_0;
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
    if (seventy_ && (type == DType::q3_k || type == DType::q4_k)) type = DType::q5_k;
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
  bool importance_, tied_ = true, seventy_ = false;
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
};

void check_importance(const Importance& importance, const TensorPlan& tensor, const Importance::Inputs& inputs) {
  const int64_t experts = tensor.shape.size() == 3 ? tensor.shape[0] : 1;
  if (inputs.experts != experts || static_cast<int64_t>(inputs.mean_square.size()) != experts * width_of(tensor))
    fail(ErrorKind::bad_file, "{}: {}: expected {} values, got {}", importance.source, quote(tensor.name),
         experts * width_of(tensor), inputs.mean_square.size());
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
  std::vector<fs::path> inputs;
  if (!shipped_model(source_name))
    inputs = is_gguf_file(source_name) ? gguf_files(source_name) : std::vector<fs::path>{source_name};
  if (options.importance) inputs.emplace_back(options.importance->source);
  check_output(target, inputs, options.force);
  const GgufSource source = GgufSource::open(source_name, options.ignore_keys);

  Chooser choose(*mix, source, options.importance.has_value());
  std::vector<TensorPlan> plans = source.tensors();
  std::vector<QuantizedTensor> tensors;
  Progress so_far;
  for (TensorPlan& plan : plans) {
    QuantizedTensor tensor{plan.name, plan.dtype, plan.dtype, {}, 0, 0, 0, 0};
    if (is_quantized(plan)) {
      const DType chosen = choose(plan);
      tensor.type = fitting_type(chosen, width_of(plan));
      if (tensor.type != chosen) tensor.instead_of = chosen;
    } else {
      tensor.type = DType::f32;
    }
    plan.dtype = tensor.type;
    tensor.bytes = *tensor_bytes(plan.dtype, plan.shape);
    so_far.total += tensor.bytes;
    tensors.push_back(std::move(tensor));
  }

  std::vector<GgufEntry> metadata = source.metadata();
  set(metadata, std::string(kFileTypeKey), GgufValue::of(*file_type_number(mix->name)));
  set(metadata, "general.quantization_version", GgufValue::of(uint32_t{2}));
  std::vector<std::string> tags;
  for (const GgufEntry& entry : metadata)
    if (const auto said = entry.key == "general.tags" ? entry.value.strings() : std::nullopt)
      for (const std::string_view tag : *said)
        if (!tag.starts_with("base_model:")) tags.emplace_back(tag);
  tags.push_back("base_model:quantized:" + source.name());
  std::erase_if(metadata, [](const GgufEntry& entry) { return entry.key.starts_with("general.base_model."); });
  set(metadata, "general.base_model.count", GgufValue::of(uint32_t{1}));
  set(metadata, "general.base_model.0.name", GgufValue::of(source.name()));
  set(metadata, "general.tags", GgufValue::array(tags));
  if (options.importance)
    set(metadata, "quantize.imatrix.file", GgufValue::of(fs::path(options.importance->source).filename().string()));

  ThreadPool pool(options.threads);
  write_gguf(
      target, metadata, plans,
      [&](size_t i, const AppendBytes& append) {
        const TensorPlan &from = source.tensors()[i], &to = plans[i];
        const int64_t rows = rows_of(to), width = width_of(to);
        const int64_t experts = to.shape.size() == 3 ? to.shape[0] : 1, rows_of_expert = rows / experts;
        const bool as_is = from.dtype == to.dtype && source.as_stored(i);
        const Importance::Inputs* inputs = nullptr;
        if (options.importance && is_blocks(to.dtype)) {
          const auto found = options.importance->of.find(to.name);
          if (found != options.importance->of.end()) {
            inputs = &found->second;
            check_importance(*options.importance, to, *inputs);
          }
        }
        Errors errors;
        std::vector<float> values, back;
        std::vector<std::byte> bytes;
        const int64_t step = std::max<int64_t>(1, (int64_t{1} << 20) / width);
        const size_t row_bytes = static_cast<size_t>(width) / info(to.dtype).block * info(to.dtype).bytes;
        for (int64_t r = 0; r < rows;) {
          const int64_t expert = r / rows_of_expert;
          const int64_t count = std::min(step, (expert + 1) * rows_of_expert - r);
          if (as_is) {
            source.copy(i, r, count, append);
          } else {
            values.resize(static_cast<size_t>(count * width));
            back.resize(values.size());
            bytes.resize(static_cast<size_t>(count) * row_bytes);
            source.read(i, r, count, values.data());
            for (const float value : values)
              if (!std::isfinite(value))
                fail(ErrorKind::unsupported, "{}: tensor {}: a value is not finite", source_name, quote(to.name));
            if (is_blocks(to.dtype))
              quantize(pool, to.dtype, values.data(), count, width,
                       inputs ? inputs->mean_square.data() + expert * width : nullptr, bytes.data());
            else
              from_float(to.dtype, values, bytes.data());
            append(bytes);
            to_float(to.dtype, bytes, back.data(), count * width);
            errors.add(values, back);
          }
          r += count;
        }
        source.release(i);
        QuantizedTensor& tensor = tensors[i];
        if (errors.count > 0) {
          tensor.rms = std::sqrt(errors.squared / static_cast<double>(errors.count));
          tensor.relative = errors.source_squared > 0 ? std::sqrt(errors.squared / errors.source_squared) : 0;
          tensor.largest = errors.largest;
        }
        so_far.tensor = to.name;
        so_far.done += tensor.bytes;
        if (report) report(tensor, so_far);
      },
      options.force ? Existing::replaced : Existing::refused);
  return tensors;
}

Importance Importance::open(const fs::path& file) {
  Importance importance;
  importance.source = file.string();
  const std::shared_ptr<const MappedFile> mapped = MappedFile::open(file);
  const std::span<const std::byte> bytes = mapped->bytes();
  if (bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0) {
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
  } else {
    // How many entries, each a length and a name, how many calls, how many values, the values.
    size_t at = 0;
    const auto take = [&](size_t count) {
      if (count > bytes.size() - at)
        fail(ErrorKind::bad_file, "{}: byte {}: expected {} more bytes: truncated, or no importance file",
             file.string(), at, count);
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
