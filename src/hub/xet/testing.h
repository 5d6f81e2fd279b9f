// What tests of Xet share: bytes that anybody can make again, and hexadecimal digits as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "hub/xet/bytes.h"
#include "hub/xet/hash.h"

namespace glassbox::xet::testing {

using Bytes = std::vector<std::byte>;

// SplitMix64 from `seed`, each number little-endian.
inline Bytes random_bytes(size_t size, uint64_t seed) {
  Bytes bytes;
  bytes.reserve(size + 8);
  while (bytes.size() < size) {
    seed += 0x9E3779B97F4A7C15;
    uint64_t z = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    append<8>(bytes, z ^ (z >> 31));
  }
  bytes.resize(size);
  return bytes;
}

// float32 between -1 and 1 of those numbers: bytes that compress when they are grouped.
inline Bytes random_floats(size_t size, uint64_t seed) {
  const Bytes numbers = random_bytes(size, seed);
  Bytes bytes;
  bytes.reserve(size + 4);
  for (size_t at = 0; at + 4 <= size; at += 4) {
    const float value = static_cast<float>(static_cast<int32_t>(load<4>(numbers, at))) / 2147483648.0f;
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    append<4>(bytes, bits);
  }
  bytes.resize(size);
  return bytes;
}

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// Digits of bytes in their order; spaces and line ends between them are passed over.
inline Bytes hex(std::string_view digits) {
  Bytes bytes;
  unsigned value = 0, count = 0;
  for (const char c : digits) {
    if (c == ' ' || c == '\n') continue;
    value = value << 4 | static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    if (++count % 2 == 0) bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

inline Hash named(std::string_view text) {
  const auto hash = Hash::parse(text);
  check(hash.has_value(), "64 hexadecimal digits");
  return *hash;
}

}  // namespace glassbox::xet::testing
