#include "kernels/grids.h"

#include <string_view>

namespace glassbox {
namespace {

#include "kernels/grids.inl"

constexpr uint64_t digit(char c) { return static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

// Entries of a few digits each become words of bytes: every `bits` bits are the place of a value among the levels.
template <class Word, size_t entries, size_t levels>
constexpr Grid<Word, entries> words(std::string_view hex, int bits, const uint8_t (&level)[levels]) {
  Grid<Word, entries> result{};
  const size_t digits = hex.size() / entries;
  for (size_t i = 0; i < entries; ++i) {
    uint64_t packed = 0;
    for (size_t d = 0; d < digits; ++d) packed = packed << 4 | digit(hex[i * digits + d]);
    for (size_t byte = 0; byte < sizeof(Word); ++byte, packed >>= bits)
      result.at[i] |= static_cast<Word>(level[packed & ((1u << bits) - 1)]) << (8 * byte);
  }
  return result;
}

constexpr uint8_t kTernary[] = {0, 8, 16};
constexpr uint8_t kThree[] = {8, 25, 43};
constexpr uint8_t kEight[] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr uint8_t kOdd[] = {1, 3, 5, 7, 9, 11, 13, 15};

}  // namespace

constexpr Grid<uint64_t, 256> kIq2XxsGrid = words<uint64_t, 256>(kIq2XxsHex, 2, kThree);
constexpr Grid<uint64_t, 512> kIq2XsGrid = words<uint64_t, 512>(kIq2XsHex, 2, kThree);
constexpr Grid<uint64_t, 1024> kIq2SGrid = words<uint64_t, 1024>(kIq2SHex, 2, kThree);
constexpr Grid<uint64_t, 2048> kIq1Grid = words<uint64_t, 2048>(kIq1SHex, 2, kTernary);
constexpr Grid<uint32_t, 256> kIq3XxsGrid = words<uint32_t, 256>(kIq3XxsHex, 3, kEight);
constexpr Grid<uint32_t, 512> kIq3SGrid = words<uint32_t, 512>(kIq3SHex, 3, kOdd);

}  // namespace glassbox
