// Draws that depend on nothing but their key: document 7 is the same whether or not documents 0 to 6 were
// made.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace glassbox::prism {

// One well-mixed 64-bit word from another (the finaliser of SplitMix64).
constexpr uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// A hash of text that never changes between versions: the held-out split rests on it. FNV-1a, then mixed.
constexpr uint64_t hash(std::string_view text) {
  uint64_t h = 0xCBF29CE484222325u;
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return mix(h);
}

// A counter-based generator: draw i of key (seed, index) is a function of these three. Integers only, so that
// every machine makes the same text.
class Draw {
 public:
  Draw(uint64_t seed, uint64_t index) : key_(mix(mix(seed + kStep) ^ (index * kStep + 1))) {}

  uint64_t next() { return mix(key_ + ++count_ * kStep); }
  // Uniform in [0, n); n > 0. The bias is below n / 2^64.
  uint32_t below(uint32_t n) { return static_cast<uint32_t>((static_cast<unsigned __int128>(next()) * n) >> 64); }
  int between(int low, int high) { return low + static_cast<int>(below(static_cast<uint32_t>(high - low + 1))); }
  bool percent(int p) { return below(100) < static_cast<uint32_t>(p); }
  template <class T>
  const T& pick(std::span<const T> from) {
    return from[below(static_cast<uint32_t>(from.size()))];
  }

 private:
  static constexpr uint64_t kStep = 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio, odd
  uint64_t key_;
  uint64_t count_ = 0;
};

}  // namespace glassbox::prism
