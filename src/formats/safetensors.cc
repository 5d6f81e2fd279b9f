#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/quote.h"

namespace glassbox {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr std::string_view kMetadataKey = "__metadata__";

uint64_t little_endian_64(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  return value;
}

// A whole number that fits: JSON's 1.0 and 1e3 are not whole numbers to the reference reader either.
std::optional<uint64_t> whole(const Json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<uint64_t>();
}

Metadata read_metadata(const Json& value, const std::string& source) {
  if (!value.is_object())
    fail(ErrorKind::bad_file, "{}: __metadata__: expected an object, got {}", source, brief(value));
  Metadata metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string())
      fail(ErrorKind::bad_file, "{}: __metadata__: {}: expected a string, got {}", source, quote(key),
           brief(text));
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

// One entry of the header; offsets stay relative to the data, as written. Whether they fit the file is the
// caller's.
TensorInfo read_entry(const std::string& name, const Json& entry, const std::string& source) {
  const auto wrong = [&](std::string_view key, std::string_view expected, const std::string& got) {
    fail(ErrorKind::bad_file, "{}: tensor {}: {}: expected {}, got {}", source, quote(name), key, expected,
         got);
  };
  if (!entry.is_object()) wrong("entry", "an object", brief(entry));
  for (const auto& [key, value] : entry.items())
    if (key != "dtype" && key != "shape" && key != "data_offsets")
      wrong("entry", "dtype, shape and data_offsets", quote(key));
  for (const char* key : {"dtype", "shape", "data_offsets"})
    if (!entry.contains(key)) wrong("entry", quote(key), "none");

  const Json& dtype = entry["dtype"];
  if (!dtype.is_string()) wrong("dtype", "a string", brief(dtype));
  const std::string& dtype_name = dtype.get_ref<const std::string&>();
  const std::optional<DType> type = dtype_named(dtype_name);
  if (!type || info(*type).name != dtype_name)
    fail(ErrorKind::unsupported, "{}: tensor {}: unknown dtype {}", source, quote(name), quote(dtype_name));

  const Json& shape = entry["shape"];
  if (!shape.is_array()) wrong("shape", "a list", brief(shape));
  TensorInfo info{name, *type, {}, 0, 0};
  info.shape.reserve(shape.size());
  for (const Json& dimension : shape) {
    const std::optional<uint64_t> size = whole(dimension);
    if (!size || *size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      wrong("shape", "whole numbers below 2^63", brief(dimension));
    info.shape.push_back(static_cast<int64_t>(*size));
  }

  const Json& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) wrong("data_offsets", "[begin, end]", brief(offsets));
  const std::optional<uint64_t> begin = whole(offsets[0]), end = whole(offsets[1]);
  if (!begin || !end) wrong("data_offsets", "two whole numbers", brief(offsets));
  if (*end < *begin) wrong("data_offsets", "begin before end", brief(offsets));
  info.offset = *begin;
  info.bytes = *end - *begin;

  const std::optional<uint64_t> needed = tensor_bytes(info.dtype, info.shape);
  if (!needed) wrong("shape", "a size below 2^64 bytes", brief(shape));
  if (*needed != info.bytes)
    wrong("data_offsets", fmt::format("{} bytes for shape {} of {}", *needed, brief(shape), dtype_name),
          fmt::format("{} bytes at {}", info.bytes, brief(offsets)));
  return info;
}

// A copy whose address is aligned to an element, for the rare file that misaligns.
std::shared_ptr<const std::byte> aligned_copy(std::span<const std::byte> bytes) {
  auto* copy = static_cast<std::byte*>(::operator new(bytes.size(), std::align_val_t{64}));
  std::memcpy(copy, bytes.data(), bytes.size());
  return {copy,
          [](const std::byte* at) { ::operator delete(const_cast<std::byte*>(at), std::align_val_t{64}); }};
}

}  // namespace

std::optional<uint64_t> tensor_bytes(DType dtype, std::span<const int64_t> shape) {
  uint64_t values = 1;
  for (const int64_t dimension : shape)
    if (dimension < 0 || __builtin_mul_overflow(values, static_cast<uint64_t>(dimension), &values))
      return std::nullopt;
  const DTypeInfo& type = info(dtype);
  uint64_t bytes;
  if (values % type.block != 0 || __builtin_mul_overflow(values / type.block, uint64_t{type.bytes}, &bytes))
    return std::nullopt;
  return bytes;
}

struct SafeTensors::State {
  std::string source;
  std::span<const std::byte> file;
  std::shared_ptr<const void> owner;
  std::vector<TensorInfo> tensors;
  std::unordered_map<std::string_view, size_t> index;  // views the names of `tensors`
  Metadata metadata;
};

SafeTensors SafeTensors::from_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                    std::string source) {
  auto state = std::make_shared<State>();
  state->source = std::move(source);
  state->file = bytes;
  state->owner = std::move(owner);

  if (bytes.size() < kLengthBytes)
    fail(ErrorKind::bad_file, "{}: byte 0: expected an 8-byte header length, got a file of {} bytes",
         state->source, bytes.size());
  const uint64_t header_bytes = little_endian_64(bytes);
  if (header_bytes > kMaxHeader)
    fail(ErrorKind::bad_file, "{}: byte 0: expected a header of at most {} bytes, got {}", state->source,
         kMaxHeader, header_bytes);
  if (header_bytes > bytes.size() - kLengthBytes)
    fail(ErrorKind::bad_file, "{}: byte 0: header of {} bytes ends after the file's {}: truncated?",
         state->source, header_bytes, bytes.size());
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, header_bytes);
  if (!header.starts_with('{'))
    fail(ErrorKind::bad_file, "{}: byte 8: expected a JSON object, got {}", state->source,
         quote(header.substr(0, 8)));
  const Json json = parse_json(header, state->source, ErrorKind::bad_file, 8);

  for (const auto& [name, entry] : json.items()) {
    if (name == kMetadataKey) {
      state->metadata = read_metadata(entry, state->source);
    } else {
      state->tensors.push_back(read_entry(name, entry, state->source));
    }
  }
  std::sort(state->tensors.begin(), state->tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.offset, a.bytes, a.name) < std::tie(b.offset, b.bytes, b.name);
  });

  // The bytes after the header belong to the tensors, each byte to exactly one.
  const uint64_t data = kLengthBytes + header_bytes, data_bytes = bytes.size() - data;
  uint64_t end = 0;
  for (TensorInfo& tensor : state->tensors) {
    if (tensor.offset != end)
      fail(ErrorKind::bad_file, "{}: tensor {}: {} at byte {}: expected to begin at {}, got {}",
           state->source, quote(tensor.name),
           tensor.offset < end ? "overlaps the tensor before it" : "leaves a hole before it",
           data + std::min(tensor.offset, end), end, tensor.offset);
    if (tensor.bytes > data_bytes - end)
      fail(ErrorKind::bad_file,
           "{}: tensor {}: ends {} bytes past the end of the file at byte {}: truncated?", state->source,
           quote(tensor.name), tensor.bytes - (data_bytes - end), bytes.size());
    tensor.offset += data;
    end += tensor.bytes;
  }
  if (end != data_bytes)
    fail(ErrorKind::bad_file,
         "{}: byte {}: expected the end of the file, got {} bytes that belong to no tensor", state->source,
         data + end, data_bytes - end);

  state->index.reserve(state->tensors.size());
  for (size_t i = 0; i < state->tensors.size(); ++i) state->index.emplace(state->tensors[i].name, i);
  SafeTensors result;
  result.state_ = std::move(state);
  return result;
}

SafeTensors SafeTensors::open(const std::filesystem::path& file) {
  const std::shared_ptr<const MappedFile> mapped = MappedFile::open(file);
  return from_bytes(mapped->bytes(), mapped, file.string());
}

std::optional<RawTensor> SafeTensors::find(std::string_view name) const {
  const auto found = state_->index.find(name);
  if (found == state_->index.end()) return std::nullopt;
  const TensorInfo& tensor = state_->tensors[found->second];
  RawTensor raw{tensor.name, tensor.dtype, tensor.shape, state_->file.subspan(tensor.offset, tensor.bytes),
                state_};
  if (reinterpret_cast<uintptr_t>(raw.bytes.data()) % info(tensor.dtype).bytes != 0) {
    auto both = std::make_shared<std::pair<std::shared_ptr<const State>, std::shared_ptr<const std::byte>>>(
        state_, aligned_copy(raw.bytes));
    raw.bytes = {both->second.get(), raw.bytes.size()};
    raw.owner = std::move(both);
  }
  return raw;
}

const std::vector<TensorInfo>& SafeTensors::tensors() const { return state_->tensors; }

std::vector<std::string_view> SafeTensors::names() const {
  std::vector<std::string_view> names;
  names.reserve(state_->tensors.size());
  for (const TensorInfo& tensor : state_->tensors) names.push_back(tensor.name);
  return names;
}

const Metadata& SafeTensors::metadata() const { return state_->metadata; }
const std::string& SafeTensors::source() const { return state_->source; }

uint64_t SafeTensors::total_bytes() const {
  // Tensors fill the file without holes, so the sum is at most the file's size.
  uint64_t sum = 0;
  for (const TensorInfo& tensor : state_->tensors) sum += tensor.bytes;
  return sum;
}

namespace {

// How the reference writer orders dtypes: wider first, so that every tensor is aligned to its element.
int rank(DType type) {
  constexpr DType kOrder[] = {DType::u64,     DType::i64, DType::f64,     DType::f32,
                              DType::u32,     DType::i32, DType::bf16,    DType::f16,
                              DType::u16,     DType::i16, DType::f8_e8m0, DType::f8_e4m3,
                              DType::f8_e5m2, DType::i8,  DType::u8,      DType::boolean};
  return static_cast<int>(std::find(std::begin(kOrder), std::end(kOrder), type) - std::begin(kOrder));
}

}  // namespace

void write_safetensors(const std::filesystem::path& file, std::span<const RawTensor> tensors,
                       const Metadata& metadata) {
  std::vector<const RawTensor*> order;
  for (const RawTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const RawTensor* a, const RawTensor* b) {
    return std::pair(rank(a->dtype), a->name) < std::pair(rank(b->dtype), b->name);
  });

  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kMetadataKey)] = metadata;
  uint64_t end = 0;
  for (const RawTensor* tensor : order) {
    const std::string name(tensor->name);
    if (name == kMetadataKey)
      fail(ErrorKind::bad_request, "{}: a tensor cannot be named {}", file.string(), name);
    if (tensor_bytes(tensor->dtype, tensor->shape) != tensor->bytes.size())
      fail(ErrorKind::bad_request, "{}: tensor {}: {} bytes do not fit shape {} of {}", file.string(),
           quote(name), tensor->bytes.size(), dump_json(tensor->shape), info(tensor->dtype).name);
    const uint64_t begin = end;
    end += tensor->bytes.size();
    header.push_back(
        {name,
         {{"dtype", info(tensor->dtype).name}, {"shape", tensor->shape}, {"data_offsets", {begin, end}}}});
  }
  std::vector<std::string_view> names;
  for (const RawTensor* tensor : order) names.push_back(tensor->name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
    fail(ErrorKind::bad_request, "{}: tensor {} given twice", file.string(), quote(*twice));

  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::bad_request, "{}: a name or metadata is not UTF-8", file.string());
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string start(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) start[i] = static_cast<char>(uint64_t{text.size()} >> (8 * i));
  start += text;

  std::vector<std::span<const std::byte>> pieces{std::as_bytes(std::span(start))};
  for (const RawTensor* tensor : order) pieces.push_back(tensor->bytes);
  write_file(file, pieces);
}

}  // namespace glassbox
