// Little-endian numbers within bytes, as all of Xet's formats have them. Callers check that the bytes are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace glassbox::xet {

// The first N bytes, as a number.
template <size_t N = 4>
uint64_t load(std::span<const std::byte> bytes, size_t at = 0) {
  uint64_t value = 0;
  for (size_t i = 0; i < N; ++i) value |= std::to_integer<uint64_t>(bytes[at + i]) << (8 * i);
  return value;
}

template <size_t N = 4>
void append(std::vector<std::byte>& out, uint64_t value) {
  for (size_t i = 0; i < N; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

}  // namespace glassbox::xet
