// y = x w^T with w in blocks of small integers and x as int8, by TDPBSSD. The vectors of a panel's entries are the rows
// of a tile as they are, but that weights become signed; sixteen rows of x are a tile as they lie. A block's sums leave
// by a tile of int32 for memory, where vectors bring them into the totals: stores of tiles are not forwarded to loads,
// so a tile's sums are used when others have been multiplied meanwhile.
#include <type_traits>

#include "kernels/generic/set.h"
#include "kernels/grids.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {
#include "kernels/avx512/vector.inl"

#include "kernels/avx512/bytes.inl"
#include "kernels/amx/tiles.inl"
#include "kernels/generic/loops.inl"
#include "kernels/generic/block_formats.inl"
#include "kernels/generic/grid_formats.inl"
#include "kernels/generic/block_panel.inl"

constexpr int64_t kFewTokens = 24;      // up to so many, the narrower set's way: a tile of sixteen is hardly filled
constexpr int64_t kGroupTokens = 512;   // tokens that pass by a panel
constexpr int64_t kGroupInputs = 2048;  // of so many inputs, so that their bytes stay in the second-level cache
constexpr int64_t kPanelVectors = 2;    // tiles of outputs that a tile of tokens meets while it is close by

decltype(Kernels::matmul_blocks) narrower;

// What is beside a row's bytes.
struct Beside {
  const float* scales;  // one a block
  const int16_t* sums;  // of sixteen
};
inline Beside beside(const uint8_t* row, int64_t k, int64_t block) {
  const auto* scales = reinterpret_cast<const float*>(row + k);
  return {scales, reinterpret_cast<const int16_t*>(scales + k / block)};
}
KERNEL_INLINE I bytes_minus(I a, I b) { return {_mm512_sub_epi8(a.v, b.v)}; }
KERNEL_INLINE I byte_in_each(int x) { return integer(static_cast<int>(static_cast<unsigned>(x) * kBytes1)); }

// --- blocks of 32 inputs ---

constexpr int64_t kSpan32 = 16;  // blocks of a panel
constexpr int64_t kLead = 3;     // blocks that lie between a block's product and its sums' joining the totals
constexpr int64_t kRing = 4;     // a power of two, no less

// Sixteen tokens, one block of each.
struct alignas(64) Tokens32 {
  int8_t values[16][32];
  float scale[16];
  float weighted[16];  // the sum of the values times the scale
};

// Weights of an entry as signed bytes.
template <class F>
KERNEL_INLINE void make_signed(Entry32& e) {
  I by = byte_in_each(F::kOffset);
  if constexpr (F::kZero) by = multiply(bits(e.minimum), integer(kBytes1));  // below 128, as in every set
  if constexpr (F::kZero || F::kOffset != 0) {
    UNROLL
    for (int j = 0; j < 8; ++j) e.w[j] = bytes_minus(e.w[j], by);
  }
}

// Four of the sums of a block join the totals.
template <class F, int from>
KERNEL_INLINE void join_four(V (&total)[16], const Tokens32& x, const Entry32& e, const Square* sums) {
  UNROLL
  for (int half = 0; half < (F::kHalves ? 2 : 1); ++half) {
    UNROLL
    for (int r = from; r < from + 4; ++r) {
      const V scale = mul(half == 0 ? e.scale : e.minimum, broadcast(x.scale + r));
      total[r] = fma(scale, to_float(bits(load(sums[half].at[r]))), total[r]);
      if constexpr (F::kMinimum) total[r] = fma(e.minimum, broadcast(x.weighted + r), total[r]);
    }
  }
}

// Block b is multiplied into tile b % 2, while the sums of the block before it leave the other and those of an earlier
// one join. Instructions of tiles stand among vectors that do not wait for them, and a tile leaves when its product is
// long done.
template <class F, int odd>
KERNEL_INLINE void step_32(V (&total)[16], const Tokens32* x, const Entry32* panel, Square* ring, int64_t b,
                           bool multiplies, bool leaves, bool joins) {
  constexpr int mine = 2 * odd, other = 2 - mine, kHalves = F::kHalves ? 2 : 1;
  const Entry32& e = panel[b * kPanelVectors];
  const int64_t at = joins ? b - kLead : 0;
  const Entry32& earlier = panel[at * kPanelVectors];
  const Square* const sums = ring + at % kRing * kHalves;
  if (multiplies) {
    tile_load<4>(x[b].values, 32);
    tile_load<5>(e.w, 64);
  }
  if (joins) join_four<F, 0>(total, x[at], earlier, sums);
  if (multiplies) {
    tile_zero<mine>();
    tile_dot_bytes<mine, 4, 5>();
    if constexpr (F::kHalves) {
      tile_load<6>(x[b].values[0] + 16, 32);
      tile_load<7>(e.w + 4, 64);
      tile_zero<mine + 1>();
      tile_dot_bytes<mine + 1, 6, 7>();
    }
  }
  if (joins) join_four<F, 4>(total, x[at], earlier, sums);
  if (joins) join_four<F, 8>(total, x[at], earlier, sums);
  if (leaves) {
    Square* const to = ring + (b - 1) % kRing * kHalves;
    tile_store<other>(to, 64);
    if constexpr (F::kHalves) tile_store<other + 1>(to + 1, 64);
  }
  if (joins) join_four<F, 12>(total, x[at], earlier, sums);
}

// Blocks [0, count) of an output vector's panel by sixteen tokens join the totals.
template <class F>
inline void multiply_blocks(const Tokens32* x, const Entry32* panel, int64_t count, Square& totals, Square* ring) {
  V total[16];
  UNROLL
  for (int r = 0; r < 16; ++r) total[r] = load(totals.at[r]);
  static_assert(kLead % 2 == 1 && kLead >= 3 && kLead < kRing);
  int64_t b = 0;
  // Until blocks join, and after the last was multiplied.
  const auto ends = [&](int64_t end) __attribute__((always_inline)) {
    for (; b < end; ++b) {
      const bool multiplies = b < count, leaves = b > 0 && b <= count, joins = b >= kLead;
      if (b % 2 == 1)
        step_32<F, 1>(total, x, panel, ring, b, multiplies, leaves, joins);
      else
        step_32<F, 0>(total, x, panel, ring, b, multiplies, leaves, joins);
    }
  };
  ends(kLead);
  for (; b + 2 <= count; b += 2) {
    step_32<F, 1>(total, x, panel, ring, b, true, true, true);
    step_32<F, 0>(total, x, panel, ring, b + 1, true, true, true);
  }
  ends(count + kLead);
  UNROLL
  for (int r = 0; r < 16; ++r) store(totals.at[r], total[r]);
}

// Of `tokens` rows, up to sixteen, that begin at x: blocks [block, block + blocks) as tiles, those not there as zeros.
template <class F>
inline void fill_tokens(const uint8_t* x, int64_t ldx, int64_t k, int64_t block, int64_t blocks, int64_t tokens,
                        Tokens32* to) {
  for (int64_t b = 0; b < blocks; ++b) {
    if (tokens == 16) {
      tile_load<4>(x + (block + b) * 32, ldx);
      tile_store<4>(to[b].values, 32);
      if constexpr (F::kHalves) {
        tile_load<4>(x + (block + b) * 32 + 16, ldx);
        tile_store<4>(to[b].values[0] + 16, 32);
      }
    } else {
      to[b] = {};
      for (int64_t r = 0; r < tokens; ++r) __builtin_memcpy(to[b].values[r], x + r * ldx + (block + b) * 32, 32);
    }
  }
  for (int64_t b = 0; b < blocks; b += 16) {
    const int64_t count = blocks - b < 16 ? blocks - b : 16;
    V scale[16], weighted[16];
    UNROLL
    for (int r = 0; r < 16; ++r) {
      const Beside a = beside(x + (r < tokens ? r : 0) * ldx, k, 32);
      scale[r] = some(a.scales + block + b, count);
      if constexpr (F::kMinimum) {
        const I sums = bits(some(reinterpret_cast<const float*>(a.sums + 2 * (block + b)), count));
        weighted[r] = mul(scale[r], to_float(dot_pairs(integer(0), sums, integer(0x00010001))));
      }
    }
    transpose(scale);
    for (int64_t i = 0; i < count; ++i) store(to[b + i].scale, scale[i]);
    if constexpr (F::kMinimum) {
      transpose(weighted);
      for (int64_t i = 0; i < count; ++i) store(to[b + i].weighted, weighted[i]);
    }
  }
}

// --- blocks of 256 inputs ---

constexpr int64_t kLow = 7;  // bits of a scaled weight's low byte

// A part's scale is an integer, and so joins the weights beforehand: one scaled weight fits a byte, or is 128 high +
// low. Q3_K's lie in [-124, 128], hence are kept negated.
template <class F>
constexpr bool kNegated = std::is_same_v<F, Q3_K>;
template <class F>
constexpr int kProducts = [] {
  if constexpr (F::kInputs == 32)
    return 0;
  else
    return F::kPart == 256 || kNegated<F> || std::is_same_v<F, Q2_K> ? 1 : 2;
}();

template <int products>
struct Scaled256 {
  I w[products > 0 ? products : 1][64];
  I minimums[8];
  V d, d_minimum;
};

template <class F>
inline void scale_weights(const Entry256& e, Scaled256<kProducts<F>>& to) {
  const auto in_16 = [](__m512i a, __m512i b) { return _mm512_mullo_epi16(a, b); };
  const __m512i low_bytes = _mm512_set1_epi16(0xff), high_bytes = _mm512_set1_epi16(static_cast<int16_t>(0xff00));
  const I lifted = byte_in_each(F::kOffset);
  constexpr int64_t kParts = 256 / F::kPart;
  for (int64_t part = 0; part < kParts; ++part) {
    __m512i scale = _mm512_setzero_si512();
    if constexpr (kParts > 1) {
      const I s = kNegated<F> ? sub(integer(0), e.scale[part]) : e.scale[part];
      scale = _mm512_or_si512(_mm512_and_si512(s.v, _mm512_set1_epi32(0xffff)), _mm512_slli_epi32(s.v, 16));
    }
    UNROLL
    for (int i = 0; i < F::kPart / 4; ++i) {
      const int64_t j = part * (F::kPart / 4) + i;
      const I w = F::kOffset == 0 ? e.w[j] : bytes_minus(e.w[j], lifted);
      if constexpr (kParts == 1) {
        to.w[0][j] = w;
      } else {
        const __m512i even = in_16(_mm512_srai_epi16(_mm512_slli_epi16(w.v, 8), 8), scale),
                      odd = in_16(_mm512_srai_epi16(w.v, 8), scale);
        const __m512i low = _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, even, _mm512_slli_epi16(odd, 8));
        if constexpr (kProducts<F> == 1) {
          to.w[0][j] = {low};
        } else {
          to.w[0][j] = {_mm512_and_si512(low, _mm512_set1_epi8(0x7f))};
          to.w[1][j] = {_mm512_or_si512(_mm512_and_si512(_mm512_srai_epi16(even, kLow), low_bytes),
                                        _mm512_and_si512(_mm512_slli_epi16(odd, 8 - kLow), high_bytes))};
        }
      }
    }
  }
  to.d = e.d;
  to.d_minimum = e.d_minimum;
  if constexpr (F::kMinimum) {
    UNROLL
    for (int i = 0; i < kParts / 2; ++i) to.minimums[i] = e.minimums[i];
  }
}

// Sixteen tokens, one block of each.
struct alignas(64) Tokens256 {
  int8_t values[4][16][64];
  float scale[16];
  int32_t sums[8][16];  // of two neighbouring parts, 16 bits each
};

template <class F>
inline void fill_tokens(const uint8_t* x, int64_t ldx, int64_t k, int64_t block, int64_t blocks, int64_t tokens,
                        Tokens256* to) {
  for (int64_t b = 0; b < blocks; ++b) {
    if (tokens < 16) to[b] = {};
    for (int64_t i = 0; i < 4; ++i) {
      const uint8_t* const from = x + (block + b) * 256 + 64 * i;
      if (tokens == 16) {
        tile_load<4>(from, ldx);
        tile_store<4>(to[b].values[i], 64);
      } else {
        for (int64_t r = 0; r < tokens; ++r) __builtin_memcpy(to[b].values[i][r], from + r * ldx, 64);
      }
    }
  }
  for (int64_t r = 0; r < tokens; ++r) {
    const Beside a = beside(x + r * ldx, k, 256);
    for (int64_t b = 0; b < blocks; ++b) {
      to[b].scale[r] = a.scales[block + b];
      if constexpr (F::kMinimum) {
        const int16_t* sums = a.sums + 16 * (block + b);
        for (int64_t i = 0; i < 128 / F::kPart; ++i) {
          int32_t pair[2];
          for (int64_t p = 0; p < 2; ++p)
            pair[p] = F::kPart == 16 ? sums[2 * i + p] : sums[4 * i + 2 * p] + sums[4 * i + 2 * p + 1];
          to[b].sums[i][r] = (pair[0] & 0xffff) | pair[1] << 16;
        }
      }
    }
  }
}

// A block of up to 32 tokens by sixteen outputs.
template <class F>
struct Unit {
  const Tokens256* x[2];  // the second may be null
  const Scaled256<kProducts<F>>* w;
  Square* totals;  // two, side by side
};

// Inputs [64 step, 64 step + 64) of a unit into tiles 0 to 3: for each sixteen tokens the low sums and the high ones.
template <class F>
KERNEL_INLINE void multiply_step(const Unit<F>& u, int64_t step) {
  constexpr bool two = kProducts<F> == 2;
  tile_load<4>(u.x[0]->values[step], 64);
  tile_load<6>(u.w->w[0] + 16 * step, 64);
  tile_dot_bytes<0, 4, 6>();
  if constexpr (two) {
    tile_load<7>(u.w->w[1] + 16 * step, 64);
    tile_dot_bytes<1, 4, 7>();
  }
  if (u.x[1]) {
    tile_load<5>(u.x[1]->values[step], 64);
    tile_dot_bytes<2, 5, 6>();
    if constexpr (two) tile_dot_bytes<3, 5, 7>();
  }
}
// Sums of eight tokens from `at` on join the totals.
template <class F>
KERNEL_INLINE void join_eight(const Unit<F>& u, const Square* sums, int64_t at) {
  constexpr int64_t kParts = 256 / F::kPart;
  const Tokens256& x = *u.x[at / 16];
  const Scaled256<kProducts<F>>& w = *u.w;
  const Square& low = sums[at / 16 * 2];
  const Square& high = sums[at / 16 * 2 + 1];
  Square& totals = u.totals[at / 16];
  const int64_t row = at % 16;
  // Held in registers: totals that are stored might be anything's, for all the compiler knows.
  const V d = w.d, d_minimum = w.d_minimum;
  I minimums[8];
  UNROLL
  for (int p = 0; p < 8; ++p) minimums[p] = F::kMinimum && p < kParts / 2 ? w.minimums[p] : integer(0);
  UNROLL
  for (int64_t i = 0; i < 8; ++i) {
    I whole = bits(load(low.at[row + i]));
    if constexpr (kProducts<F> == 2) whole = add(whole, shift_left<kLow>(bits(load(high.at[row + i]))));
    if constexpr (kNegated<F>) whole = sub(integer(0), whole);
    const V scale = broadcast(x.scale + row + i);
    V total = fma(mul(d, scale), to_float(whole), load(totals.at[row + i]));
    if constexpr (F::kMinimum) {
      I sum = integer(0);
      UNROLL
      for (int p = 0; p < kParts / 2; ++p) sum = dot_pairs(sum, minimums[p], broadcast_word(&x.sums[p][row + i]));
      total = fnma(mul(d_minimum, scale), to_float(sum), total);
    }
    store(totals.at[row + i], total);
  }
}

// Tiles' sums of unit `leaving` go to memory, `u` is multiplied, and meanwhile sums of an earlier one join their
// totals. Any of them may be null.
template <class F>
inline void run_unit(const Unit<F>* u, const Unit<F>* leaving, Square* sums_leaving, const Unit<F>* earlier,
                     const Square* sums_earlier) {
  if (leaving) {
    tile_store<0>(sums_leaving, 64);
    if constexpr (kProducts<F> == 2) tile_store<1>(sums_leaving + 1, 64);
    if (leaving->x[1]) {
      tile_store<2>(sums_leaving + 2, 64);
      if constexpr (kProducts<F> == 2) tile_store<3>(sums_leaving + 3, 64);
    }
  }
  if (u) {
    tile_zero<0>();
    tile_zero<1>();
    tile_zero<2>();
    tile_zero<3>();
  }
  for (int64_t step = 0; step < 4; ++step) {
    if (u) multiply_step(*u, step);
    if (earlier && earlier->x[step / 2]) join_eight(*earlier, sums_earlier, 8 * step);
  }
}

// A block of all tokens: `groups` times sixteen, `apart` blocks from each other, by the vectors of a panel.
template <class F>
inline void multiply_block(const Tokens256* x, int64_t apart, int64_t groups, const Scaled256<kProducts<F>>* panel,
                           int64_t vectors, Square (*totals)[kGroupTokens / 16], Square* sums) {
  Unit<F> units[3];
  const int64_t pairs = (groups + 1) / 2, count = pairs * vectors;
  for (int64_t i = 0; i < count + 2; ++i) {
    Unit<F>* u = nullptr;
    if (i < count) {
      const int64_t g = i / vectors * 2, v = i % vectors;
      u = &units[i % 3];
      *u = {{x + g * apart, g + 1 < groups ? x + (g + 1) * apart : nullptr}, panel + v, &totals[v][g]};
    }
    run_unit<F>(u, i >= 1 && i <= count ? &units[(i + 2) % 3] : nullptr, sums + (i + 1) % 2 * 4,
                i >= 2 ? &units[(i + 1) % 3] : nullptr, sums + i % 2 * 4);
  }
}

// --- both ---

template <class F>
inline TileShapes shapes_for() {
  TileShapes shapes;
  for (int t = 0; t < 8; ++t) shapes.set(t, 16, 64);
  if constexpr (F::kInputs == 32) {
    constexpr int inputs = F::kHalves ? 16 : 32;
    for (const int a : {4, 6}) shapes.set(a, 16, inputs);
    for (const int b : {5, 7}) shapes.set(b, inputs / 4, 64);
  }
  return shapes;
}

// Totals of up to sixteen tokens and outputs wait apart while inputs of a chunk go on: rows of y may be far apart, and
// then share few sets of the caches.
inline void begin_totals(Square& totals, const float* y, int64_t ldy, int64_t tokens, int64_t outputs, bool first) {
  for (int64_t r = 0; r < 16; ++r) store(totals.at[r], first || r >= tokens ? zero() : some(y + r * ldy, outputs));
}
inline void end_totals(const Square& totals, float* y, int64_t ldy, int64_t tokens, int64_t outputs) {
  for (int64_t r = 0; r < 16 && r < tokens; ++r) put(y + r * ldy, load(totals.at[r]), outputs);
}

template <class F>
inline void matmul_format(const uint8_t* x, int64_t ldx, const BlockMatrix& w, float* y, int64_t ldy, int64_t m,
                          int64_t n, int64_t k) {
  constexpr bool of_32 = F::kInputs == 32;
  using Tokens = std::conditional_t<of_32, Tokens32, Tokens256>;
  using Entry = std::conditional_t<of_32, Entry32, Scaled256<kProducts<F>>>;
  constexpr int64_t kBlocks = kGroupInputs / F::kInputs, kSpan = of_32 ? kSpan32 : 1;
  struct Memory {
    Entry panel[kSpan * kPanelVectors];
    Square sums[8];
    Square totals[kPanelVectors][kGroupTokens / 16];
    Entry256 unpacked;
  };
  const int64_t held = m < kGroupTokens ? (m + 15) / 16 : kGroupTokens / 16, blocks = k / F::kInputs;
  const int64_t together = blocks < kBlocks ? blocks : kBlocks;
  auto* const scratch =
      static_cast<uint8_t*>(kernel_scratch(sizeof(Memory) + static_cast<size_t>(held * together) * sizeof(Tokens)));
  auto& memory = *reinterpret_cast<Memory*>(scratch);
  auto* const of_tokens = reinterpret_cast<Tokens*>(scratch + sizeof(Memory));
  const Tiles tiles(shapes_for<F>());
  for (int64_t t = 0; t < m; t += kGroupTokens) {
    const int64_t tokens = m - t < kGroupTokens ? m - t : kGroupTokens, groups = (tokens + 15) / 16;
    for (int64_t chunk = 0; chunk < blocks; chunk += kBlocks) {
      const int64_t count = blocks - chunk < kBlocks ? blocks - chunk : kBlocks;
      for (int64_t g = 0; g < groups; ++g)
        fill_tokens<F>(x + (t + 16 * g) * ldx, ldx, k, chunk, count, tokens - 16 * g < 16 ? tokens - 16 * g : 16,
                       of_tokens + g * count);
      for (int64_t o = 0; o < n; o += 16 * kPanelVectors) {
        const int64_t vectors = n - o <= 16 ? 1 : kPanelVectors;
        Lanes lanes[kPanelVectors];
        for (int64_t v = 0; v < vectors; ++v) lanes[v] = lanes_of(w, o + 16 * v, n);
        const auto each_square = [&](auto body) {
          for (int64_t v = 0; v < vectors; ++v)
            for (int64_t g = 0; g < groups; ++g)
              body(memory.totals[v][g], y + (t + 16 * g) * ldy + o + 16 * v, tokens - 16 * g, lanes[v].count);
        };
        each_square([&](Square& totals, const float* from, int64_t rows, int64_t outputs) {
          begin_totals(totals, from, ldy, rows, outputs, chunk == 0);
        });
        for (int64_t from = 0; from < count; from += kSpan) {
          const int64_t span = count - from < kSpan ? count - from : kSpan;
          for (int64_t v = 0; v < vectors; ++v)
            for (int64_t b = 0; b < span; ++b) {
              Entry& entry = memory.panel[b * kPanelVectors + v];
              if constexpr (of_32) {
                unpack_block<F>(w, lanes[v], chunk + from + b, 16 * kPanelVectors, entry);
                make_signed<F>(entry);
              } else {
                unpack_block<F>(w, lanes[v], chunk + from + b, 16 * kPanelVectors, memory.unpacked);
                scale_weights<F>(memory.unpacked, entry);
              }
            }
          if constexpr (of_32) {
            for (int64_t g = 0; g < groups; ++g)
              for (int64_t v = 0; v < vectors; ++v)
                multiply_blocks<F>(of_tokens + g * count + from, memory.panel + v, span, memory.totals[v][g],
                                   memory.sums);
          } else {
            multiply_block<F>(of_tokens + from, count, groups, memory.panel, vectors, memory.totals, memory.sums);
          }
        }
        each_square([&](const Square& totals, float* to, int64_t rows, int64_t outputs) {
          end_totals(totals, to, ldy, rows, outputs);
        });
      }
    }
  }
}

void matmul_blocks(const void* x, int64_t ldx, const BlockMatrix& w, float* y, int64_t ldy, int64_t m, int64_t n,
                   int64_t k) noexcept {
  if (m <= kFewTokens || k == 0) return narrower(x, ldx, w, y, ldy, m, n, k);
  with_format(w.type, [&](auto format) {
    matmul_format<decltype(format)>(static_cast<const uint8_t*>(x), ldx, w, y, ldy, m, n, k);
  });
}
}  // namespace

void amx_matmul_blocks(Kernels& k) {
  narrower = k.matmul_blocks;
  k.matmul_blocks = matmul_blocks;
}

}  // namespace glassbox
