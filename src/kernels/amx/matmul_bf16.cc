// y = x w^T in bf16 by TDPBF16PS, whose order of sums is that of every set.
//
// Tokens are the rows of a tile, outputs its columns. Rows of x are such tiles as they lie; sixteen rows of w by 32
// inputs are transposed as pairs, once for all tokens that pass by.
#include "kernels/generic/set.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/avx512/vector.inl"

#include "kernels/amx/tiles.inl"
#include "kernels/generic/loops.inl"

constexpr int64_t kFewTokens = 6;      // up to so many, the narrower set's way: transposing is not worth its while
constexpr int64_t kBlock = 32;         // inputs of a tile
constexpr int64_t kPanelOutputs = 32;  // two tiles, which two tiles of tokens meet: four tiles of sums
constexpr int64_t kPanelBlocks = 16;   // with 32 outputs 32 KiB: a panel stays in the first-level cache
constexpr int64_t kPanelInputs = kPanelBlocks * kBlock;
constexpr int64_t kGroupTokens = 512;  // tokens that pass by a panel: 512 KiB of its inputs, in the second-level cache,
constexpr int64_t kGroupOutputs = 384;  // where 768 KiB of sums wait for the next inputs
constexpr int64_t kAhead = 384;         // inputs ahead that are asked for

decltype(Kernels::matmul_bf16) narrower;

struct alignas(64) PairTile {
  uint16_t at[16][32];  // tokens x inputs, or pairs of inputs x outputs
};
struct Panel {
  PairTile tiles[kPanelBlocks][2];  // of each sixteen outputs
};
struct Sums {
  Square at[2][2];  // of sixteen tokens and sixteen outputs each
};

// Sixteen rows of w, fewer with the last again, by inputs [from, from + inputs).
inline void fill_panel(const uint16_t* w, int64_t ldw, int64_t outputs, int64_t from, int64_t inputs, int64_t all,
                       Panel& panel) {
  for (int v = 0; v < 2 && v * 16 < outputs; ++v) {
    const uint16_t* rows[16];
    for (int64_t i = 0; i < 16; ++i) rows[i] = w + (v * 16 + i < outputs ? v * 16 + i : outputs - 1) * ldw;
    Pairs pairs[16];
    for (int64_t at = 0; at < inputs; at += kBlock) {
      if (inputs - at >= kBlock) {
        const int64_t next =
            from + at + kAhead < all ? from + at + kAhead : from + at + kAhead - all + kPanelOutputs * ldw;
        UNROLL
        for (int i = 0; i < 16; ++i) prefetch(rows[i] + next);
        transpose_pairs(rows, from + at, pairs);
      } else {
        alignas(64) uint16_t tail[16][kBlock] = {};
        const uint16_t* tails[16];
        for (int i = 0; i < 16; ++i) {
          for (int64_t j = 0; j < inputs - at; ++j) tail[i][j] = rows[i][from + at + j];
          tails[i] = tail[i];
        }
        transpose_pairs(tails, 0, pairs);
      }
      UNROLL
      for (int p = 0; p < 16; ++p) _mm512_store_si512(panel.tiles[at / kBlock][v].at[p], pairs[p].v);
    }
  }
}

// Sixteen rows of x, of which `tokens` exist, by inputs [0, inputs) as tiles side by side. Rows as they lie are often a
// power of two apart, so that they would share few sets of the caches.
inline void fill_tokens(const uint16_t* x, int64_t ldx, int64_t tokens, int64_t inputs, PairTile* to) {
  for (int64_t at = 0; at < inputs; at += kBlock, ++to) {
    const int64_t count = inputs - at < kBlock ? inputs - at : kBlock;
    if (tokens >= 16 && count == kBlock) {
      tile_load<4>(x + at, ldx * 2);
      tile_store<4>(to, sizeof to->at[0]);
      continue;
    }
    for (int64_t r = 0; r < 16; ++r)
      for (int64_t i = 0; i < kBlock; ++i) to->at[r][i] = r < tokens && i < count ? x[r * ldx + at + i] : uint16_t{0};
  }
}

// One or two tiles of tokens by one or two of outputs: `from`, or zero where that is null, and `blocks` blocks of
// inputs become `to`, sums of sixteen tokens and outputs each.
template <int groups, int vectors>
inline void multiply(const PairTile* x, const Panel& panel, int64_t blocks, const Sums* from, float* to, int64_t ld,
                     int64_t next_tokens, int64_t next_outputs) {
  if (from) {
    tile_load<0>(&from->at[0][0], 64);
    if constexpr (vectors == 2) tile_load<1>(&from->at[0][1], 64);
    if constexpr (groups == 2) tile_load<2>(&from->at[1][0], 64);
    if constexpr (groups == 2 && vectors == 2) tile_load<3>(&from->at[1][1], 64);
  } else {
    tile_zero<0>();
    tile_zero<1>();
    tile_zero<2>();
    tile_zero<3>();
  }
  for (int64_t b = 0; b < blocks; ++b) {
    tile_load<4>(x + b, 64);
    tile_load<6>(&panel.tiles[b][0], 64);
    tile_dot_bf16<0, 4, 6>();
    if constexpr (vectors == 2) {
      tile_load<7>(&panel.tiles[b][1], 64);
      tile_dot_bf16<1, 4, 7>();
    }
    if constexpr (groups == 2) {
      tile_load<5>(x + kPanelBlocks + b, 64);
      tile_dot_bf16<2, 5, 6>();
      if constexpr (vectors == 2) tile_dot_bf16<3, 5, 7>();
    }
  }
  tile_store<0>(to, ld * 4);
  if constexpr (vectors == 2) tile_store<1>(to + next_outputs, ld * 4);
  if constexpr (groups == 2) tile_store<2>(to + next_tokens, ld * 4);
  if constexpr (groups == 2 && vectors == 2) tile_store<3>(to + next_tokens + next_outputs, ld * 4);
}

// A panel's outputs for up to 32 tokens: sums go on in `sums`, and leave for y at the last inputs.
inline void multiply_tokens(const PairTile* x, const Panel& panel, int64_t blocks, Sums& sums, bool first, bool last,
                            float* y, int64_t ldy, int64_t tokens, int64_t outputs) {
  const Sums* const from = first ? nullptr : &sums;
  const bool direct = last && tokens % 16 == 0 && outputs % 16 == 0;
  float* const to = direct ? y : sums.at[0][0].at[0];
  const int64_t ld = direct ? ldy : 16, next_outputs = direct ? 16 : 256, next_tokens = direct ? 16 * ldy : 512;
  const auto run = [&](auto way) { way(x, panel, blocks, from, to, ld, next_tokens, next_outputs); };
  if (tokens > 16)
    outputs > 16 ? run(multiply<2, 2>) : run(multiply<2, 1>);
  else
    outputs > 16 ? run(multiply<1, 2>) : run(multiply<1, 1>);
  if (!last || direct) return;
  for (int64_t i = 0; i < tokens; ++i)
    each(outputs, [&](int64_t o, int64_t c) { put(y + i * ldy + o, load(sums.at[i / 16][o / 16].at[i % 16]), c); });
}

void matmul_bf16(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy, int64_t m,
                 int64_t n, int64_t k) noexcept {
  if (m <= kFewTokens || k == 0) return narrower(x, ldx, w, ldw, y, ldy, m, n, k);
  const int64_t pairs = ((m < kGroupTokens ? m : kGroupTokens) + 31) / 32;
  const int64_t panels = ((n < kGroupOutputs ? n : kGroupOutputs) + kPanelOutputs - 1) / kPanelOutputs;
  const size_t token_bytes = static_cast<size_t>(pairs * 2 * kPanelBlocks) * sizeof(PairTile);
  auto* const scratch = static_cast<uint8_t*>(
      kernel_scratch(sizeof(Panel) + token_bytes + static_cast<size_t>(pairs * panels) * sizeof(Sums)));
  auto& panel = *reinterpret_cast<Panel*>(scratch);
  auto* const held = reinterpret_cast<PairTile*>(scratch + sizeof(Panel));
  auto* const sums = reinterpret_cast<Sums*>(scratch + sizeof(Panel) + token_bytes);
  TileShapes shapes;
  for (int t = 0; t < 8; ++t) shapes.set(t, 16, 64);
  const Tiles tiles(shapes);
  for (int64_t t = 0; t < m; t += kGroupTokens) {
    const int64_t tokens = m - t < kGroupTokens ? m - t : kGroupTokens;
    for (int64_t group = 0; group < n; group += kGroupOutputs) {
      const int64_t end = n - group < kGroupOutputs ? n : group + kGroupOutputs;
      for (int64_t from = 0; from < k; from += kPanelInputs) {
        const int64_t inputs = k - from < kPanelInputs ? k - from : kPanelInputs,
                      blocks = (inputs + kBlock - 1) / kBlock;
        for (int64_t r = 0; r < tokens; r += 16)
          fill_tokens(x + (t + r) * ldx + from, ldx, tokens - r, inputs, held + r / 16 * kPanelBlocks);
        for (int64_t o = group; o < end; o += kPanelOutputs) {
          const int64_t outputs = end - o < kPanelOutputs ? end - o : kPanelOutputs;
          fill_panel(w + o * ldw, ldw, outputs, from, inputs, k, panel);
          Sums* const of_panel = sums + (o - group) / kPanelOutputs * pairs;
          for (int64_t r = 0; r < tokens; r += 32)
            multiply_tokens(held + r / 16 * kPanelBlocks, panel, blocks, of_panel[r / 32], from == 0,
                            from + inputs == k, y + (t + r) * ldy + o, ldy, tokens - r < 32 ? tokens - r : 32, outputs);
        }
      }
    }
  }
}
}  // namespace

void amx_matmul_bf16(Kernels& k) {
  narrower = k.matmul_bf16;
  k.matmul_bf16 = matmul_bf16;
}

}  // namespace glassbox
