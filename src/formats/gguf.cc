#include "formats/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "base/mapped_file.h"
#include "base/quote.h"

namespace glassbox {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint32_t kVersion = 3;
constexpr std::string_view kAlignmentKey = "general.alignment";
// A model in several files: which this is, from 0, how many there are, and how many tensors all have.
constexpr std::string_view kPartPrefix = "split.", kPartNumber = "split.no", kPartCount = "split.count",
                           kPartTensors = "split.tensors.count";
constexpr uint64_t kAlignment = 32;       // where the file does not say
constexpr uint64_t kMaxRank = 4;          // as ggml has it
constexpr uint64_t kMaxName = 1024;       // bytes of a tensor's name: ggml itself stops at 64
constexpr uint64_t kMaxKey = 65535;       // the format's own limit
constexpr int kMaxDepth = 4;              // of arrays within arrays; published files have 1
constexpr uint64_t kSmallestEntry = 14;   // bytes: key of one letter, type, value of one byte
constexpr uint64_t kSmallestTensor = 33;  // bytes: name of one letter, one dimension, type, offset

struct TensorType {
  uint32_t number;
  std::string_view name;
  std::optional<DType> dtype;  // nothing: known by name only, to refuse it by
};

constexpr TensorType kTensorTypes[] = {
    {0, "F32", DType::f32},        {1, "F16", DType::f16},          {2, "Q4_0", DType::q4_0},
    {3, "Q4_1", DType::q4_1},      {6, "Q5_0", DType::q5_0},        {7, "Q5_1", DType::q5_1},
    {8, "Q8_0", DType::q8_0},      {9, "Q8_1", std::nullopt},       {10, "Q2_K", DType::q2_k},
    {11, "Q3_K", DType::q3_k},     {12, "Q4_K", DType::q4_k},       {13, "Q5_K", DType::q5_k},
    {14, "Q6_K", DType::q6_k},     {15, "Q8_K", DType::q8_k},       {16, "IQ2_XXS", DType::iq2_xxs},
    {17, "IQ2_XS", DType::iq2_xs}, {18, "IQ3_XXS", DType::iq3_xxs}, {19, "IQ1_S", DType::iq1_s},
    {20, "IQ4_NL", DType::iq4_nl}, {21, "IQ3_S", DType::iq3_s},     {22, "IQ2_S", DType::iq2_s},
    {23, "IQ4_XS", DType::iq4_xs}, {24, "I8", DType::i8},           {25, "I16", DType::i16},
    {26, "I32", DType::i32},       {27, "I64", DType::i64},         {28, "F64", DType::f64},
    {29, "IQ1_M", DType::iq1_m},   {30, "BF16", DType::bf16},       {34, "TQ1_0", DType::tq1_0},
    {35, "TQ2_0", DType::tq2_0},   {39, "MXFP4", DType::mxfp4},     {40, "NVFP4", DType::nvfp4},
    {41, "Q1_0", DType::q1_0},     {42, "Q2_0", DType::q2_0},
};

const TensorType* tensor_type(uint32_t number) {
  const auto found = std::ranges::find(kTensorTypes, number, &TensorType::number);
  return found == std::end(kTensorTypes) ? nullptr : &*found;
}

// To the next multiple of a power of two; nothing if that overflows.
std::optional<uint64_t> aligned(uint64_t value, uint64_t alignment) {
  uint64_t sum;
  if (__builtin_add_overflow(value, alignment - 1, &sum)) return std::nullopt;
  return sum & ~(alignment - 1);
}

bool fits_alignment(uint64_t alignment) { return alignment >= 8 && std::has_single_bit(alignment); }

// Walks the head of a file. Every step checks that what it reads is there.
class Reader {
 public:
  Reader(std::span<const std::byte> file, const std::string& source) : file_(file), source_(source) {}

  uint64_t at() const { return at_; }
  uint64_t left() const { return file_.size() - at_; }

  template <class T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, bytes(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::string_view text(uint64_t longest, std::string_view what) {
    const uint64_t start = at_;
    const auto size = number<uint64_t>(what);
    if (size > longest)
      fail(ErrorKind::bad_file, "{}: byte {}: {}: expected at most {} bytes of text, got {}", source_, start, what,
           longest, size);
    const auto text = bytes(size, what);
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }

  std::span<const std::byte> bytes(uint64_t count, std::string_view what) {
    if (count > left())
      fail(ErrorKind::bad_file, "{}: byte {}: {}: expected {} bytes, the file has {} more: truncated?", source_, at_,
           what, count, left());
    const auto bytes = file_.subspan(at_, count);
    at_ += count;
    return bytes;
  }

  // Steps over one value, checking all of it.
  void value(GgufType type, const std::string& what, int depth = 0);
  GgufType type(const std::string& what) {
    const uint64_t start = at_;
    const auto number = this->number<uint32_t>(what);
    if (number > static_cast<uint32_t>(GgufType::f64))
      fail(ErrorKind::bad_file, "{}: byte {}: {}: expected a type of value from 0 to 12, got {}", source_, start, what,
           number);
    return static_cast<GgufType>(number);
  }

 private:
  std::span<const std::byte> file_;
  const std::string& source_;
  uint64_t at_ = 0;
};

void Reader::value(GgufType type, const std::string& what, int depth) {
  const uint64_t start = at_;
  if (type == GgufType::boolean) {
    if (const auto value = number<uint8_t>(what); value > 1)
      fail(ErrorKind::bad_file, "{}: byte {}: {}: expected a bool of 0 or 1, got {}", source_, start, what, value);
  } else if (const auto size = fixed_size(type)) {
    bytes(*size, what);
  } else if (type == GgufType::string) {
    bytes(number<uint64_t>(what), what);
  } else {
    if (depth == kMaxDepth)
      fail(ErrorKind::bad_file, "{}: byte {}: {}: expected arrays at most {} deep", source_, start, what, kMaxDepth);
    const GgufType element = this->type(what);
    const auto count = number<uint64_t>(what);
    const uint64_t smallest = fixed_size(element).value_or(element == GgufType::string ? 8 : 12);
    if (count > left() / smallest)
      fail(ErrorKind::bad_file, "{}: byte {}: {}: {} values of {} do not fit the {} bytes that are left", source_,
           start, what, count, name_of(element), left());
    if (element != GgufType::boolean && fixed_size(element)) {
      bytes(count * smallest, what);
    } else {
      for (uint64_t i = 0; i < count; ++i) value(element, what, depth + 1);
    }
  }
}

template <class T>
struct Expected;  // what people call it
template <>
struct Expected<int64_t> {
  static constexpr std::string_view name = "a whole number";
};
template <>
struct Expected<double> {
  static constexpr std::string_view name = "a number";
};
template <>
struct Expected<bool> {
  static constexpr std::string_view name = "true or false";
};
template <>
struct Expected<std::string_view> {
  static constexpr std::string_view name = "a string";
};
template <>
struct Expected<std::vector<std::string_view>> {
  static constexpr std::string_view name = "an array of strings";
};
template <>
struct Expected<std::vector<int64_t>> {
  static constexpr std::string_view name = "an array of whole numbers";
};
template <>
struct Expected<std::vector<double>> {
  static constexpr std::string_view name = "an array of numbers";
};

template <class T>
std::optional<T> typed(const Gguf& file, std::string_view key, std::optional<T> (GgufValue::*read)() const) {
  const GgufValue* value = file.find(key);
  if (!value) return std::nullopt;
  auto result = (value->*read)();
  if (!result)
    fail(ErrorKind::bad_file, "{}: {}: expected {}, got {} ({})", file.source(), quote(key), Expected<T>::name,
         value->text(), name_of(value->type()));
  return result;
}

// How the name of part `index`, from 0, ends.
std::string part_suffix(int64_t index, int64_t count) { return fmt::format("-{:05}-of-{:05}.gguf", index + 1, count); }

template <class T>
void append_number(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void append_text(std::string& bytes, std::string_view text) {
  append_number(bytes, uint64_t{text.size()});
  bytes += text;
}

}  // namespace

bool has_gguf_ending(const std::filesystem::path& file) {
  std::string ending = file.extension().string();
  for (char& c : ending)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return ending == ".gguf";
}

bool is_gguf_file(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) return false;
  if (has_gguf_ending(file)) return true;
  if (!std::filesystem::is_regular_file(file, ignored)) return false;
  char magic[kMagic.size()] = {};
  std::ifstream(file, std::ios::binary).read(magic, sizeof magic);
  return std::string_view(magic, sizeof magic) == kMagic;
}

std::string gguf_stem(const std::filesystem::path& file) {
  std::string name = file.filename().string();
  if (has_gguf_ending(file)) name = file.stem().string();
  const auto digits = [&](size_t from) {
    return std::all_of(name.begin() + from, name.begin() + from + 5, [](char c) { return c >= '0' && c <= '9'; });
  };
  constexpr size_t kNumbers = 15;  // -00001-of-00002
  if (name.size() <= kNumbers) return name;
  const size_t at = name.size() - kNumbers;
  if (name[at] == '-' && digits(at + 1) && name.substr(at + 6, 4) == "-of-" && digits(at + 10)) name.resize(at);
  return name;
}

std::vector<std::filesystem::path> gguf_files(const std::filesystem::path& file) {
  const std::string stem = gguf_stem(file), name = file.filename().string();
  constexpr size_t kCount = 10;  // 00002.gguf
  if (!name.ends_with(".gguf") || name.size() <= stem.size() + kCount) return {file};
  const int64_t count = std::stoll(name.substr(name.size() - kCount, 5));  // digits: gguf_stem() took them off
  std::vector<std::filesystem::path> files;
  for (int64_t i = 0; i < count; ++i) files.push_back(file.parent_path() / (stem + part_suffix(i, count)));
  return files;
}

std::optional<uint32_t> gguf_type_of(DType dtype) {
  for (const TensorType& type : kTensorTypes)
    if (type.dtype == dtype) return type.number;
  return std::nullopt;
}

std::optional<DType> dtype_of_gguf(uint32_t type) {
  const TensorType* known = tensor_type(type);
  return known ? known->dtype : std::nullopt;
}

struct Gguf::State {
  std::string source;
  std::span<const std::byte> file;
  std::shared_ptr<const void> owner;
  std::shared_ptr<const MappedFile> mapped;  // null: bytes of someone else's
  uint32_t version = 0;
  uint64_t alignment = kAlignment;
  std::vector<GgufEntry> metadata;
  std::unordered_map<std::string_view, size_t> entry_of;
  std::vector<TensorInfo> tensors;
  std::unordered_map<std::string_view, size_t> tensor_of;
  std::vector<Gguf> parts;      // of a model in several files, whose `file` is empty
  std::vector<size_t> part_of;  // each of `tensors`

  void read();
  void read_metadata(Reader& reader, uint64_t count);
  void read_tensors(Reader& reader, uint64_t count);
  void place_tensors(uint64_t head);
};

void Gguf::State::read() {
  Reader reader(file, source);
  const auto magic = reader.bytes(kMagic.size(), "magic");
  if (std::memcmp(magic.data(), kMagic.data(), kMagic.size()) != 0)
    fail(ErrorKind::bad_file, "{}: byte 0: expected \"GGUF\", got {}", source,
         quote({reinterpret_cast<const char*>(magic.data()), magic.size()}));
  version = reader.number<uint32_t>("version");
  if ((version & 0xffff) == 0 && version != 0)
    fail(ErrorKind::unsupported, "{}: a big-endian GGUF file is not supported", source);
  if (version != 2 && version != kVersion)
    fail(ErrorKind::unsupported, "{}: GGUF version {} is not supported: expected 2 or {}", source, version, kVersion);
  const auto tensor_count = reader.number<uint64_t>("count of tensors");
  const auto entry_count = reader.number<uint64_t>("count of metadata");
  if (entry_count > reader.left() / kSmallestEntry)
    fail(ErrorKind::bad_file, "{}: byte 16: {} entries of metadata do not fit a file of {} bytes", source, entry_count,
         file.size());
  read_metadata(reader, entry_count);
  if (tensor_count > reader.left() / kSmallestTensor)
    fail(ErrorKind::bad_file, "{}: byte 8: {} tensors do not fit a file of {} bytes", source, tensor_count,
         file.size());
  read_tensors(reader, tensor_count);
  place_tensors(reader.at());
}

void Gguf::State::read_metadata(Reader& reader, uint64_t count) {
  metadata.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t start = reader.at();
    const auto key = reader.text(kMaxKey, fmt::format("key {}", i));
    if (key.empty()) fail(ErrorKind::bad_file, "{}: byte {}: key {} is empty", source, start, i);
    const std::string what = quote(key);
    const GgufType type = reader.type(what);
    const uint64_t begin = reader.at();
    reader.value(type, what);
    metadata.push_back({std::string(key), GgufValue(type, file.subspan(begin, reader.at() - begin), owner)});
  }
  entry_of.reserve(count);
  for (size_t i = 0; i < metadata.size(); ++i)
    if (!entry_of.emplace(metadata[i].key, i).second)
      fail(ErrorKind::bad_file, "{}: key {} given twice", source, quote(metadata[i].key));
  if (const auto found = entry_of.find(kAlignmentKey); found != entry_of.end()) {
    const GgufValue& value = metadata[found->second].value;
    const auto given = value.type() == GgufType::u32 ? value.integer() : std::nullopt;
    if (!given || !fits_alignment(static_cast<uint64_t>(*given)))
      fail(ErrorKind::bad_file, "{}: {}: expected a power of two from 8 (u32), got {} ({})", source, kAlignmentKey,
           value.text(), name_of(value.type()));
    alignment = static_cast<uint64_t>(*given);
  }
}

void Gguf::State::read_tensors(Reader& reader, uint64_t count) {
  tensors.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t start = reader.at();
    const auto name = reader.text(kMaxName, fmt::format("name of tensor {}", i));
    if (name.empty()) fail(ErrorKind::bad_file, "{}: byte {}: tensor {} has no name", source, start, i);
    const std::string what = "tensor " + quote(name);
    const auto rank = reader.number<uint32_t>(what);
    if (rank == 0 || rank > kMaxRank)
      fail(ErrorKind::bad_file, "{}: byte {}: {}: expected 1 to {} dimensions, got {}", source, start, what, kMaxRank,
           rank);
    std::vector<int64_t> shape(rank);
    for (uint32_t d = 0; d < rank; ++d) {
      const auto size = reader.number<int64_t>(what);
      if (size <= 0)
        fail(ErrorKind::bad_file, "{}: byte {}: {}: expected dimensions of at least 1, got {}", source, start, what,
             size);
      shape[rank - 1 - d] = size;
    }
    const auto number = reader.number<uint32_t>(what);
    const TensorType* type = tensor_type(number);
    if (!type) fail(ErrorKind::unsupported, "{}: byte {}: {}: unknown tensor type {}", source, start, what, number);
    if (!type->dtype) fail(ErrorKind::unsupported, "{}: {}: tensor type {} is not supported", source, what, type->name);
    const auto bytes = tensor_bytes(*type->dtype, shape);
    if (!bytes)
      fail(ErrorKind::bad_file, "{}: byte {}: {}: shape [{}] is none that {} can have", source, start, what,
           fmt::join(shape, ", "), type->name);
    const auto offset = reader.number<uint64_t>(what);
    if (offset % alignment != 0)
      fail(ErrorKind::bad_file, "{}: byte {}: {}: expected an offset that {} divides, got {}", source, start, what,
           alignment, offset);
    tensors.push_back({std::string(name), *type->dtype, std::move(shape), offset, *bytes});
  }
  tensor_of.reserve(count);
  for (size_t i = 0; i < tensors.size(); ++i)
    if (!tensor_of.emplace(tensors[i].name, i).second)
      fail(ErrorKind::bad_file, "{}: tensor {} given twice", source, quote(tensors[i].name));
}

// Offsets count from the data, which begins at the next aligned byte after the head. Tensors follow one another with
// nothing but padding between and behind: bytes that belong to no tensor would be there for someone else.
void Gguf::State::place_tensors(uint64_t head) {
  const auto data = aligned(head, alignment);
  if (!data || (*data > file.size() && !tensors.empty()))
    fail(ErrorKind::bad_file, "{}: byte {}: the file of {} bytes ends before its tensors: truncated?", source, head,
         file.size());
  std::vector<TensorInfo*> order;
  for (TensorInfo& tensor : tensors) order.push_back(&tensor);
  std::ranges::stable_sort(order, {}, &TensorInfo::offset);
  uint64_t end = head;                           // in the file, of what has been placed
  uint64_t next = std::min(*data, file.size());  // where the next tensor is due
  for (TensorInfo* tensor : order) {
    uint64_t begin, last;
    if (__builtin_add_overflow(*data, tensor->offset, &begin) || __builtin_add_overflow(begin, tensor->bytes, &last) ||
        last > file.size())
      fail(ErrorKind::bad_file, "{}: tensor {}: {} bytes at offset {} end after the file's {}: truncated?", source,
           quote(tensor->name), tensor->bytes, tensor->offset, file.size());
    if (begin != next)
      fail(ErrorKind::bad_file, "{}: tensor {}: expected at byte {}, where {} ends, got {}", source,
           quote(tensor->name), next, tensor == order[0] ? "the table" : "the tensor before it", begin);
    tensor->offset = begin;
    end = last;
    next = aligned(last, alignment).value_or(file.size());
  }
  if (file.size() > std::max(end, next))
    fail(ErrorKind::bad_file, "{}: byte {}: expected the end of the file, got {} bytes that belong to no tensor",
         source, next, file.size() - next);
}

Gguf Gguf::read(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string source,
                std::shared_ptr<const MappedFile> mapped) {
  check(reinterpret_cast<uintptr_t>(bytes.data()) % 8 == 0, "the file is aligned to 8 bytes");
  auto state = std::make_shared<State>();
  state->source = std::move(source);
  state->file = bytes;
  state->owner = std::move(owner);
  state->mapped = std::move(mapped);
  state->read();
  Gguf result;
  result.state_ = std::move(state);
  return result;
}

Gguf Gguf::from_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string source) {
  return read(bytes, std::move(owner), std::move(source), nullptr);
}

Gguf Gguf::open_file(const std::filesystem::path& file) {
  const std::shared_ptr<const MappedFile> mapped = MappedFile::open(file);
  Gguf opened = read(mapped->bytes(), mapped, file.string(), mapped);
  mapped->check_whole();
  return opened;
}

Gguf Gguf::open(const std::filesystem::path& file) {
  Gguf given = open_file(file);
  const int64_t count = given.integer(kPartCount).value_or(1);
  if (count <= 1) return given;
  const int64_t index = given.integer(kPartNumber).value_or(-1);
  if (index < 0 || index >= count)
    fail(ErrorKind::bad_file, "{}: {}: expected 0 to {}, got {}", file.string(), kPartNumber, count - 1, index);
  const std::string name = file.filename().string(), suffix = part_suffix(index, count);
  if (!name.ends_with(suffix))
    fail(ErrorKind::bad_file,
         "{}: part {} of {} of a model: expected a name that ends in {}, by which the others are found", file.string(),
         index + 1, count, suffix);
  const std::string prefix = name.substr(0, name.size() - suffix.size());
  std::vector<Gguf> parts;
  for (int64_t i = 0; i < count; ++i) {
    const auto beside = file.parent_path() / (prefix + part_suffix(i, count));
    if (i != index && !std::filesystem::exists(beside))
      fail(ErrorKind::not_found, "{}: expected part {} of {} of the model, found no such file", beside.string(), i + 1,
           count);
    parts.push_back(i == index ? given : open_file(beside));
  }
  return joined(std::move(parts));
}

Gguf Gguf::joined(std::vector<Gguf> parts) {
  check(!parts.empty(), "a model of no parts");
  auto state = std::make_shared<State>();
  const Gguf& first = parts[0];
  state->source = first.source();
  state->version = first.version();
  for (size_t p = 0; p < parts.size(); ++p) {
    const Gguf& part = parts[p];
    const auto same = [&](std::string_view key, uint64_t expected) {
      if (const auto got = part.integer(key); !got || static_cast<uint64_t>(*got) != expected)
        fail(ErrorKind::bad_file, "{}: part {} of {}: {}: expected {}, got {}", part.source(), p + 1, parts.size(), key,
             expected, got ? fmt::format("{}", *got) : "none");
    };
    same(kPartNumber, p);
    same(kPartCount, parts.size());
    for (const auto& [key, value] : part.metadata()) {
      if (key.starts_with(kPartPrefix)) continue;
      if (p == 0)
        state->metadata.push_back({key, value});
      else if (const GgufValue* known = first.find(key); key != kAlignmentKey && (!known || !(*known == value)))
        fail(ErrorKind::bad_file, "{}: {}: expected {} as in the first part, got {}", part.source(), quote(key),
             known ? known->text() : "no such key", value.text());
    }
    state->tensors.insert(state->tensors.end(), part.tensors().begin(), part.tensors().end());
    state->part_of.resize(state->tensors.size(), p);
  }
  for (size_t i = 0; i < state->metadata.size(); ++i) state->entry_of.emplace(state->metadata[i].key, i);
  for (size_t i = 0; i < state->tensors.size(); ++i)
    if (const auto [before, fresh] = state->tensor_of.emplace(state->tensors[i].name, i); !fresh)
      fail(ErrorKind::bad_file, "{}: tensor {}: {} has it too", parts[state->part_of[i]].source(),
           quote(state->tensors[i].name), parts[state->part_of[before->second]].source());
  for (const Gguf& part : parts)
    if (const auto all = part.integer(kPartTensors); all && static_cast<uint64_t>(*all) != state->tensors.size())
      fail(ErrorKind::bad_file, "{}: {}: expected {} tensors in {} parts, got {}", part.source(), kPartTensors, *all,
           parts.size(), state->tensors.size());
  state->parts = std::move(parts);
  Gguf result;
  result.state_ = std::move(state);
  return result;
}

Gguf Gguf::planned(std::span<const GgufEntry> metadata, std::span<const TensorPlan> tensors, std::string source) {
  auto state = std::make_shared<State>();
  state->source = std::move(source);
  state->version = kVersion;
  state->metadata.assign(metadata.begin(), metadata.end());
  for (size_t i = 0; i < metadata.size(); ++i) state->entry_of.emplace(state->metadata[i].key, i);
  for (const TensorPlan& tensor : tensors) state->tensors.push_back({tensor.name, tensor.dtype, tensor.shape, 0, 0});
  for (size_t i = 0; i < tensors.size(); ++i) state->tensor_of.emplace(state->tensors[i].name, i);
  Gguf result;
  result.state_ = std::move(state);
  return result;
}

void Gguf::release(std::span<const std::byte> bytes) const {
  for (const Gguf& part : state_->parts) {
    const auto whole = part.state_->file;
    if (!std::less<>()(bytes.data(), whole.data()) && std::less<>()(bytes.data(), whole.data() + whole.size()))
      return part.release(bytes);
  }
  if (state_->mapped) state_->mapped->release(bytes);
}

const GgufValue* Gguf::find(std::string_view key) const {
  const auto found = state_->entry_of.find(key);
  return found == state_->entry_of.end() ? nullptr : &state_->metadata[found->second].value;
}

const std::vector<GgufEntry>& Gguf::metadata() const { return state_->metadata; }

std::optional<int64_t> Gguf::integer(std::string_view key) const { return typed(*this, key, &GgufValue::integer); }
std::optional<double> Gguf::number(std::string_view key) const { return typed(*this, key, &GgufValue::number); }
std::optional<bool> Gguf::boolean(std::string_view key) const { return typed(*this, key, &GgufValue::boolean); }
std::optional<std::string> Gguf::string(std::string_view key) const {
  const auto text = typed(*this, key, &GgufValue::string);
  return text ? std::optional<std::string>(*text) : std::nullopt;
}
std::optional<std::vector<std::string_view>> Gguf::strings(std::string_view key) const {
  return typed(*this, key, &GgufValue::strings);
}
std::optional<std::vector<int64_t>> Gguf::integers(std::string_view key) const {
  return typed(*this, key, &GgufValue::integers);
}
std::optional<std::vector<double>> Gguf::numbers(std::string_view key) const {
  return typed(*this, key, &GgufValue::numbers);
}

std::optional<RawTensor> Gguf::tensor(std::string_view name) const {
  const auto found = state_->tensor_of.find(name);
  if (found == state_->tensor_of.end()) return std::nullopt;
  if (!state_->parts.empty()) return state_->parts[state_->part_of[found->second]].tensor(name);
  const TensorInfo& tensor = state_->tensors[found->second];
  return RawTensor{tensor.name, tensor.dtype, tensor.shape, state_->file.subspan(tensor.offset, tensor.bytes), state_};
}

const std::vector<TensorInfo>& Gguf::tensors() const { return state_->tensors; }
uint32_t Gguf::version() const { return state_->version; }
const std::string& Gguf::source() const { return state_->source; }
size_t Gguf::files() const { return std::max<size_t>(1, state_->parts.size()); }

uint64_t Gguf::total_bytes() const {
  uint64_t sum = 0;
  for (const TensorInfo& tensor : state_->tensors) sum += tensor.bytes;
  return sum;
}

void write_gguf(const std::filesystem::path& file, std::span<const GgufEntry> metadata,
                std::span<const TensorPlan> tensors,
                const std::function<void(size_t index, const AppendBytes& append)>& write, Existing existing) {
  uint64_t alignment = kAlignment;
  std::set<std::string_view> seen;
  std::string head(kMagic);
  append_number(head, kVersion);
  append_number(head, uint64_t{tensors.size()});
  append_number(head, uint64_t{metadata.size()});
  for (const auto& [key, value] : metadata) {
    if (key.empty() || key.size() > kMaxKey || !seen.insert(key).second)
      fail(ErrorKind::bad_request, "{}: key {} is empty, too long or given twice", file.string(), quote(key));
    if (key == kAlignmentKey) {
      const auto given = value.type() == GgufType::u32 ? value.integer() : std::nullopt;
      if (!given || !fits_alignment(static_cast<uint64_t>(*given)))
        fail(ErrorKind::bad_request, "{}: {}: expected a power of two from 8 (u32), got {}", file.string(), key,
             value.text());
      alignment = static_cast<uint64_t>(*given);
    }
    append_text(head, key);
    append_number(head, static_cast<uint32_t>(value.type()));
    head.append(reinterpret_cast<const char*>(value.bytes().data()), value.bytes().size());
  }
  const auto padding = [&](uint64_t size) { return static_cast<size_t>((alignment - size % alignment) % alignment); };

  seen.clear();
  std::vector<uint64_t> sizes;
  uint64_t offset = 0;
  for (const TensorPlan& tensor : tensors) {
    if (tensor.name.empty() || tensor.name.size() > kMaxName || !seen.insert(tensor.name).second)
      fail(ErrorKind::bad_request, "{}: tensor {} has no name, too long a one or is given twice", file.string(),
           quote(tensor.name));
    const auto type = gguf_type_of(tensor.dtype);
    if (!type)
      fail(ErrorKind::bad_request, "{}: tensor {}: GGUF has no type for {}", file.string(), quote(tensor.name),
           info(tensor.dtype).name);
    const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
    if (!bytes || *bytes == 0 || tensor.shape.empty() || tensor.shape.size() > kMaxRank)
      fail(ErrorKind::bad_request, "{}: tensor {}: shape [{}] of {} cannot be written", file.string(),
           quote(tensor.name), fmt::join(tensor.shape, ", "), info(tensor.dtype).name);
    append_text(head, tensor.name);
    append_number(head, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t d = tensor.shape.size(); d-- > 0;) append_number(head, tensor.shape[d]);
    append_number(head, *type);
    append_number(head, offset);
    sizes.push_back(*bytes);
    uint64_t end;
    if (__builtin_add_overflow(offset, *bytes, &end) || !aligned(end, alignment))
      fail(ErrorKind::bad_request, "{}: the tensors have more than 2^64 bytes", file.string());
    offset = *aligned(end, alignment);
  }
  head.append(padding(head.size()), '\0');

  const std::string zeros(alignment, '\0');
  FileWriter out(file, existing);
  out.append(std::as_bytes(std::span(head)));
  for (size_t i = 0; i < tensors.size(); ++i) {
    uint64_t left = sizes[i];
    write(i, [&](std::span<const std::byte> piece) {
      if (piece.size() > left)
        fail(ErrorKind::bad_request, "{}: tensor {}: expected {} bytes, got more", file.string(),
             quote(tensors[i].name), sizes[i]);
      out.append(piece);
      left -= piece.size();
    });
    if (left > 0)
      fail(ErrorKind::bad_request, "{}: tensor {}: expected {} bytes, got {}", file.string(), quote(tensors[i].name),
           sizes[i], sizes[i] - left);
    out.append(std::as_bytes(std::span(zeros)).first(padding(sizes[i])));
  }
  out.commit();
}

}  // namespace glassbox
