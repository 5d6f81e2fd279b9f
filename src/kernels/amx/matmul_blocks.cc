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

constexpr int64_t kFewTokens = 8;       // up to so many, the narrower set's way
constexpr int64_t kGroupTokens = 512;   // tokens that pass by a panel
constexpr int64_t kGroupInputs = 2048;  // of so many inputs, so that their bytes stay in the second-level cache
constexpr int64_t kPanelVectors = 2;    // tiles of outputs that a tile of tokens meets while it is close by

decltype(Kernels::matmul_blocks) narrower;

struct Activations {
  const int8_t* values;
  const float* scales;  // one a block
  const int16_t* sums;  // of sixteen
};
inline Activations row_of(const uint8_t* row, int64_t k, int64_t block) {
  const auto* scales = reinterpret_cast<const float*>(row + k);
  return {reinterpret_cast<const int8_t*>(row), scales, reinterpret_cast<const int16_t*>(scales + k / block)};
}
KERNEL_INLINE I bytes_minus(I a, I b) { return {_mm512_sub_epi8(a.v, b.v)}; }
KERNEL_INLINE I byte_in_each(int x) { return integer(x * kBytes1); }

// Totals of sixteen tokens and sixteen outputs, or fewer.
struct Totals {
  float* at;  // null: zero
  int64_t ld, tokens, outputs;

  KERNEL_INLINE V row(int64_t r) const { return at && r < tokens ? some(at + r * ld, outputs) : zero(); }
  KERNEL_INLINE void set_row(int64_t r, V a) const {
    if (r < tokens) put(at + r * ld, a, outputs);
  }
};

// --- blocks of 32 inputs ---

constexpr int64_t kSpan32 = 16;  // blocks of a panel
constexpr int64_t kLead = 2;     // blocks that are multiplied before the first of them joins the totals
constexpr int64_t kRing = 4;     // a power of two, more than that

// What sixteen tokens are beside their bytes, of one block.
struct alignas(64) Beside32 {
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

// Blocks [0, count) of an output vector's panel by sixteen tokens whose bytes begin at x.
template <class F>
inline void tile_32(const int8_t* x, int64_t ldx, const Beside32* beside, const Entry32* panel, int64_t count,
                    const Totals& from, const Totals& to, Square* ring) {
  constexpr int kHalves = F::kHalves ? 2 : 1;
  V total[16];
  UNROLL
  for (int r = 0; r < 16; ++r) total[r] = from.row(r);
  const auto product = [&](int64_t b) __attribute__((always_inline)) {
    const Entry32& e = panel[b * kPanelVectors];
    Square* const sums = ring + b % kRing * kHalves;
    tile_zero<0>();
    if constexpr (F::kHalves) {
      tile_zero<1>();
      tile_load<6>(x + b * 32, ldx);
      tile_load<7>(e.w, 64);
      tile_dot_bytes<0, 6, 7>();
      tile_load<6>(x + b * 32 + 16, ldx);
      tile_load<7>(e.w + 4, 64);
      tile_dot_bytes<1, 6, 7>();
      tile_store<0>(sums, 64);
      tile_store<1>(sums + 1, 64);
    } else {
      tile_load<4>(x + b * 32, ldx);
      tile_load<5>(e.w, 64);
      tile_dot_bytes<0, 4, 5>();
      tile_store<0>(sums, 64);
    }
  };
  const auto join = [&](int64_t b) __attribute__((always_inline)) {
    const Entry32& e = panel[b * kPanelVectors];
    UNROLL
    for (int half = 0; half < kHalves; ++half) {
      const V scale = half == 0 ? e.scale : e.minimum;
      const Square& sums = ring[b % kRing * kHalves + half];
      UNROLL
      for (int r = 0; r < 16; ++r) {
        total[r] = fma(mul(scale, broadcast(beside[b].scale + r)), to_float(bits(load(sums.at[r]))), total[r]);
        if constexpr (F::kMinimum) total[r] = fma(e.minimum, broadcast(beside[b].weighted + r), total[r]);
      }
    }
  };
  const int64_t lead = count < kLead ? count : kLead;
  for (int64_t b = 0; b < lead; ++b) product(b);
  for (int64_t b = lead; b < count; ++b) {
    product(b);
    join(b - lead);
  }
  for (int64_t b = count - lead; b < count; ++b) join(b);
  UNROLL
  for (int r = 0; r < 16; ++r) to.set_row(r, total[r]);
}

// Scales, and what minimums are multiplied by, of the tokens that are there.
template <class F>
inline void fill_beside(const uint8_t* x, int64_t ldx, int64_t k, int64_t block, int64_t blocks, int64_t tokens,
                        Beside32* to) {
  for (int64_t r = 0; r < 16; ++r) {
    const Activations a = row_of(x + (r < tokens ? r : tokens - 1) * ldx, k, 32);
    for (int64_t b = 0; b < blocks; ++b) {
      to[b].scale[r] = a.scales[block + b];
      if constexpr (F::kMinimum) {
        const int16_t* sums = a.sums + 2 * (block + b);
        to[b].weighted[r] = a.scales[block + b] * static_cast<float>(sums[0] + sums[1]);
      }
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
        if constexpr (kProducts<F> == 1) {
          to.w[0][j] = {_mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, even, _mm512_slli_epi16(odd, 8))};
        } else {
          const __m512i low = _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, even, _mm512_slli_epi16(odd, 8));
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

// What sixteen tokens are beside their bytes, of one block.
struct alignas(64) Beside256 {
  float scale[16];
  int32_t sums[8][16];  // of two neighbouring parts, 16 bits each
};

template <class F>
inline void fill_beside(const uint8_t* x, int64_t ldx, int64_t k, int64_t block, int64_t blocks, int64_t tokens,
                        Beside256* to) {
  for (int64_t r = 0; r < 16; ++r) {
    const Activations a = row_of(x + (r < tokens ? r : tokens - 1) * ldx, k, 256);
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

// Up to 32 tokens by sixteen outputs, of one block.
template <class F>
struct Unit {
  const int8_t* x[2];  // of each sixteen tokens
  int64_t ldx[2];
  const Beside256* beside[2];
  const Scaled256<kProducts<F>>* w;
  Totals from[2], to[2];
  int64_t tokens;
};

// Inputs [64 step, 64 step + 64) of a unit into tiles 0 to 3: for each sixteen tokens the low sums and the high ones.
template <class F>
KERNEL_INLINE void multiply_step(const Unit<F>& u, int64_t step) {
  constexpr bool two = kProducts<F> == 2;
  tile_load<4>(u.x[0] + 64 * step, u.ldx[0]);
  tile_load<6>(u.w->w[0] + 16 * step, 64);
  tile_dot_bytes<0, 4, 6>();
  if constexpr (two) {
    tile_load<7>(u.w->w[1] + 16 * step, 64);
    tile_dot_bytes<1, 4, 7>();
  }
  if (u.tokens > 16) {
    tile_load<5>(u.x[1] + 64 * step, u.ldx[1]);
    tile_dot_bytes<2, 5, 6>();
    if constexpr (two) tile_dot_bytes<3, 5, 7>();
  }
}
// Sums of eight tokens from `at` on join the totals.
template <class F>
KERNEL_INLINE void join_eight(const Unit<F>& u, const Square* sums, int64_t at) {
  constexpr int64_t kParts = 256 / F::kPart;
  const Square* const low = sums + at / 16 * 2;
  const Beside256& beside = *u.beside[at / 16];
  const int64_t row = at % 16;
  UNROLL
  for (int64_t i = 0; i < 8; ++i) {
    I whole = bits(load(low[0].at[row + i]));
    if constexpr (kProducts<F> == 2) whole = add(whole, shift_left<kLow>(bits(load(low[1].at[row + i]))));
    if constexpr (kNegated<F>) whole = sub(integer(0), whole);
    V total = u.from[at / 16].row(row + i);
    const V scale = broadcast(beside.scale + row + i);
    total = fma(mul(u.w->d, scale), to_float(whole), total);
    if constexpr (F::kMinimum) {
      I sum = integer(0);
      UNROLL
      for (int p = 0; p < kParts / 2; ++p)
        sum = dot_pairs(sum, u.w->minimums[p], broadcast_word(&beside.sums[p][row + i]));
      total = fnma(mul(u.w->d_minimum, scale), to_float(sum), total);
    }
    u.to[at / 16].set_row(row + i, total);
  }
}

// Multiplies `u`, and meanwhile lets the sums of `before` join their totals.
template <class F>
inline void run_unit(const Unit<F>* u, const Unit<F>* before, Square* sums, const Square* sums_before) {
  if (u) {
    tile_zero<0>();
    tile_zero<1>();
    tile_zero<2>();
    tile_zero<3>();
  }
  for (int64_t step = 0; step < 4; ++step) {
    if (u) multiply_step(*u, step);
    if (before && 8 * step < before->tokens) join_eight(*before, sums_before, 8 * step);
  }
  if (!u) return;
  tile_store<0>(sums, 64);
  if constexpr (kProducts<F> == 2) tile_store<1>(sums + 1, 64);
  if (u->tokens <= 16) return;
  tile_store<2>(sums + 2, 64);
  if constexpr (kProducts<F> == 2) tile_store<3>(sums + 3, 64);
}

// --- both ---

inline TileShapes shapes_of(bool of_32) {
  TileShapes shapes;
  for (int t = 0; t < 8; ++t) shapes.set(t, 16, 64);
  if (of_32) {
    shapes.set(4, 16, 32), shapes.set(5, 8, 64);  // a block
    shapes.set(6, 16, 16), shapes.set(7, 4, 64);  // half of one
  }
  return shapes;
}

template <class F>
inline void matmul_format(const uint8_t* x, int64_t ldx, const BlockMatrix& w, float* y, int64_t ldy, int64_t m,
                          int64_t n, int64_t k) {
  constexpr bool of_32 = F::kInputs == 32;
  using Beside = std::conditional_t<of_32, Beside32, Beside256>;
  constexpr int64_t kBlocks = kGroupInputs / F::kInputs, kSpan = of_32 ? kSpan32 : 1;
  using Entry = std::conditional_t<of_32, Entry32, Scaled256<kProducts<F>>>;
  struct Memory {
    Entry panel[kSpan * kPanelVectors];
    Square sums[8];
    alignas(64) uint8_t last[16][kGroupInputs + 64];  // tokens that are not sixteen: bytes, then zeros
    Entry256 unpacked;
  };
  const int64_t held = (m < kGroupTokens ? m + 15 : kGroupTokens) / 16, blocks = k / F::kInputs;
  const int64_t together = blocks < kBlocks ? blocks : kBlocks;
  auto* const scratch =
      static_cast<uint8_t*>(kernel_scratch(sizeof(Memory) + static_cast<size_t>(held * together) * sizeof(Beside)));
  auto& memory = *reinterpret_cast<Memory*>(scratch);
  auto* const waiting = reinterpret_cast<Square*>(scratch + sizeof(Memory));
  auto* const beside = reinterpret_cast<Beside*>(waiting + held * kPanelVectors);
  const Tiles tiles(shapes_of(of_32));
  for (int64_t t = 0; t < m; t += kGroupTokens) {
    const int64_t tokens = m - t < kGroupTokens ? m - t : kGroupTokens, groups = (tokens + 15) / 16;
    for (int64_t chunk = 0; chunk < blocks; chunk += kBlocks) {
      const int64_t count = blocks - chunk < kBlocks ? blocks - chunk : kBlocks;
      const uint8_t* const rows = x + t * ldx;
      for (int64_t g = 0; g < groups; ++g)
        fill_beside<F>(rows + 16 * g * ldx, ldx, k, chunk, count, tokens - 16 * g < 16 ? tokens - 16 * g : 16,
                       beside + g * count);
      const auto bytes_of = [&](int64_t g) { return rows + 16 * g * ldx + chunk * F::kInputs; };
      if (tokens % 16)
        for (int64_t r = 0; r < 16; ++r) {
          if (r < tokens % 16)
            __builtin_memcpy(memory.last[r], bytes_of(groups - 1) + r * ldx, static_cast<size_t>(count * F::kInputs));
          else
            __builtin_memset(memory.last[r], 0, static_cast<size_t>(count * F::kInputs));
        }
      // A tile's bytes from block b of the chunk on, and how far apart its rows are.
      const auto tile_at = [&](int64_t g, int64_t b) {
        const bool edge = tokens - 16 * g < 16;
        return std::pair(reinterpret_cast<const int8_t*>(edge ? memory.last[0] : bytes_of(g)) + b * F::kInputs,
                         edge ? static_cast<int64_t>(sizeof memory.last[0]) : ldx);
      };
      for (int64_t o = 0; o < n; o += 16 * kPanelVectors) {
        const int64_t vectors = n - o <= 16 ? 1 : kPanelVectors;
        Lanes lanes[kPanelVectors];
        for (int64_t v = 0; v < vectors; ++v) lanes[v] = lanes_of(w, o + 16 * v, n);
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
          // Totals wait in memory of their own while inputs of a chunk go on: rows of y are far apart.
          const auto totals = [&](int64_t g, int64_t v, bool in_y) {
            if (!in_y) return Totals{waiting[v * groups + g].at[0], 16, 16, 16};
            return Totals{y + (t + 16 * g) * ldy + o + 16 * v, ldy, tokens - 16 * g, lanes[v].count};
          };
          const auto before = [&](int64_t g, int64_t v) {
            return chunk + from == 0 ? Totals{} : totals(g, v, from == 0);
          };
          const auto after = [&](int64_t g, int64_t v) { return totals(g, v, from + span == count); };
          if constexpr (of_32) {
            for (int64_t g = 0; g < groups; ++g)
              for (int64_t v = 0; v < vectors; ++v) {
                const auto [at, ld] = tile_at(g, from);
                tile_32<F>(at, ld, beside + g * count + from, memory.panel + v, span, before(g, v), after(g, v),
                           memory.sums);
              }
          } else {
            Unit<F> units[2];
            int64_t number = 0;
            for (int64_t g = 0; g < groups; g += 2)
              for (int64_t v = 0; v < vectors; ++v, ++number) {
                Unit<F>& u = units[number % 2];
                u.w = memory.panel + v;
                u.tokens = tokens - 16 * g < 32 ? tokens - 16 * g : 32;
                for (int64_t i = 0; i < 2 && g + i < groups; ++i) {
                  const auto [at, ld] = tile_at(g + i, from);
                  u.x[i] = at, u.ldx[i] = ld, u.beside[i] = beside + (g + i) * count + from;
                  u.from[i] = before(g + i, v), u.to[i] = after(g + i, v);
                }
                run_unit<F>(&u, number ? &units[(number + 1) % 2] : nullptr, memory.sums + number % 2 * 4,
                            memory.sums + (number + 1) % 2 * 4);
              }
            run_unit<F>(nullptr, &units[(number + 1) % 2], nullptr, memory.sums + (number + 1) % 2 * 4);
          }
        }
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
