#include "base/random.h"

#include <random>

namespace glassbox {

std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
  std::array<uint32_t, 4> x = {static_cast<uint32_t>(counter_low), static_cast<uint32_t>(counter_low >> 32),
                               static_cast<uint32_t>(counter_high), static_cast<uint32_t>(counter_high >> 32)};
  auto k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * x[0], b = uint64_t{0xCD9E8D57u} * x[2];
    x = {static_cast<uint32_t>(b >> 32) ^ x[1] ^ k0, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ x[3] ^ k1, static_cast<uint32_t>(a)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return x;
}

float uniform(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
  return static_cast<float>(philox(key, counter_low, counter_high)[0] >> 8) * 0x1p-24f;
}

uint64_t key_of(uint64_t key, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u ^ key;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  const auto mixed = philox(hash, name.size());
  return uint64_t{mixed[0]} << 32 | mixed[1];
}

uint64_t drawn_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32 | device()) >> 11;
}

}  // namespace glassbox
