// y = x w^T with w in blocks of small integers and x as int8. Rows of w are unpacked into entries of a panel
// (block_panel.inl), which all rows of x pass by; within a block sums are exact, so their order is free.

constexpr int64_t kBlockTokens = 512;  // rows that pass by a panel: their bytes stay in the second-level cache
constexpr int64_t kBlockSpan32 = 32, kBlockSpan256 = 2;  // blocks of a panel, which stays in the first-level cache
constexpr float kTiny = 0x1p-100f;                       // a block of activations below this is zero

// What rows of x are beside their bytes, for one format.
struct Prepared {
  const int8_t* values;
  const float* scales;
  const int32_t* begin;   // of each part: -kOffset times the sum of its activations
  const float* weighted;  // of each block: the sum of its activations times its scale
  const int16_t* sums;    // of each part
};
struct Walk {
  const uint8_t* x;
  int64_t ldx;     // bytes
  int64_t blocks;  // of a row
  int64_t inputs;  // of a block
  int32_t* begin;
  float* weighted;
  int16_t* sums;
  int64_t parts;  // of a row

  Prepared row(int64_t r) const {
    const uint8_t* at = x + r * ldx;
    return {reinterpret_cast<const int8_t*>(at), reinterpret_cast<const float*>(at + blocks * inputs),
            begin + r * parts, weighted + r * blocks, sums + r * parts};
  }
};

// Loops without branches, which compilers turn into vectors: shares of few outputs come here often.
template <class F, int64_t part>
inline void prepare(const Walk& walk, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    const Prepared p = walk.row(r);
    const auto* given = reinterpret_cast<const int16_t*>(p.scales + walk.blocks);  // sums of sixteen
    int32_t* begin = walk.begin + r * walk.parts;
    int16_t* sums = walk.sums + r * walk.parts;
    constexpr int64_t of = part / 16;
    for (int64_t i = 0; i < walk.parts; ++i) {
      int32_t sum = 0;
      for (int64_t j = 0; j < of; ++j) sum += given[i * of + j];
      begin[i] = -F::kOffset * sum;
      sums[i] = static_cast<int16_t>(sum);
    }
    if constexpr (F::kInputs == 32 && F::kMinimum)
      for (int64_t i = 0; i < walk.blocks; ++i)
        walk.weighted[r * walk.blocks + i] = p.scales[i] * static_cast<float>(given[2 * i] + given[2 * i + 1]);
  }
}

// `first`: totals begin at zero, else in y. Outputs [0, n) of the panel's vectors exist.
template <int rows, int vectors>
KERNEL_INLINE void load_totals(V (&total)[rows][vectors], const float* y, int64_t ldy, int64_t n, bool first) {
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v) {
    const int64_t count = n - 16 * v < 16 ? n - 16 * v : 16;
    total[r][v] = first || count <= 0 ? zero() : some(y + r * ldy + 16 * v, count);
  }
}
template <int rows, int vectors>
KERNEL_INLINE void store_totals(const V (&total)[rows][vectors], float* y, int64_t ldy, int64_t n) {
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v) {
    const int64_t count = n - 16 * v < 16 ? n - 16 * v : 16;
    if (count > 0) put(y + r * ldy + 16 * v, total[r][v], count);
  }
}

// Blocks [block, block + count) of `rows` rows; entries of a block lie side by side, one a vector.
template <class F, int rows, int vectors>
inline void block_tile(const Walk& walk, int64_t row, int64_t block, int64_t count, const Entry32* panel, float* y,
                       int64_t ldy, int64_t n, bool first) {
  Prepared p[rows];
  UNROLL
  for (int r = 0; r < rows; ++r) p[r] = walk.row(row + r);
  V total[rows][vectors];
  load_totals(total, y, ldy, n, first);
  constexpr int kHalves = F::kHalves ? 2 : 1;
  for (int64_t b = block; b < block + count; ++b, panel += vectors) {
    UNROLL
    for (int half = 0; half < kHalves; ++half) {
      const int64_t part = b * kHalves + half;
      I sum[rows][vectors];
      UNROLL
      for (int r = 0; r < rows; ++r) {
        const I begin = broadcast_word(p[r].begin + part);
        UNROLL
        for (int v = 0; v < vectors; ++v) {
          sum[r][v] = begin;
          if constexpr (F::kZero) sum[r][v] = sub(integer(0), multiply(bits(panel[v].minimum), integer(p[r].sums[b])));
        }
      }
      UNROLL
      for (int i = 0; i < 8 / kHalves; ++i) {
        const int j = 8 / kHalves * half + i;
        UNROLL
        for (int r = 0; r < rows; ++r) {
          const I x = broadcast_word(p[r].values + b * 32 + 4 * j);
          UNROLL
          for (int v = 0; v < vectors; ++v) sum[r][v] = dot<F::kSmall>(sum[r][v], panel[v].w[j], x);
        }
      }
      UNROLL
      for (int r = 0; r < rows; ++r) {
        const V scale = broadcast(p[r].scales + b);
        UNROLL
        for (int v = 0; v < vectors; ++v) {
          total[r][v] =
              fma(mul(half == 0 ? panel[v].scale : panel[v].minimum, scale), to_float(sum[r][v]), total[r][v]);
          if constexpr (F::kMinimum) total[r][v] = fma(panel[v].minimum, broadcast(p[r].weighted + b), total[r][v]);
        }
      }
    }
  }
  store_totals(total, y, ldy, n);
}

template <class F, int rows, int vectors>
inline void block_tile(const Walk& walk, int64_t row, int64_t block, int64_t count, const Entry256* panel, float* y,
                       int64_t ldy, int64_t n, bool first) {
  constexpr int64_t kParts = 256 / F::kPart;
  Prepared p[rows];
  UNROLL
  for (int r = 0; r < rows; ++r) p[r] = walk.row(row + r);
  for (int64_t b = block; b < block + count; ++b, panel += vectors) {
    I whole[rows][vectors];
    UNROLL
    for (int r = 0; r < rows; ++r) UNROLL
    for (int v = 0; v < vectors; ++v) whole[r][v] = integer(0);
    for (int64_t part = 0; part < kParts; ++part) {
      I sum[rows][vectors];
      UNROLL
      for (int r = 0; r < rows; ++r) UNROLL
      for (int v = 0; v < vectors; ++v) sum[r][v] = broadcast_word(p[r].begin + b * kParts + part);
      for (int64_t j = part * F::kPart / 4; j < (part + 1) * F::kPart / 4; j += 4) {
        UNROLL
        for (int i = 0; i < 4; ++i) {
          UNROLL
          for (int r = 0; r < rows; ++r) {
            const I x = broadcast_word(p[r].values + b * 256 + 4 * (j + i));
            UNROLL
            for (int v = 0; v < vectors; ++v) sum[r][v] = dot<F::kSmall>(sum[r][v], panel[v].w[j + i], x);
          }
        }
      }
      UNROLL
      for (int r = 0; r < rows; ++r) UNROLL
      for (int v = 0; v < vectors; ++v)
        whole[r][v] = kParts == 1 ? sum[r][v] : add(whole[r][v], multiply(sum[r][v], panel[v].scale[part]));
    }
    V total[rows][vectors];
    load_totals(total, y, ldy, n, first && b == block);
    UNROLL
    for (int r = 0; r < rows; ++r) UNROLL
    for (int v = 0; v < vectors; ++v) {
      const V scale = broadcast(p[r].scales + b);
      total[r][v] = fma(mul(panel[v].d, scale), to_float(whole[r][v]), total[r][v]);
      if constexpr (F::kMinimum) {
        I sum = integer(0);
        UNROLL
        for (int i = 0; i < kParts / 2; ++i)
          sum = dot_pairs(sum, panel[v].minimums[i], broadcast_word(p[r].sums + b * kParts + 2 * i));
        total[r][v] = fnma(mul(panel[v].d_minimum, scale), to_float(sum), total[r][v]);
      }
    }
    store_totals(total, y, ldy, n);
  }
}

template <class F, int rows, int vectors, class Entry>
inline void block_rows(int64_t left, const Walk& walk, int64_t row, int64_t block, int64_t count, const Entry* panel,
                       float* y, int64_t ldy, int64_t n, bool first) {
  if (left >= rows) return block_tile<F, rows, vectors>(walk, row, block, count, panel, y, ldy, n, first);
  if constexpr (rows > 1) block_rows<F, rows - 1, vectors>(left, walk, row, block, count, panel, y, ldy, n, first);
}

#include "kernels/generic/matmul_blocks_few.inl"

template <class F, class Entry>
inline void matmul_format(const void* x, int64_t ldx, const BlockMatrix& w, float* y, int64_t ldy, int64_t m, int64_t n,
                          int64_t k) {
  constexpr int64_t kPart = [] {
    if constexpr (F::kInputs == 256)
      return F::kPart;
    else
      return F::kHalves ? F::kInputs / 2 : F::kInputs;
  }();
  constexpr int64_t kSpan = F::kInputs == 32 ? kBlockSpan32 : kBlockSpan256;
  const int64_t blocks = k / F::kInputs, parts = k / kPart;
  const int64_t held = m < kBlockTokens ? m : kBlockTokens;
  const auto rounded = [](int64_t bytes) { return static_cast<size_t>((bytes + 63) / 64 * 64); };
  const size_t panel_bytes = kSpan * kBlockVectors * sizeof(Entry), begin_bytes = rounded(held * parts * 4),
               weighted_bytes = F::kInputs == 32 ? rounded(held * blocks * 4) : 0;
  auto* scratch = static_cast<uint8_t*>(
      kernel_scratch(panel_bytes + begin_bytes + weighted_bytes + rounded(held * parts * 2) + 64));
  auto* const panel = reinterpret_cast<Entry*>(scratch);
  Walk walk{nullptr,
            ldx,
            blocks,
            F::kInputs,
            reinterpret_cast<int32_t*>(scratch + panel_bytes),
            reinterpret_cast<float*>(scratch + panel_bytes + begin_bytes),
            reinterpret_cast<int16_t*>(scratch + panel_bytes + begin_bytes + weighted_bytes),
            parts};
  for (int64_t from = 0; from < m; from += kBlockTokens) {
    const int64_t rows = m - from < kBlockTokens ? m - from : kBlockTokens;
    walk.x = static_cast<const uint8_t*>(x) + from * ldx;
    prepare<F, kPart>(walk, rows);
    if constexpr (kFewRows > 0 && F::kFew) {
      if (m <= kFewRows && n >= 16 && blocks > 0) return few_rows_of<F, kFewRows>(walk, m, w, y, ldy, n);
    }
    for (int64_t o = 0; o < n; o += 16 * kBlockVectors) {
      Lanes lanes[kBlockVectors];
      for (int v = 0; v < kBlockVectors; ++v) lanes[v] = lanes_of(w, o + 16 * v, n);
      for (int64_t block = 0; block < blocks; block += kSpan) {
        const int64_t span = blocks - block < kSpan ? blocks - block : kSpan;
        for (int v = 0; v < kBlockVectors; ++v)
          for (int64_t b = 0; b < span; ++b)
            unpack_block<F>(w, lanes[v], block + b, 16 * kBlockVectors, panel[b * kBlockVectors + v]);
        for (int64_t r = 0; r < rows;) {
          const int64_t left = rows - r;
          block_rows<F, kBlockRows, kBlockVectors>(left, walk, r, block, span, panel, y + (from + r) * ldy + o, ldy,
                                                   n - o, block == 0);
          r += left < kBlockRows ? left : kBlockRows;
        }
      }
    }
    if (blocks == 0)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t o = 0; o < n; ++o) y[(from + r) * ldy + o] = 0;
  }
}

void matmul_blocks(const void* x, int64_t ldx, const BlockMatrix& w, float* y, int64_t ldy, int64_t m, int64_t n,
                   int64_t k) noexcept {
  const auto run = [&](auto format) {
    using F = decltype(format);
    if constexpr (F::kInputs == 32)
      matmul_format<F, Entry32>(x, ldx, w, y, ldy, m, n, k);
    else
      matmul_format<F, Entry256>(x, ldx, w, y, ldy, m, n, k);
  };
  with_format(w.type, run);
}

// --- activations as int8 ---

// The float that is nearest to x and whole, for |x| < 2^22; ties to even.
KERNEL_INLINE I nearest(V x) { return sub(bits(add(x, broadcast(0x1.8p23f))), integer(0x4b400000)); }

void to_blocks(const float* x, int64_t n, int64_t block, void* row) noexcept {
  auto* values = static_cast<int8_t*>(row);
  auto* scales = reinterpret_cast<float*>(values + n);
  auto* sums = reinterpret_cast<int16_t*>(scales + n / block);
  const I size = integer(0x7fffffff);
  for (int64_t from = 0; from < n; from += block) {
    V most = zero(), wrong = zero();
    for (int64_t i = from; i < from + block; i += 16) {
      const V a = load(x + i);
      most = max(from_bits(bit_and(bits(a), size)), most);
      wrong = fma(a, zero(), wrong);  // NaN if anything is NaN or infinite
    }
    const float all = largest(most), spoilt = tree(wrong);
    const bool none = all < kTiny && spoilt == 0;
    scales[from / block] = none ? 0.0f : all / 127 + spoilt;
    const V by = broadcast(none ? 0.0f : 127 / all);
    for (int64_t i = from; i < from + block; i += 16) {
      const V q = min(max(mul(load(x + i), by), broadcast(-127.0f)), broadcast(127.0f));
      store_bytes(values + i, nearest(q));
    }
  }
  for (int64_t i = 0; i < n; i += 16) {
    int32_t sum = 0;
    for (int64_t j = 0; j < 16; ++j) sum += values[i + j];
    sums[i / 16] = static_cast<int16_t>(sum);
  }
}

// --- FP8 ---

KERNEL_INLINE V widen_f8(DType type, I a) {
  if (type == DType::f8_e5m2) return half_low(shift_left<8>(a));
  // A float16 whose exponent is eight too small, and that has no room for the NaN.
  const I size = bit_and(a, integer(127));
  const V value =
      mul(half_low(bit_or(shift_left<8>(bit_and(a, integer(128))), shift_left<7>(size))), broadcast(256.0f));
  return select(less(broadcast(126.5f), to_float(size)), from_bits(integer(0x7fc00000)), value);
}

void f8_to_bf16(DType type, const uint8_t* x, uint16_t* y, int64_t n) noexcept {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, widen_f8(type, load_bytes(x + i)));
  if (i == n) return;
  uint8_t last[16] = {};
  for (int64_t j = i; j < n; ++j) last[j - i] = x[j];
  store(y + i, widen_f8(type, load_bytes(last)), n - i);
}

// --- what the machine can do ---

double burn_int8(int64_t rounds) noexcept {
  constexpr int chains = kBlockRows * kBlockVectors;  // as many sums as a tile of matmul_blocks has
  I sum[chains];
  UNROLL
  for (int i = 0; i < chains; ++i) sum[i] = integer(i);
  const I w = integer(0x01020304);
  for (int64_t round = 0; round < rounds; ++round) {
    // A sum is its own other factor, so that no compiler knows the result beforehand.
    UNROLL
    for (int i = 0; i < chains; ++i) sum[i] = dot<true>(sum[i], w, sum[i]);
  }
  I all = integer(0);
  UNROLL
  for (int i = 0; i < chains; ++i) all = bit_or(all, sum[i]);
  return static_cast<double>(rounds) * chains * 64 * 2 + (tree(to_float(all)) == 12345.0f ? 1 : 0);
}

inline void fill_matmul_blocks(Kernels& k) {
  k.burn_int8 = burn_int8;
  k.matmul_blocks = matmul_blocks;
  k.to_blocks = to_blocks;
  k.f8_to_bf16 = f8_to_bf16;
}
