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
#include "base/mapped_file.h"
#include "base/quote.h"

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

// Reads the header from the parser's events straight into entries: a header may have 100 MB, and held as a
// tree of JSON values it would take twenty times that. Every entry is checked as it ends; whether offsets fit
// the file is the caller's.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(const std::string& source, std::vector<TensorInfo>& tensors, Metadata& metadata)
      : source_(source), tensors_(tensors), metadata_(metadata) {}

  bool null() override { return other("null"); }
  bool boolean(bool value) override { return other(value ? "true" : "false"); }
  bool number_integer(int64_t value) override { return other(std::to_string(value)); }  // a negative one
  bool number_unsigned(uint64_t value) override;
  bool number_float(double, const std::string& text) override { return other(text.substr(0, 40)); }
  bool string(std::string& value) override;
  bool binary(Json::binary_t&) override { return false; }  // JSON text has none
  bool start_object(size_t) override;
  bool key(std::string& name) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    fail_not_json(error, source_, ErrorKind::bad_file);
  }

 private:
  // What the parser is in: nothing yet; the header, where a value is due; __metadata__; one tensor's entry;
  // one of its two lists.
  enum class In { start, header, metadata, entry, shape, offsets };
  static constexpr size_t kMaxRank = 64;  // as many as NumPy and PyTorch allow

  bool is_metadata() const { return name_ == kMetadataKey; }
  [[noreturn]] void wrong(std::string_view expected, std::string_view got) const;
  bool other(const std::string& got) const;  // refuses a value that is not due where it is
  void finish_entry();

  const std::string& source_;
  std::vector<TensorInfo>& tensors_;
  Metadata& metadata_;
  In in_ = In::start;
  bool metadata_seen_ = false;
  std::string name_;   // of the tensor whose entry is read
  std::string field_;  // key within the entry, or within __metadata__
  // The entry so far.
  std::optional<DType> dtype_;
  std::optional<std::vector<int64_t>> shape_;
  std::optional<std::vector<uint64_t>> offsets_;
};

void HeaderReader::wrong(std::string_view expected, std::string_view got) const {
  if (in_ == In::start) fail(ErrorKind::bad_file, "{}: header: expected {}, got {}", source_, expected, got);
  if (in_ == In::header && is_metadata())
    fail(ErrorKind::bad_file, "{}: __metadata__: expected {}, got {}", source_, expected, got);
  if (in_ == In::metadata)
    fail(ErrorKind::bad_file, "{}: __metadata__: {}: expected {}, got {}", source_, quote(field_), expected, got);
  fail(ErrorKind::bad_file, "{}: tensor {}: {}: expected {}, got {}", source_, quote(name_),
       in_ == In::header ? "entry" : field_, expected, got);
}

bool HeaderReader::other(const std::string& got) const {
  switch (in_) {
    case In::start:
    case In::header:
      wrong("an object", got);
    case In::metadata:
      wrong("a string", got);
    case In::entry:
      wrong(field_ == "dtype" ? "a string" : "a list", got);
    case In::shape:
      wrong("whole numbers below 2^63", got);
    case In::offsets:
      wrong("two whole numbers", got);
  }
  return false;
}

bool HeaderReader::start_object(size_t) {
  if (in_ != In::start && in_ != In::header) return other("an object");
  in_ = in_ == In::start ? In::header : is_metadata() ? In::metadata : In::entry;
  return true;
}

bool HeaderReader::key(std::string& name) {
  if (in_ == In::header) {
    name_ = std::move(name);
    dtype_.reset();
    shape_.reset();
    offsets_.reset();
    if (is_metadata() && std::exchange(metadata_seen_, true))
      fail(ErrorKind::bad_file, "{}: __metadata__ given twice", source_);
    return true;
  }
  field_ = std::move(name);
  if (in_ == In::metadata) return true;
  if (field_ != "dtype" && field_ != "shape" && field_ != "data_offsets")
    fail(ErrorKind::bad_file, "{}: tensor {}: entry: expected dtype, shape and data_offsets, got {}", source_,
         quote(name_), quote(field_));
  if (field_ == "dtype" ? dtype_.has_value() : field_ == "shape" ? shape_.has_value() : offsets_.has_value())
    fail(ErrorKind::bad_file, "{}: tensor {}: {} given twice", source_, quote(name_), field_);
  return true;
}

bool HeaderReader::string(std::string& value) {
  if (in_ == In::metadata) {
    if (!metadata_.emplace(field_, std::move(value)).second)
      fail(ErrorKind::bad_file, "{}: __metadata__: {} given twice", source_, quote(field_));
    return true;
  }
  if (in_ != In::entry || field_ != "dtype") return other(quote(value));
  dtype_ = dtype_named(value);
  if (!dtype_ || info(*dtype_).name != value)
    fail(ErrorKind::unsupported, "{}: tensor {}: unknown dtype {}", source_, quote(name_), quote(value));
  if (is_blocks(*dtype_))
    fail(ErrorKind::unsupported, "{}: tensor {}: {} is a block type, which safetensors does not have", source_,
         quote(name_), value);
  return true;
}

bool HeaderReader::start_array(size_t) {
  if (in_ != In::entry || field_ == "dtype") return other("a list");
  if (field_ == "shape") {
    in_ = In::shape;
    shape_.emplace();
  } else {
    in_ = In::offsets;
    offsets_.emplace();
  }
  return true;
}

bool HeaderReader::number_unsigned(uint64_t value) {
  if (in_ == In::shape && value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    if (shape_->size() == kMaxRank) wrong(fmt::format("at most {} dimensions", kMaxRank), "more");
    shape_->push_back(static_cast<int64_t>(value));
  } else if (in_ == In::offsets) {
    if (offsets_->size() == 2) wrong("[begin, end]", "more numbers");
    offsets_->push_back(value);
  } else {
    return other(std::to_string(value));
  }
  return true;
}

bool HeaderReader::end_array() {
  if (in_ == In::offsets && offsets_->size() != 2) wrong("[begin, end]", fmt::format("{} numbers", offsets_->size()));
  in_ = In::entry;
  return true;
}

bool HeaderReader::end_object() {
  if (in_ == In::entry) finish_entry();
  in_ = In::header;  // or past its end, where the parser takes nothing more
  return true;
}

void HeaderReader::finish_entry() {
  field_ = "entry";
  if (!dtype_) wrong("\"dtype\"", "none");
  if (!shape_) wrong("\"shape\"", "none");
  if (!offsets_) wrong("\"data_offsets\"", "none");
  field_ = "data_offsets";
  const uint64_t begin = (*offsets_)[0], end = (*offsets_)[1];
  if (end < begin) wrong("begin before end", fmt::format("[{},{}]", begin, end));
  const std::optional<uint64_t> needed = tensor_bytes(*dtype_, *shape_);
  std::string shape = fmt::format("[{}]", fmt::join(*shape_, ","));
  if (shape.size() > 120) shape = fmt::format("of {} dimensions", shape_->size());
  if (!needed) {
    field_ = "shape";
    wrong("a size below 2^64 bytes", shape);
  }
  if (*needed != end - begin)
    wrong(fmt::format("{} bytes for shape {} of {}", *needed, shape, info(*dtype_).name),
          fmt::format("{} bytes at [{},{}]", end - begin, begin, end));
  tensors_.push_back({std::move(name_), *dtype_, std::move(*shape_), begin, end - begin});
}

// A copy whose address is aligned to an element, for the rare file that misaligns.
std::shared_ptr<const std::byte> aligned_copy(std::span<const std::byte> bytes) {
  auto* copy = static_cast<std::byte*>(::operator new(bytes.size(), std::align_val_t{64}));
  std::memcpy(copy, bytes.data(), bytes.size());
  return {copy, [](const std::byte* at) { ::operator delete(const_cast<std::byte*>(at), std::align_val_t{64}); }};
}

// How the reference writer orders dtypes: wider first, so that every tensor is aligned to its element.
int rank(DType type) {
  constexpr DType kOrder[] = {DType::u64,     DType::i64, DType::f64, DType::f32,     DType::u32,     DType::i32,
                              DType::bf16,    DType::f16, DType::u16, DType::i16,     DType::f8_e8m0, DType::f8_e4m3,
                              DType::f8_e5m2, DType::i8,  DType::u8,  DType::f4_e2m1, DType::boolean};
  return static_cast<int>(std::find(std::begin(kOrder), std::end(kOrder), type) - std::begin(kOrder));
}

}  // namespace

struct SafeTensors::State {
  std::string source;
  std::span<const std::byte> file;
  std::shared_ptr<const void> owner;
  std::shared_ptr<const MappedFile> mapped;  // null: bytes of someone else's
  std::vector<TensorInfo> tensors;
  std::unordered_map<std::string_view, size_t> index;  // views the names of `tensors`
  Metadata metadata;
};

SafeTensors SafeTensors::from_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                    std::string source) {
  return read(bytes, std::move(owner), std::move(source), nullptr);
}

SafeTensors SafeTensors::read(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string source,
                              std::shared_ptr<const MappedFile> mapped) {
  auto state = std::make_shared<State>();
  state->source = std::move(source);
  state->file = bytes;
  state->owner = std::move(owner);
  state->mapped = std::move(mapped);

  if (bytes.size() < kLengthBytes)
    fail(ErrorKind::bad_file, "{}: byte 0: expected an 8-byte header length, got a file of {} bytes", state->source,
         bytes.size());
  const uint64_t header_bytes = little_endian_64(bytes);
  if (header_bytes > kMaxHeader)
    fail(ErrorKind::bad_file, "{}: byte 0: expected a header of at most {} bytes, got {}", state->source, kMaxHeader,
         header_bytes);
  if (header_bytes > bytes.size() - kLengthBytes)
    fail(ErrorKind::bad_file, "{}: byte 0: header of {} bytes ends after the file's {}: truncated?", state->source,
         header_bytes, bytes.size());
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, header_bytes);
  if (!header.starts_with('{'))
    fail(ErrorKind::bad_file, "{}: byte 8: expected a JSON object, got {}", state->source, quote(header.substr(0, 8)));
  HeaderReader reader(state->source, state->tensors, state->metadata);
  Json::sax_parse(header.begin(), header.end(), &reader);
  std::sort(state->tensors.begin(), state->tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.offset, a.bytes, a.name) < std::tie(b.offset, b.bytes, b.name);
  });

  state->index.reserve(state->tensors.size());
  for (size_t i = 0; i < state->tensors.size(); ++i)
    if (!state->index.emplace(state->tensors[i].name, i).second)
      fail(ErrorKind::bad_file, "{}: tensor {} given twice", state->source, quote(state->tensors[i].name));

  // The bytes after the header belong to the tensors, each byte to exactly one.
  const uint64_t data = kLengthBytes + header_bytes, data_bytes = bytes.size() - data;
  uint64_t end = 0;
  for (TensorInfo& tensor : state->tensors) {
    if (tensor.offset != end)
      fail(ErrorKind::bad_file, "{}: tensor {}: {} at byte {}: expected to begin at {}, got {}", state->source,
           quote(tensor.name), tensor.offset < end ? "overlaps the tensor before it" : "leaves a hole before it",
           data + std::min(tensor.offset, end), end, tensor.offset);
    if (tensor.bytes > data_bytes - end)
      fail(ErrorKind::bad_file, "{}: tensor {}: ends {} bytes past the end of the file at byte {}: truncated?",
           state->source, quote(tensor.name), tensor.bytes - (data_bytes - end), bytes.size());
    tensor.offset += data;
    end += tensor.bytes;
  }
  if (end != data_bytes)
    fail(ErrorKind::bad_file, "{}: byte {}: expected the end of the file, got {} bytes that belong to no tensor",
         state->source, data + end, data_bytes - end);

  SafeTensors result;
  result.state_ = std::move(state);
  return result;
}

SafeTensors SafeTensors::open(const std::filesystem::path& file) {
  const std::shared_ptr<const MappedFile> mapped = MappedFile::open(file);
  SafeTensors opened = read(mapped->bytes(), mapped, file.string(), mapped);
  mapped->check_whole();
  return opened;
}

void SafeTensors::release(std::span<const std::byte> bytes) const {
  if (state_->mapped) state_->mapped->release(bytes);
}

std::optional<RawTensor> SafeTensors::find(std::string_view name) const {
  const auto found = state_->index.find(name);
  if (found == state_->index.end()) return std::nullopt;
  const TensorInfo& tensor = state_->tensors[found->second];
  RawTensor raw{tensor.name, tensor.dtype, tensor.shape, state_->file.subspan(tensor.offset, tensor.bytes), state_};
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

void write_safetensors(const std::filesystem::path& file, std::span<const RawTensor> tensors, const Metadata& metadata,
                       Existing existing) {
  std::vector<TensorPlan> plans;
  for (const RawTensor& tensor : tensors) {
    if (!is_blocks(tensor.dtype) && tensor_bytes(tensor.dtype, tensor.shape) != tensor.bytes.size())
      fail(ErrorKind::bad_request, "{}: tensor {}: {} bytes do not fit shape {} of {}", file.string(),
           quote(tensor.name), tensor.bytes.size(), dump_json(tensor.shape), info(tensor.dtype).name);
    plans.push_back({std::string(tensor.name), tensor.dtype, tensor.shape});
  }
  write_safetensors(
      file, plans, metadata, [&](size_t i, const AppendBytes& append) { append(tensors[i].bytes); }, existing);
}

void write_safetensors(const std::filesystem::path& file, std::span<const TensorPlan> tensors, const Metadata& metadata,
                       const std::function<void(size_t index, const AppendBytes& append)>& write, Existing existing) {
  std::vector<size_t> order(tensors.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(rank(tensors[a].dtype), std::string_view(tensors[a].name)) <
           std::pair(rank(tensors[b].dtype), std::string_view(tensors[b].name));
  });

  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kMetadataKey)] = metadata;
  uint64_t end = 0;
  std::vector<uint64_t> sizes(tensors.size());
  for (const size_t i : order) {
    const TensorPlan& tensor = tensors[i];
    if (tensor.name == kMetadataKey)
      fail(ErrorKind::bad_request, "{}: a tensor cannot be named {}", file.string(), tensor.name);
    if (is_blocks(tensor.dtype))
      fail(ErrorKind::bad_request, "{}: tensor {}: {} is a block type, which safetensors does not have", file.string(),
           quote(tensor.name), info(tensor.dtype).name);
    const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
    const uint64_t begin = end;
    if (!bytes || __builtin_add_overflow(begin, *bytes, &end))
      fail(ErrorKind::bad_request, "{}: tensor {}: shape {} has more than 2^64 bytes", file.string(),
           quote(tensor.name), dump_json(tensor.shape));
    sizes[i] = *bytes;
    header.push_back(
        {tensor.name, {{"dtype", info(tensor.dtype).name}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}}});
  }
  std::vector<std::string_view> names;
  for (const TensorPlan& tensor : tensors) names.push_back(tensor.name);
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

  FileWriter out(file, existing);
  out.append(std::as_bytes(std::span(start)));
  for (const size_t i : order) {
    uint64_t given = 0;
    write(i, [&](std::span<const std::byte> piece) {
      given += piece.size();
      if (given <= sizes[i]) out.append(piece);
    });
    if (given != sizes[i])
      fail(ErrorKind::bad_request, "{}: tensor {}: {} bytes do not fit shape {} of {}", file.string(),
           quote(tensors[i].name), given, dump_json(tensors[i].shape), info(tensors[i].dtype).name);
  }
  out.commit();
}

}  // namespace glassbox
