#include "nn/weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/random.h"
#include "tensor/blocks.h"

namespace glassbox {

namespace {

// "q_proj.weight" -> "q_proj.qweight".
std::string packed_name(const std::string& name, std::string_view last) {
  return name.substr(0, name.rfind('.') + 1) + std::string(last);
}

int32_t int32_at(const RawTensor& raw, int64_t i) {
  int32_t value;
  std::memcpy(&value, raw.bytes.data() + i * 4, sizeof value);
  return value;
}

struct Int4Layout {
  bool awq, zeros_less_one;
  int64_t n, k, group;
  const int32_t* order;  // of inputs, where it is one of their own (k of them), else null
};

// AWQ and GPTQ keep eight values a word, AWQ of neighbouring outputs in an order of its own, GPTQ of neighbouring
// inputs: both as rows of i4 blocks.
Tensor pack_int4(const Int4Layout& in, const RawTensor& q, const RawTensor& zeros, const RawTensor& scales) {
  constexpr int kAwqPlace[8] = {0, 4, 1, 5, 2, 6, 3, 7};  // of each output in its word
  const auto nibble = [](const RawTensor& raw, int64_t word, int64_t place) {
    return static_cast<uint8_t>(static_cast<uint32_t>(int32_at(raw, word)) >> (4 * place) & 15u);
  };
  const auto place = [&](int64_t output) { return in.awq ? kAwqPlace[output % 8] : output % 8; };
  const int64_t blocks = in.k / 32, row_bytes = blocks * 20;
  std::shared_ptr<uint8_t[]> memory(new uint8_t[static_cast<size_t>(in.n * row_bytes)]());
  ThreadPool pool;
  // Eight outputs at a time: they share words of the zero points, and AWQ's of the weights.
  pool.parallel_for(in.n / 8, [&](int64_t eight) {
    for (int64_t output = 8 * eight; output < 8 * eight + 8; ++output)
      for (int64_t block = 0; block < blocks; ++block) {
        uint8_t* to = memory.get() + output * row_bytes + block * 20;
        const int64_t of = block * 32 / in.group;
        std::memcpy(to, scales.bytes.data() + (of * in.n + output) * 2, 2);
        const uint8_t zero = nibble(zeros, of * (in.n / 8) + eight, place(output));
        to[2] = in.zeros_less_one ? (zero + 1) & 15 : zero;
        for (int64_t i = 0; i < 32; ++i) {
          const int64_t input = in.order ? in.order[block * 32 + i] : block * 32 + i;
          const uint8_t value = in.awq ? nibble(q, input * (in.n / 8) + eight, place(output))
                                       : nibble(q, input / 8 * in.n + output, input % 8);
          to[4 + i % 16] = static_cast<uint8_t>(to[4 + i % 16] | value << (i / 16 * 4));
        }
      }
  });
  const void* data = memory.get();
  return Tensor({in.n, in.k}, DType::i4, std::move(memory), data);
}

}  // namespace

bool CheckpointWeights::has(const std::string& name) const {
  if (stored_as_.contains(name)) return true;
  return checkpoint_.find(name) || (name.ends_with(".weight") && checkpoint_.find(packed_name(name, "qweight")));
}

RawTensor CheckpointWeights::raw(const std::string& name) {
  const auto raw = checkpoint_.find(name);
  if (!raw) fail(ErrorKind::bad_file, "{}: expected a tensor {}, there is none", checkpoint_.source(), name);
  used_.insert(name);
  return *raw;
}

WeightSource::Copy CheckpointWeights::copy_of(const std::string& name, const std::string& copy) {
  if (!has(copy)) return Copy::none;
  if (!has(name)) {
    stored_as_[name] = copy;
    return Copy::alone;
  }
  // Packed numbers and those with scales count as others: asked for by their own name, they are right either way.
  const auto one = checkpoint_.find(name), other = checkpoint_.find(copy);
  const bool plain = one && other && one->dtype != DType::f8_e4m3 && one->dtype != DType::f8_e5m2;
  if (!plain || one->dtype != other->dtype || one->shape != other->shape ||
      !std::ranges::equal(one->bytes, other->bytes))
    return Copy::different;
  used_.insert(copy);
  return Copy::equal;
}

Tensor CheckpointWeights::get(const std::string& name, const Shape& shape) {
  if (const auto stored = stored_as_.find(name); stored != stored_as_.end()) return get(stored->second, shape);
  const auto found = checkpoint_.find(name);
  if (!found) {
    if (checkpoint_.find(name + "_blocks")) return mxfp4(name, shape);
    if (has(name)) return int4(name, shape);
    fail(ErrorKind::bad_file, "{}: expected a tensor {} of shape {}, there is none", checkpoint_.source(), name,
         shape.text());
  }
  if (found->shape.size() > 4 || Shape(std::span<const int64_t>(found->shape)) != shape)
    fail(ErrorKind::bad_file, "{}: tensor {}: expected shape {}, got [{}]", checkpoint_.source(), name, shape.text(),
         fmt::join(found->shape, ", "));
  used_.insert(name);
  const Tensor w(shape, found->dtype, found->owner, found->bytes.data());
  switch (found->dtype) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      return w;
    case DType::f8_e4m3:
    case DType::f8_e5m2:
      return with_scales(w, name);
    case DType::f64:
      return rounded(*found, shape);
    default:
      fail(ErrorKind::unsupported, "{}: tensor {}: weights of dtype {} are not supported", checkpoint_.source(), name,
           info(found->dtype).name);
  }
}

// To float32, once, to the nearest: the only weights that are not held as published.
Tensor CheckpointWeights::rounded(const RawTensor& raw, const Shape& shape) const {
  const auto count = static_cast<size_t>(shape.elements());
  auto memory = std::make_shared<std::vector<float>>(count);
  for (size_t i = 0; i < count; ++i) {
    double value;
    std::memcpy(&value, raw.bytes.data() + i * sizeof value, sizeof value);
    (*memory)[i] = static_cast<float>(value);
    if (std::isinf((*memory)[i]) && std::isfinite(value))
      fail(ErrorKind::unsupported, "{}: tensor {}: {} is more than float32 holds", checkpoint_.source(), raw.name,
           value);
  }
  const void* data = memory->data();
  return Tensor(shape, DType::f32, std::move(memory), data);
}

Tensor CheckpointWeights::with_scales(Tensor w, const std::string& name) {
  const auto sizes = w.shape();
  if (sizes.rank() != 2)
    fail(ErrorKind::unsupported, "{}: tensor {}: FP8 of shape {} is not supported: only matrices", checkpoint_.source(),
         name, sizes.text());
  const bool in_blocks = checkpoint_.find(name + "_scale_inv").has_value();
  const std::string scale_name = name + (in_blocks ? "_scale_inv" : "_scale");
  if (!in_blocks && !checkpoint_.find(scale_name)) {
    if (quantization_.method == Quantization::Method::fp8)
      fail(ErrorKind::bad_file, "{}: tensor {}: expected {}_scale_inv or {}_scale beside it, there is none",
           checkpoint_.source(), name, name, name);
    return w;
  }
  const RawTensor raw_scale = raw(scale_name);
  Scales scales{DType::f32, sizes[0], sizes[1], raw_scale.owner, raw_scale.bytes.data()};
  std::vector<int64_t> expected;
  if (in_blocks) {
    if (quantization_.block_rows == 0)
      fail(ErrorKind::bad_file, "{}: tensor {}: expected quantization_config.weight_block_size, there is none",
           checkpoint_.source(), scale_name);
    scales.rows = quantization_.block_rows;
    scales.columns = quantization_.block_columns;
    expected = {(sizes[0] + scales.rows - 1) / scales.rows, (sizes[1] + scales.columns - 1) / scales.columns};
  } else if (raw_scale.bytes.size() / info(raw_scale.dtype).bytes != 1) {
    scales.rows = 1;
    expected = raw_scale.shape.size() == 1 ? std::vector{sizes[0]} : std::vector<int64_t>{sizes[0], 1};
  } else {
    expected = raw_scale.shape;  // a single one, in however many dimensions
  }
  if (raw_scale.shape != expected)
    fail(ErrorKind::bad_file, "{}: tensor {}: expected shape [{}], got [{}]", checkpoint_.source(), scale_name,
         fmt::join(expected, ", "), fmt::join(raw_scale.shape, ", "));
  if (raw_scale.dtype == DType::bf16 || raw_scale.dtype == DType::f16) {
    auto wide = std::make_shared<std::vector<float>>();
    for (size_t i = 0; i < raw_scale.bytes.size(); i += 2) {
      uint16_t bits;
      std::memcpy(&bits, raw_scale.bytes.data() + i, sizeof bits);
      wide->push_back(raw_scale.dtype == DType::bf16 ? bf16_to_f32(bits) : f16_to_f32(bits));
    }
    scales.data = wide->data();
    scales.memory = std::move(wide);
  } else if (raw_scale.dtype != DType::f32) {
    fail(ErrorKind::unsupported, "{}: tensor {}: scales of dtype {} are not supported", checkpoint_.source(),
         scale_name, info(raw_scale.dtype).name);
  }
  // What activations would be quantized by: ours are not (docs/design.md, Numbers).
  if (const auto input = packed_name(name, "input_scale"); checkpoint_.find(input)) used_.insert(input);
  return w.with(std::move(scales));
}

// As gpt-oss publishes experts: NAME_blocks [E, n, k / 32, 16] and NAME_scales [E, n, k / 32], for [E, n, k].
Tensor CheckpointWeights::mxfp4(const std::string& name, const Shape& shape) {
  const RawTensor blocks = raw(name + "_blocks"), scales = raw(name + "_scales");
  const int64_t width = shape[-1];
  std::vector<int64_t> expected(shape.sizes().begin(), shape.sizes().end());
  expected.back() = width / 32;
  const auto demand = [&](const RawTensor& raw, const char* suffix) {
    if (raw.dtype != DType::u8 || raw.shape != expected || width % 32 != 0)
      fail(ErrorKind::bad_file, "{}: tensor {}{}: expected U8 of shape [{}] for {}, got {} of [{}]",
           checkpoint_.source(), name, suffix, fmt::join(expected, ", "), shape.text(), info(raw.dtype).name,
           fmt::join(raw.shape, ", "));
  };
  demand(scales, "_scales");
  expected.push_back(16);
  demand(blocks, "_blocks");
  return Tensor(shape, DType::f4_e2m1, blocks.owner, blocks.bytes.data())
      .with({DType::f8_e8m0, 1, 32, scales.owner, scales.bytes.data()});
}

Tensor CheckpointWeights::int4(const std::string& name, const Shape& shape) {
  const bool awq = quantization_.method == Quantization::Method::awq;
  if (!awq && quantization_.method != Quantization::Method::gptq)
    fail(ErrorKind::unsupported,
         "{}: tensor {}: expected quantization_config of quant_method awq or gptq beside a qweight",
         checkpoint_.source(), name);
  const RawTensor q = raw(packed_name(name, "qweight")), zeros = raw(packed_name(name, "qzeros")),
                  scales = raw(packed_name(name, "scales"));
  if (shape.rank() != 2)
    fail(ErrorKind::bad_file, "{}: tensor {}: expected a matrix, not {}", checkpoint_.source(), name, shape.text());
  const int64_t n = shape[0], k = shape[1], group = quantization_.group == 0 ? k : quantization_.group;
  if (n % 8 != 0 || k % 32 != 0 || group == 0 || k % group != 0)
    fail(ErrorKind::unsupported, "{}: tensor {}: shape {} is no whole number of words and groups of {}",
         checkpoint_.source(), name, shape.text(), group);
  const auto demand = [&](const RawTensor& raw, DType dtype, std::vector<int64_t> expected) {
    if (raw.dtype != dtype || raw.shape != expected)
      fail(raw.shape == expected ? ErrorKind::unsupported : ErrorKind::bad_file,
           "{}: tensor {}: expected {} of shape [{}], got {} of [{}]", checkpoint_.source(), raw.name, info(dtype).name,
           fmt::join(expected, ", "), info(raw.dtype).name, fmt::join(raw.shape, ", "));
  };
  demand(q, DType::i32, awq ? std::vector{k, n / 8} : std::vector{k / 8, n});
  demand(zeros, DType::i32, {k / group, n / 8});
  demand(scales, DType::f16, {k / group, n});
  if (const auto order = packed_name(name, "g_idx"); !awq && checkpoint_.find(order)) {
    const RawTensor groups = raw(order);
    demand(groups, DType::i32, {k});
    // Inputs by their group, and as they come within it: int4 is packed so, and each group has its own scale.
    std::vector<int64_t> members(static_cast<size_t>(k / group));
    std::vector<int32_t> inputs(static_cast<size_t>(k));
    bool moved = false;
    for (int64_t i = 0; i < k; ++i) {
      const int32_t of = int32_at(groups, i);
      if (of < 0 || of >= k / group)
        fail(ErrorKind::bad_file, "{}: tensor {}: expected groups 0 to {}, got {}", checkpoint_.source(), groups.name,
             k / group - 1, of);
      if (members[static_cast<size_t>(of)] == group)
        fail(ErrorKind::bad_file, "{}: tensor {}: expected {} inputs of each group, group {} has more",
             checkpoint_.source(), groups.name, group, of);
      const int64_t place = of * group + members[static_cast<size_t>(of)]++;
      inputs[static_cast<size_t>(place)] = static_cast<int32_t>(i);
      moved |= place != i;
    }
    if (moved)
      return pack_int4({awq, quantization_.zeros_less_one, n, k, group, inputs.data()}, q, zeros, scales)
          .with_input_order(std::move(inputs));
  }
  return pack_int4({awq, quantization_.zeros_less_one, n, k, group, nullptr}, q, zeros, scales);
}

void CheckpointWeights::finish() const {
  std::vector<std::string> unused;
  for (const std::string_view name : checkpoint_.names()) {
    const bool left = std::any_of(left_.begin(), left_.end(), [&](const auto& path) { return name.starts_with(path); });
    // Old checkpoints store the RoPE frequencies that config.json already gives.
    if (!left && !used_.contains(std::string(name)) && !name.ends_with("rotary_emb.inv_freq"))
      unused.emplace_back(name);
  }
  if (unused.empty()) return;
  const size_t total = unused.size();
  if (unused.size() > 3) unused.resize(3);
  fail(ErrorKind::unsupported, "{}: {} tensors are no part of this architecture: {}{}", checkpoint_.source(), total,
       fmt::join(unused, ", "), total > 3 ? ", ..." : "");
}

namespace {

constexpr int64_t kF8Block = 128;

uint64_t f8_scales(const Shape& shape) {
  const auto blocks = [](int64_t n) { return static_cast<uint64_t>((n + kF8Block - 1) / kF8Block); };
  const auto matrices = static_cast<uint64_t>(shape.elements() / std::max<int64_t>(1, shape[-1] * shape[-2]));
  return matrices * blocks(shape[-2]) * blocks(shape[-1]);
}

}  // namespace

DType dtype_in_model(DType dtype, std::string_view name, const Shape& shape) {
  const bool f8 = dtype == DType::f8_e4m3 || dtype == DType::f8_e5m2, f4 = dtype == DType::f4_e2m1;
  if (!f8 && !f4 && !is_blocks(dtype)) return dtype;
  const DType beside = f8 || f4 ? DType::bf16 : dtype == DType::i4 ? DType::f16 : DType::f32;
  const auto ends = [&](std::string_view with) { return name.ends_with(with); };
  if (shape.rank() < 2 || ends(".gate.weight") || ends("router.weight")) return beside;
  const bool table = ends("embed_tokens.weight") || ends("lm_head.weight");
  if ((f8 || dtype == DType::i4) && table) return beside;
  if (f4) return name.find(".experts.") != name.npos && shape[-1] % 32 == 0 && !ends("_bias") ? dtype : beside;
  return f8 ? dtype : fitting_type(dtype, shape[-1]);
}

namespace {

// A made-up checkpoint has all but biases; experts stacked in columns, as some families keep them, only where a row of
// inputs need not lie together.
bool made_up_has(DType dtype, const std::string& name) {
  const bool whole_rows =
      is_blocks(dtype) || dtype == DType::f4_e2m1 || dtype == DType::f8_e4m3 || dtype == DType::f8_e5m2;
  if (whole_rows && (name.ends_with("experts.gate_up_proj") || name.ends_with("experts.down_proj"))) return false;
  return !name.ends_with(".bias");
}

}  // namespace

bool PlannedWeights::has(const std::string& name) const { return made_up_has(dtype_, name); }

Tensor PlannedWeights::get(const std::string& name, const Shape& shape) {
  static constexpr std::byte kNothing{};
  const auto sizes = shape.sizes();
  const DType dtype = dtype_in_model(dtype_, name, shape);
  auto bytes = tensor_bytes(dtype, sizes);
  if (!bytes) fail(ErrorKind::bad_file, "tensor {}: shape {} is no tensor's", name, shape.text());
  if (dtype == DType::f8_e4m3 || dtype == DType::f8_e5m2) *bytes += sizeof(float) * f8_scales(shape);
  if (dtype == DType::f4_e2m1) *bytes += static_cast<uint64_t>(shape.elements()) / 32;
  asked_[name] = {name, dtype, {sizes.begin(), sizes.end()}, 0, *bytes};
  return Tensor(shape, dtype, nullptr, &kNothing);
}

std::vector<const TensorInfo*> PlannedWeights::tensors() const {
  std::vector<const TensorInfo*> all;
  for (const auto& [name, tensor] : asked_) all.push_back(&tensor);
  return all;
}

namespace {

// Types that are read and not written: any bytes are a block. `scale_at`: its float16; `most`: times that, the largest
// weight.
struct ReadType {
  DType type;
  size_t scale_at;
  float most;
};
constexpr ReadType kReadTypes[] = {
    {DType::iq1_s, 0, 17},  {DType::iq1_m, 48, 17},   {DType::iq2_xxs, 0, 167}, {DType::iq2_xs, 0, 167},
    {DType::iq2_s, 0, 167}, {DType::iq3_xxs, 0, 481}, {DType::iq3_s, 0, 465},   {DType::tq1_0, 52, 1},
    {DType::tq2_0, 64, 2},  {DType::nvfp4, 0, 0},     {DType::q1_0, 0, 1},      {DType::q2_0, 0, 2},
};

// Random blocks whose weights are at most some tenth; false if values can be quantized to the type instead.
bool random_blocks(DType type, uint64_t key, std::byte* to, size_t size) {
  const auto read = std::ranges::find(kReadTypes, type, &ReadType::type);
  if (read == std::end(kReadTypes)) return false;
  for (size_t i = 0; i < size; ++i) to[i] = static_cast<std::byte>(philox(key, i)[0]);
  for (size_t block = 0; block < size; block += info(type).bytes) {
    std::byte* at = to + block + read->scale_at;
    if (type == DType::nvfp4) {
      for (int i = 0; i < 4; ++i) at[i] = (at[i] & std::byte{7}) | std::byte{8};
      continue;
    }
    const uint16_t bits = f32_to_f16((0.5f + uniform(key + 1, block)) * 0.05f / read->most);
    if (type == DType::iq1_m)  // four bits above the scales of each four parts
      for (int i = 0; i < 4; ++i)
        at[2 * i + 1] = (at[2 * i + 1] & std::byte{0x0f}) | static_cast<std::byte>(bits >> (4 * i) << 4 & 0xf0);
    else
      std::memcpy(at, &bits, sizeof bits);
  }
  return true;
}

}  // namespace

bool RandomWeights::has(const std::string& name) const { return made_up_has(dtype_, name); }

Tensor RandomWeights::get(const std::string& name, const Shape& shape) {
  if (const auto made = made_.find(name); made != made_.end() && made->second.shape() == shape) return made->second;
  const DType dtype = dtype_in_model(dtype_, name, shape);
  const auto bytes = tensor_bytes(dtype, shape.sizes());
  if (!bytes) fail(ErrorKind::bad_file, "tensor {}: shape {} is no tensor's", name, shape.text());
  std::shared_ptr<std::byte[]> memory(new std::byte[*bytes]);
  // Some rows of random values, then repeated: what matters is that none is zero, tiny or huge.
  constexpr int64_t kPeriod = 1 << 16;
  const int64_t width = shape[-1], rows = std::min(shape.elements() / std::max<int64_t>(1, width), kPeriod / width + 1);
  std::vector<float> values(static_cast<size_t>(rows * width));
  const uint64_t key = key_of(1, name);
  const bool f8 = dtype == DType::f8_e4m3 || dtype == DType::f8_e5m2;
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = shape.rank() == 1 ? 1.0f : (uniform(key, i) - 0.5f) * (f8 ? 480.0f : 0.1f);
  const size_t period = *tensor_bytes(dtype, std::array{rows, width});
  std::byte* to = memory.get();
  const auto put = [&](auto convert) {
    using T = decltype(convert(0.0f));
    for (size_t i = 0; i < values.size(); ++i) {
      const T bits = convert(values[i]);
      std::memcpy(to + i * sizeof bits, &bits, sizeof bits);
    }
  };
  if (random_blocks(dtype, key, to, period)) {
    // Values cannot be quantized to such a type.
  } else if (is_blocks(dtype)) {
    ThreadPool here(1);
    quantize(here, dtype, values.data(), rows, width, nullptr, to);
  } else if (dtype == DType::f32) {
    put([](float x) { return x; });
  } else if (dtype == DType::bf16) {
    put(f32_to_bf16);
  } else if (dtype == DType::f16) {
    put(f32_to_f16);
  } else if (f8) {
    // The upper bits of a float16, of a 256th for e4m3: most of what fills the range, few subnormals, as published.
    const bool e4m3 = dtype == DType::f8_e4m3;
    for (size_t i = 0; i < values.size(); ++i) {
      const uint16_t half = f32_to_f16(values[i] / (e4m3 ? 256.0f : 1.0f));
      to[i] = static_cast<std::byte>(e4m3 ? (half >> 8 & 0x80) | (half >> 7 & 0x7f) : half >> 8);
    }
  } else {
    fail(ErrorKind::unsupported, "random weights of {} are not supported", info(dtype).name);
  }
  for (size_t done = period; done < *bytes; done += period) std::memcpy(to + done, to, std::min(period, *bytes - done));
  const void* data = to;
  Tensor w(shape, dtype, std::move(memory), data);
  if (f8) {
    auto scales = std::make_shared<std::vector<float>>(f8_scales(shape), 0.0004f);
    const void* first = scales->data();
    w = w.with({DType::f32, kF8Block, kF8Block, std::move(scales), first});
  }
  return made_[name] = w;
}

}  // namespace glassbox
