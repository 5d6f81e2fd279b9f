// y = x w^T in bf16, in the order of TDPBF16PS. Sixteen outputs are the lanes; weights lie in rows, so sixteen rows by
// 32 inputs are transposed in registers as pairs, and each pair is widened to its even and its odd float32.

constexpr int64_t kPairBlock = 32;  // inputs whose products form one even and one odd chain
constexpr int64_t kPrefetch = 384;  // inputs ahead: three quarters of a kilobyte of each row; 256 to 1,024 do as well
constexpr int64_t kNear = 128;      // inputs ahead, from the second-level cache; 64 and 256 do nearly as well
constexpr int64_t kChainInputs = 256;  // inputs of a panel, which is then 32 KiB: it stays in the first-level cache
constexpr int64_t kApart = 16;         // floats between tokens, which must not all fall into one set of the cache
constexpr int64_t kAlongInputs = 128;  // the same where few tokens let it
constexpr int64_t kAlongTokens = 64;
constexpr int64_t kChainTokens = 512;  // tokens that are widened and pass by it: 512 KiB, in the second-level cache
constexpr int64_t kChainOutputs =
    512;  // outputs whose totals, 1 MiB, stay there too from one cut of the inputs to the next

// Rows of w that a panel reads: those that exist, and the last of them again for lanes whose results nobody stores.
inline void panel_rows(const uint16_t* w, int64_t ldw, int64_t count, const uint16_t* (&rows)[16]) {
  for (int64_t i = 0; i < 16; ++i) rows[i] = w + (i < count ? i : count - 1) * ldw;
}

// The last inputs of the rows, filled up with zeros to a whole block.
struct BlockTail {
  alignas(64) uint16_t values[16][kPairBlock];
};
inline void block_tail(const uint16_t* const* rows, int64_t at, int64_t count, BlockTail& tail,
                       const uint16_t* (&tails)[16]) {
  for (int i = 0; i < 16; ++i) {
    for (int64_t j = 0; j < kPairBlock; ++j) tail.values[i][j] = j < count ? rows[i][at + j] : uint16_t{0};
    tails[i] = tail.values[i];
  }
}

// --- few tokens: weights are used as they come from memory ---

template <int rows>
inline void chain_block(const Pairs (&w)[16], const float* x, int64_t ldx, V (&total)[rows]) {
  V e[rows], o[rows];
  UNROLL
  for (int r = 0; r < rows; ++r) e[r] = o[r] = zero();
  UNROLL
  for (int p = 0; p < 16; ++p) {
    const V we = even(w[p]), wo = odd(w[p]);
    UNROLL
    for (int r = 0; r < rows; ++r) {
      e[r] = fma(broadcast(x + r * ldx + 2 * p), we, e[r]);
      o[r] = fma(broadcast(x + r * ldx + 2 * p + 1), wo, o[r]);
    }
  }
  UNROLL
  for (int r = 0; r < rows; ++r) total[r] = add(total[r], add(e[r], o[r]));
}

inline int64_t blocks_in(int64_t inputs) { return (inputs + kPairBlock - 1) / kPairBlock; }

// Tokens as floats, filled up with zeros to a whole block.
inline void widen_tokens(const uint16_t* x, int64_t ldx, int64_t tokens, int64_t inputs, float* to, int64_t ld) {
  for (int64_t i = 0; i < tokens; ++i) {
    widen(x + i * ldx, to + i * ld, inputs);
    for (int64_t j = inputs; j < blocks_in(inputs) * kPairBlock; ++j) to[i * ld + j] = 0;
  }
}

template <int rows>
inline void matmul_few(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy, int64_t n,
                       int64_t k) {
  const int64_t whole = k / kPairBlock * kPairBlock;
  const int64_t ld = blocks_in(k) * kPairBlock + kApart;
  float* const wide_x = static_cast<float*>(kernel_scratch(static_cast<size_t>(rows * ld) * sizeof(float)));
  widen_tokens(x, ldx, rows, k, wide_x, ld);
  // Sixteen streams are more than the hardware follows. Either a line of each row is asked for ahead, at the end of a
  // row for the next sixteen's; or the next sixteen rows are, in one stream, and lines of these once more, as so many
  // rows may have left the first-level cache again (kernels/streams.h).
  const bool one = kernel_streams() == 1;
  const int64_t apart = one ? kPairBlock : ldw;
  for (int64_t i = 0, of = n < 16 ? n : 16; i < of; ++i)
    for (int64_t at = 0; at < (one ? whole : kPrefetch); at += kPairBlock) prefetch(w + i * ldw + at);
  for (int64_t o = 0; o < n; o += 16) {
    const int64_t count = n - o < 16 ? n - o : 16;
    const uint16_t* ws[16];
    panel_rows(w + o * ldw, ldw, count, ws);
    V total[rows];
    UNROLL
    for (int r = 0; r < rows; ++r) total[r] = zero();
    Pairs pairs[16];
    for (int64_t at = 0; at < whole; at += kPairBlock) {
      const int64_t ahead = one                      ? at * 16 + 16 * ldw
                            : at + kPrefetch < whole ? at + kPrefetch
                                                     : at + kPrefetch - whole + 16 * ldw;
      UNROLL
      for (int i = 0; i < 16; ++i) prefetch(w + o * ldw + ahead + i * apart);
      if (one) {
        UNROLL
        for (int i = 0; i < 16; ++i) prefetch(ws[i] + at + kNear);
      }
      transpose_pairs(ws, at, pairs);
      chain_block<rows>(pairs, wide_x + at, ld, total);
    }
    if (whole < k) {
      BlockTail tail;
      const uint16_t* tails[16];
      block_tail(ws, whole, k - whole, tail, tails);
      transpose_pairs(tails, 0, pairs);
      chain_block<rows>(pairs, wide_x + whole, ld, total);
    }
    UNROLL
    for (int r = 0; r < rows; ++r) put(y + r * ldy + o, total[r], count);
  }
}

// --- many tokens: a panel of weights is transposed and widened once for all of them ---

// A panel holds kChainVectors x 16 outputs: for each pair of inputs the even vectors, then the odd ones.
constexpr int64_t kPanelOutputs = 16 * kChainVectors;

// `all`: inputs of a row, for asking ahead.
inline void make_panel(const uint16_t* w, int64_t ldw, int64_t outputs, int64_t from, int64_t inputs, int64_t all,
                       float* panel) {
  for (int v = 0; v < kChainVectors; ++v) {
    const uint16_t* rows[16];
    const int64_t first = v * 16 < outputs ? v * 16 : outputs - 1;
    panel_rows(w + first * ldw, ldw, outputs - first < 16 ? outputs - first : 16, rows);
    Pairs pairs[16];
    for (int64_t at = 0; at < inputs; at += kPairBlock) {
      if (inputs - at >= kPairBlock) {
        const int64_t next =
            from + at + kPrefetch < all ? from + at + kPrefetch : from + at + kPrefetch - all + kPanelOutputs * ldw;
        UNROLL
        for (int i = 0; i < 16; ++i) prefetch(rows[i] + next);
        transpose_pairs(rows, from + at, pairs);
      } else {
        BlockTail tail;
        const uint16_t* tails[16];
        block_tail(rows, from + at, inputs - at, tail, tails);
        transpose_pairs(tails, 0, pairs);
      }
      float* to = panel + at / 2 * (2 * kPanelOutputs) + v * 16;
      UNROLL
      for (int p = 0; p < 16; ++p) {
        store(to + p * 2 * kPanelOutputs, even(pairs[p]));
        store(to + p * 2 * kPanelOutputs + kPanelOutputs, odd(pairs[p]));
      }
    }
  }
}

// x: [rows][blocks * 32] floats. `first`: the total begins at zero here, else in y.
template <int rows>
inline void panel_tile(const float* x, int64_t ldx, const float* panel, float* y, int64_t ldy, int64_t blocks,
                       bool first) {
  UNROLL
  for (int r = 0; r < rows; ++r)
    for (int64_t i = 0; i < kPanelOutputs; i += 16) prefetch(y + (rows + r) * ldy + i);  // the tile below comes next
  for (int64_t block = 0; block < blocks; ++block) {
    V e[rows][kChainVectors], o[rows][kChainVectors];
    UNROLL
    for (int r = 0; r < rows; ++r) UNROLL
    for (int v = 0; v < kChainVectors; ++v) e[r][v] = o[r][v] = zero();
    for (int p = 0; p < 16; ++p) {
      V we[kChainVectors], wo[kChainVectors];
      UNROLL
      for (int v = 0; v < kChainVectors; ++v) {
        we[v] = load(panel + v * 16);
        wo[v] = load(panel + kPanelOutputs + v * 16);
      }
      panel += 2 * kPanelOutputs;
      UNROLL
      for (int r = 0; r < rows; ++r) {
        const V xe = broadcast(x + r * ldx + 2 * p), xo = broadcast(x + r * ldx + 2 * p + 1);
        UNROLL
        for (int v = 0; v < kChainVectors; ++v) {
          e[r][v] = fma(xe, we[v], e[r][v]);
          o[r][v] = fma(xo, wo[v], o[r][v]);
        }
      }
    }
    x += kPairBlock;
    UNROLL
    for (int r = 0; r < rows; ++r) UNROLL
    for (int v = 0; v < kChainVectors; ++v) {
      float* to = y + r * ldy + v * 16;
      const V sum = add(e[r][v], o[r][v]);
      store(to, add(first && block == 0 ? zero() : load(to), sum));
    }
  }
}

template <int rows = kChainRows>
inline void panel_rows_of(int64_t count, const float* x, int64_t ldx, const float* panel, float* y, int64_t ldy,
                          int64_t blocks, bool first) {
  if (count == rows) return panel_tile<rows>(x, ldx, panel, y, ldy, blocks, first);
  if constexpr (rows > 1) panel_rows_of<rows - 1>(count, x, ldx, panel, y, ldy, blocks, first);
}

// All tokens over one panel of `width` outputs; edge: [kChainRows][kPanelOutputs], for a panel that is not full.
inline void panel_tokens(int64_t tokens, const float* x, int64_t ldx, const float* panel, int64_t width, float* y,
                         int64_t ldy, int64_t blocks, bool first, float* edge) {
  // Tiles of much the same height: a low one at the end would wait for its few chains.
  const int64_t tiles = (tokens + kChainRows - 1) / kChainRows;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t r = tokens * tile / tiles, rows = tokens * (tile + 1) / tiles - r;
    float* to = y + r * ldy;
    if (width == kPanelOutputs) {
      panel_rows_of(rows, x + r * ldx, ldx, panel, to, ldy, blocks, first);
      continue;
    }
    for (int64_t a = 0; a < rows; ++a)
      for (int64_t b = 0; b < width; ++b) edge[a * kPanelOutputs + b] = first ? 0.0f : to[a * ldy + b];
    panel_rows_of(rows, x + r * ldx, ldx, panel, edge, kPanelOutputs, blocks, first);
    for (int64_t a = 0; a < rows; ++a)
      for (int64_t b = 0; b < width; ++b) to[a * ldy + b] = edge[a * kPanelOutputs + b];
  }
}

// Few enough tokens to hold them whole: weights are followed along their rows, as they come from memory.
inline void matmul_along(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy,
                         int64_t m, int64_t n, int64_t k) {
  const int64_t blocks = blocks_in(k), ld = blocks * kPairBlock + kApart;
  float* const panel = static_cast<float*>(
      kernel_scratch(static_cast<size_t>(kPanelOutputs * (kAlongInputs + m) + m * ld) * sizeof(float)));
  float* const total = panel + kPanelOutputs * kAlongInputs;
  float* const wide_x = total + kPanelOutputs * m;
  widen_tokens(x, ldx, m, k, wide_x, ld);
  for (int64_t o = 0; o < n; o += kPanelOutputs) {
    const int64_t width = n - o < kPanelOutputs ? n - o : kPanelOutputs;
    for (int64_t from = 0; from < k; from += kAlongInputs) {
      const int64_t inputs = k - from < kAlongInputs ? k - from : kAlongInputs;
      make_panel(w + o * ldw, ldw, width, from, inputs, k, panel);
      panel_tokens(m, wide_x + from, ld, panel, kPanelOutputs, total, kPanelOutputs, blocks_in(inputs), from == 0,
                   nullptr);
    }
    for (int64_t r = 0; r < m; ++r)
      each(width, [&](int64_t i, int64_t c) { put(y + r * ldy + o + i, load(total + r * kPanelOutputs + i), c); });
  }
}

inline void matmul_many(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy,
                        int64_t m, int64_t n, int64_t k) {
  const int64_t held = m < kChainTokens ? m : kChainTokens;
  const int64_t chunk = k < kChainInputs ? blocks_in(k) * kPairBlock : kChainInputs, ld = chunk + kApart;
  float* const panel = static_cast<float*>(kernel_scratch(
      static_cast<size_t>(kPanelOutputs * kChainInputs + kChainRows * kPanelOutputs + held * ld) * sizeof(float)));
  float* const edge = panel + kPanelOutputs * kChainInputs;
  float* const wide_x = edge + kChainRows * kPanelOutputs;
  for (int64_t o = 0; o < n; o += kChainOutputs) {
    const int64_t outputs = n - o < kChainOutputs ? n - o : kChainOutputs;
    for (int64_t t = 0; t < m; t += kChainTokens) {
      const int64_t tokens = m - t < kChainTokens ? m - t : kChainTokens;
      for (int64_t from = 0; from < k; from += kChainInputs) {
        const int64_t inputs = k - from < kChainInputs ? k - from : kChainInputs;
        widen_tokens(x + t * ldx + from, ldx, tokens, inputs, wide_x, ld);
        for (int64_t i = 0; i < outputs; i += kPanelOutputs) {
          const int64_t width = outputs - i < kPanelOutputs ? outputs - i : kPanelOutputs;
          make_panel(w + (o + i) * ldw, ldw, width, from, inputs, k, panel);
          panel_tokens(tokens, wide_x, ld, panel, width, y + t * ldy + o + i, ldy, blocks_in(inputs), from == 0, edge);
        }
      }
    }
  }
}

void matmul_bf16(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy, int64_t m,
                 int64_t n, int64_t k) noexcept {
  if (k == 0) {
    for (int64_t r = 0; r < m; ++r)
      for (int64_t o = 0; o < n; ++o) y[r * ldy + o] = 0;
    return;
  }
  switch (m) {
    case 0:
      return;
    case 1:
      return matmul_few<1>(x, ldx, w, ldw, y, ldy, n, k);
    case 2:
      return matmul_few<2>(x, ldx, w, ldw, y, ldy, n, k);
    case 3:
      return matmul_few<3>(x, ldx, w, ldw, y, ldy, n, k);
    case 4:
      return matmul_few<4>(x, ldx, w, ldw, y, ldy, n, k);
    default:
      if (m <= kAlongTokens && m * k <= kChainTokens * kChainInputs)
        return matmul_along(x, ldx, w, ldw, y, ldy, m, n, k);
      return matmul_many(x, ldx, w, ldw, y, ldy, m, n, k);
  }
}

inline void fill_matmul_bf16(Kernels& k) { k.matmul_bf16 = matmul_bf16; }
