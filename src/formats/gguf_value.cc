#include "formats/gguf_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/quote.h"

namespace glassbox {
namespace {

static_assert(std::endian::native == std::endian::little, "values are read as they lie");

struct TypeInfo {
  std::string_view name;
  size_t bytes;  // 0: as many as it says
};
constexpr std::array<TypeInfo, 13> kTypes = {{{"u8", 1},
                                              {"i8", 1},
                                              {"u16", 2},
                                              {"i16", 2},
                                              {"u32", 4},
                                              {"i32", 4},
                                              {"f32", 4},
                                              {"bool", 1},
                                              {"string", 0},
                                              {"array", 0},
                                              {"u64", 8},
                                              {"i64", 8},
                                              {"f64", 8}}};
constexpr size_t kArrayHead = 4 + 8;  // type of the parts, and how many

template <class T>
T load(std::span<const std::byte> bytes, size_t at = 0) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

template <class T>
void append(std::string& bytes, const T& value) {
  const size_t at = bytes.size();
  bytes.resize(at + sizeof(T));
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

GgufValue owned(GgufType type, std::string bytes) {
  const auto owner = std::make_shared<const std::string>(std::move(bytes));
  return GgufValue(type, std::as_bytes(std::span(*owner)), owner);
}

template <class T>
GgufValue scalar(GgufType type, T value) {
  std::string bytes;
  append(bytes, value);
  return owned(type, std::move(bytes));
}

void append_text(std::string& bytes, std::string_view text) {
  append(bytes, uint64_t{text.size()});
  bytes += text;
}

std::string array_head(GgufType element, size_t count) {
  std::string bytes;
  append(bytes, static_cast<uint32_t>(element));
  append(bytes, uint64_t{count});
  return bytes;
}

// Bytes of the value that begins at `at`, whose encoding has been checked.
size_t encoded_size(GgufType type, std::span<const std::byte> bytes, size_t at) {
  if (const auto size = fixed_size(type)) return *size;
  if (type == GgufType::string) return 8 + load<uint64_t>(bytes, at);
  const auto element = static_cast<GgufType>(load<uint32_t>(bytes, at));
  const auto count = load<uint64_t>(bytes, at + 4);
  if (const auto size = fixed_size(element)) return kArrayHead + count * *size;
  size_t size = kArrayHead;
  for (uint64_t i = 0; i < count; ++i) size += encoded_size(element, bytes, at + size);
  return size;
}

// Calls `act` with each part of an array.
template <class Act>
void for_each_part(const GgufValue& array, const Act& act) {
  const GgufType element = *array.element();
  size_t at = kArrayHead;
  for (uint64_t i = 0; i < *array.size(); ++i) {
    const size_t size = encoded_size(element, array.bytes(), at);
    act(GgufValue(element, array.bytes().subspan(at, size), nullptr));
    at += size;
  }
}

}  // namespace

std::string_view name_of(GgufType type) { return kTypes[static_cast<size_t>(type)].name; }

std::optional<size_t> fixed_size(GgufType type) {
  const size_t bytes = kTypes[static_cast<size_t>(type)].bytes;
  return bytes ? std::optional(bytes) : std::nullopt;
}

GgufValue GgufValue::of(uint8_t value) { return scalar(GgufType::u8, value); }
GgufValue GgufValue::of(int8_t value) { return scalar(GgufType::i8, value); }
GgufValue GgufValue::of(uint16_t value) { return scalar(GgufType::u16, value); }
GgufValue GgufValue::of(int16_t value) { return scalar(GgufType::i16, value); }
GgufValue GgufValue::of(uint32_t value) { return scalar(GgufType::u32, value); }
GgufValue GgufValue::of(int32_t value) { return scalar(GgufType::i32, value); }
GgufValue GgufValue::of(uint64_t value) { return scalar(GgufType::u64, value); }
GgufValue GgufValue::of(int64_t value) { return scalar(GgufType::i64, value); }
GgufValue GgufValue::of(float value) { return scalar(GgufType::f32, value); }
GgufValue GgufValue::of(double value) { return scalar(GgufType::f64, value); }
GgufValue GgufValue::of(bool value) { return scalar(GgufType::boolean, uint8_t{value}); }

GgufValue GgufValue::of(std::string_view value) {
  std::string bytes;
  append_text(bytes, value);
  return owned(GgufType::string, std::move(bytes));
}

GgufValue GgufValue::array(GgufType element, std::span<const GgufValue> parts) {
  std::string bytes = array_head(element, parts.size());
  for (const GgufValue& part : parts) {
    check(part.type() == element, "parts of an array have its type");
    bytes.append(reinterpret_cast<const char*>(part.bytes().data()), part.bytes().size());
  }
  return owned(GgufType::array, std::move(bytes));
}

GgufValue GgufValue::array(std::span<const std::string> parts) {
  std::string bytes = array_head(GgufType::string, parts.size());
  for (const std::string& part : parts) append_text(bytes, part);
  return owned(GgufType::array, std::move(bytes));
}

GgufValue GgufValue::array(std::span<const int32_t> parts) {
  std::string bytes = array_head(GgufType::i32, parts.size());
  for (const int32_t part : parts) append(bytes, part);
  return owned(GgufType::array, std::move(bytes));
}

GgufValue GgufValue::array(std::span<const float> parts) {
  std::string bytes = array_head(GgufType::f32, parts.size());
  for (const float part : parts) append(bytes, part);
  return owned(GgufType::array, std::move(bytes));
}

bool GgufValue::operator==(const GgufValue& other) const {
  return type_ == other.type_ && std::ranges::equal(bytes_, other.bytes_);
}

std::optional<int64_t> GgufValue::integer() const {
  switch (type_) {
    case GgufType::u8:
      return load<uint8_t>(bytes_);
    case GgufType::i8:
      return load<int8_t>(bytes_);
    case GgufType::u16:
      return load<uint16_t>(bytes_);
    case GgufType::i16:
      return load<int16_t>(bytes_);
    case GgufType::u32:
      return load<uint32_t>(bytes_);
    case GgufType::i32:
      return load<int32_t>(bytes_);
    case GgufType::i64:
      return load<int64_t>(bytes_);
    case GgufType::u64:
      if (const auto value = load<uint64_t>(bytes_); value <= uint64_t{std::numeric_limits<int64_t>::max()})
        return static_cast<int64_t>(value);
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<double> GgufValue::number() const {
  if (type_ == GgufType::f32) return load<float>(bytes_);
  if (type_ == GgufType::f64) return load<double>(bytes_);
  if (type_ == GgufType::u64) return static_cast<double>(load<uint64_t>(bytes_));
  if (const auto value = integer()) return static_cast<double>(*value);
  return std::nullopt;
}

std::optional<bool> GgufValue::boolean() const {
  if (type_ != GgufType::boolean) return std::nullopt;
  return load<uint8_t>(bytes_) != 0;
}

std::optional<std::string_view> GgufValue::string() const {
  if (type_ != GgufType::string) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(bytes_.data()) + 8, bytes_.size() - 8);
}

std::optional<GgufType> GgufValue::element() const {
  if (type_ != GgufType::array) return std::nullopt;
  return static_cast<GgufType>(load<uint32_t>(bytes_));
}

std::optional<uint64_t> GgufValue::size() const {
  if (type_ != GgufType::array) return std::nullopt;
  return load<uint64_t>(bytes_, 4);
}

std::optional<std::vector<GgufValue>> GgufValue::parts() const {
  if (!size()) return std::nullopt;
  std::vector<GgufValue> parts;
  parts.reserve(*size());
  for_each_part(*this, [&](const GgufValue& part) { parts.emplace_back(part.type(), part.bytes(), owner_); });
  return parts;
}

std::optional<std::vector<std::string_view>> GgufValue::strings() const {
  if (element() != GgufType::string) return std::nullopt;
  std::vector<std::string_view> parts;
  parts.reserve(*size());
  for_each_part(*this, [&](const GgufValue& part) { parts.push_back(*part.string()); });
  return parts;
}

std::optional<std::vector<int64_t>> GgufValue::integers() const {
  if (!size()) return std::nullopt;
  std::vector<int64_t> parts;
  bool all = true;
  for_each_part(*this, [&](const GgufValue& part) {
    const auto value = part.integer();
    all &= value.has_value();
    if (all) parts.push_back(*value);
  });
  return all ? std::optional(std::move(parts)) : std::nullopt;
}

std::optional<std::vector<double>> GgufValue::numbers() const {
  if (!size()) return std::nullopt;
  std::vector<double> parts;
  bool all = true;
  for_each_part(*this, [&](const GgufValue& part) {
    const auto value = part.number();
    all &= value.has_value();
    if (all) parts.push_back(*value);
  });
  return all ? std::optional(std::move(parts)) : std::nullopt;
}

std::string GgufValue::text() const {
  constexpr uint64_t kShown = 6;
  if (const auto value = integer()) return std::to_string(*value);
  if (type_ == GgufType::f32) return fmt::format("{}", load<float>(bytes_));
  if (const auto value = number()) return fmt::format("{}", *value);
  if (const auto value = boolean()) return *value ? "true" : "false";
  if (const auto value = string()) return quote(*value);
  std::string text = "[";
  const uint64_t count = *size();
  size_t at = kArrayHead;
  for (uint64_t i = 0; i < std::min(count, kShown); ++i) {
    const size_t size = encoded_size(*element(), bytes_, at);
    const GgufValue part(*element(), bytes_.subspan(at, size), nullptr);
    if (i) text += ", ";
    text += part.type() == GgufType::array ? "[...]" : part.text();
    at += size;
  }
  return count > kShown ? fmt::format("{}, ... {} of {}]", text, count, name_of(*element())) : text + "]";
}

}  // namespace glassbox
