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

inline void join(Bytes& bytes, std::span<const std::byte> more) { bytes.insert(bytes.end(), more.begin(), more.end()); }

// A small xorb of three chunks, one of each scheme, whose names and frames other writers confirm (@huggingface/hub
// 2.17.5, liblz4 1.9.4): "hello"; 256 zeros; nine times 1.0 in float32 and a byte.
inline Bytes sample_chunk(size_t chunk) {
  Bytes bytes;
  switch (chunk) {
    case 0:
      join(bytes, bytes_of("hello"));
      break;
    case 1:
      bytes.resize(256);
      break;
    default:
      for (int i = 0; i < 9; ++i) join(bytes, hex("0000803f"));
      join(bytes, hex("2a"));
  }
  return bytes;
}

inline Bytes sample_xorb() {
  return hex(R"(0005000000050000 68656c6c6f
                001a000001000100 04224d186040820b0000001f000100e750000000000000000000
                0026000002250000
                04224d186040821700000014000100142a09002400800100903f3f3f3f3f3f3f3f3f00000000)");
}

constexpr const char* kSampleXorb = "49ce6526defd88f2bbf82ac67b116170a5b3c979768f9b682babc1f4c958e3b5";
constexpr const char* kSampleChunks[] = {"9076ba12d998050b9c95c8bf770f943e6cad55c7490a82b76cf1582a2a05c2c2",
                                         "6b70de4ddcbb4e5891f302ac8d1e06a2985220a47f7b8330db5eb8802ff7b467",
                                         "20b22f44831eb62bc6ef1348f03e7ad61f40f0668bbf65edbbb4836534212737"};
constexpr const char* kSampleFile = "a632b039bce8d8ea1bb6c7e21b8b57d278cc4df7b8d8b6eb4426e813921c9508";

// What hf_xet would upload of a file of these chunks: a header; the file, its term, verification and SHA-256, the end
// of files; the xorb, its chunks, the end of xorbs.
inline Bytes sample_shard() {
  return hex(R"(48465265706f4d6574614461746100556967456a7b815783a5bdd95ccdd14aa902000000000000000000000000000000
                ead8e8bc39b032a6d2578b1be2c7b61bebb6d8b8f74dcc7808951c9213e82644000000c0010000000000000000000000
                f288fdde2665ce497061117bc62af8bb689b8f7679c9b3a5b5e358c9f4c1ab2b000000002a0100000000000003000000
                3398854863da7772c8db3dc2a93334742affa19c43ffa48f227dc44f3567f01c00000000000000000000000000000000
                a4e2d7399ab9a4368946bc46896f73ef18546db6399d5fac712e3247d2998fc200000000000000000000000000000000
                ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00000000000000000000000000000000
                f288fdde2665ce497061117bc62af8bb689b8f7679c9b3a5b5e358c9f4c1ab2b00000000030000002a01000000000000
                0b0598d912ba76903e940f77bfc8959cb7820a49c755ad6cc2c2052a2a58f16c00000000050000000000000000000000
                584ebbdc4dde706ba2061e8dac02f39130837b7fa420529867b4f72f80b85edb05000000000100000000000000000000
                2bb61e83442fb220d67a3ef04813efc6ed65bf8b66f0401f372721346583b4bb05010000250000000000000000000000
                ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00000000000000000000000000000000)");
}

}  // namespace glassbox::xet::testing
