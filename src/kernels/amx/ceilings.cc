// How fast tiles multiply what lies in the first-level cache: random numbers, since zeros cost less power and so run
// at a higher clock.
#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/amx/tiles.inl"

constexpr int64_t kTiles = 16;  // 16 KiB

template <bool bf16>
double burn_tiles(int64_t rounds) noexcept {
  struct alignas(64) Tile {
    uint16_t at[16][32];
  };
  auto* const tiles = static_cast<Tile*>(kernel_scratch(sizeof(Tile) * kTiles));
  uint32_t state = 1;
  for (int64_t t = 0; t < kTiles; ++t)
    for (auto& row : tiles[t].at)
      for (uint16_t& x : row) {
        state = state * 1664525u + 1013904223u;
        x = static_cast<uint16_t>(bf16 ? 0x3f00 | (state >> 16 & 0x80ff) : state >> 16);  // bf16: 0.5 to 2, both signs
      }
  TileShapes shapes;
  for (int t = 0; t < 8; ++t) shapes.set(t, 16, 64);
  const Tiles in_use(shapes);
  tile_zero<0>();
  tile_zero<1>();
  tile_zero<2>();
  tile_zero<3>();
  for (int64_t round = 0; round < rounds; ++round) {
    const Tile* const from = tiles + round * 4 % kTiles;
    tile_load<4>(from, 64);
    tile_load<5>(from + 1, 64);
    tile_load<6>(from + 2, 64);
    tile_load<7>(from + 3, 64);
    if constexpr (bf16) {
      tile_dot_bf16<0, 4, 6>();
      tile_dot_bf16<1, 4, 7>();
      tile_dot_bf16<2, 5, 6>();
      tile_dot_bf16<3, 5, 7>();
    } else {
      tile_dot_bytes<0, 4, 6>();
      tile_dot_bytes<1, 4, 7>();
      tile_dot_bytes<2, 5, 6>();
      tile_dot_bytes<3, 5, 7>();
    }
  }
  return static_cast<double>(rounds) * 4 * 16 * 16 * (bf16 ? 32 : 64) * 2;
}
}  // namespace

void amx_ceilings(Kernels& k) {
  k.burn_bf16 = burn_tiles<true>;
  k.burn_int8 = burn_tiles<false>;
}

}  // namespace glassbox
