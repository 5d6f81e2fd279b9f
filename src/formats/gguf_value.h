// Values of GGUF metadata: typed, and held as the file encodes them, so that what was read is written back to the bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

// Numbered as in the format (https://github.com/ggml-org/ggml, docs/gguf.md).
enum class GgufType : uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12
};

std::string_view name_of(GgufType type);  // "u8", ..., "string", "array"

// One value: a view of a file, or of bytes of its own; copies share them. Immutable; threads may share it. Every reader
// gives nothing where the value is of another kind: what was expected is the caller's to say.
class GgufValue {
 public:
  static GgufValue of(uint8_t value);
  static GgufValue of(int8_t value);
  static GgufValue of(uint16_t value);
  static GgufValue of(int16_t value);
  static GgufValue of(uint32_t value);
  static GgufValue of(int32_t value);
  static GgufValue of(uint64_t value);
  static GgufValue of(int64_t value);
  static GgufValue of(float value);
  static GgufValue of(double value);
  static GgufValue of(bool value);
  static GgufValue of(std::string_view value);
  static GgufValue of(const char* value) { return of(std::string_view(value)); }
  // REQUIRES: all parts of type `element`. Parts that are arrays keep their own element types.
  static GgufValue array(GgufType element, std::span<const GgufValue> parts);
  static GgufValue array(std::span<const std::string> parts);
  static GgufValue array(std::span<const int32_t> parts);
  static GgufValue array(std::span<const float> parts);

  // A value whose encoding has been checked (Gguf does): its bytes, and who keeps them.
  GgufValue(GgufType type, std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
      : type_(type), bytes_(bytes), owner_(std::move(owner)) {}

  GgufType type() const { return type_; }
  std::span<const std::byte> bytes() const { return bytes_; }  // as in the file, after the type
  bool operator==(const GgufValue& other) const;               // type and bytes

  std::optional<int64_t> integer() const;          // any integer type that fits 64 bits with a sign
  std::optional<double> number() const;            // any integer or float
  std::optional<bool> boolean() const;             // bool only
  std::optional<std::string_view> string() const;  // any bytes: the format says UTF-8, files may not

  // Arrays: nothing if it is none, or of parts of another kind.
  std::optional<GgufType> element() const;
  std::optional<uint64_t> size() const;
  std::optional<std::vector<GgufValue>> parts() const;           // any array
  std::optional<std::vector<std::string_view>> strings() const;  // valid while a copy of *this lives
  std::optional<std::vector<int64_t>> integers() const;
  std::optional<std::vector<double>> numbers() const;

  // For people: `"llama"`, `32`, `[1, 2, 3, ... 49152 of i32]`; one line, long ones cut.
  std::string text() const;

 private:
  GgufType type_;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
};

// Bytes of one value of a type whose size is fixed; nothing for strings and arrays.
std::optional<size_t> fixed_size(GgufType type);

}  // namespace glassbox
