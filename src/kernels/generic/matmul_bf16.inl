// y = x w^T in bf16, in the order of TDPBF16PS. Sixteen outputs are the lanes; weights lie in rows, so sixteen rows by 32
// inputs are transposed in registers as pairs, and each pair is widened to its even and its odd float32.

constexpr int64_t kPairBlock = 32;      // inputs whose products form one even and one odd chain
constexpr int64_t kChainInputs = 256;   // inputs of a panel, which is then 32 KiB: it stays in the first-level cache
constexpr int64_t kChainTokens = 512;   // tokens that are widened and pass by it: 512 KiB, in the second-level cache
constexpr int64_t kChainOutputs = 512;  // outputs whose totals, 1 MiB, stay there too from one cut of the inputs to the next

// Rows of w that a panel reads: those that exist, and the last of them again for lanes whose results nobody stores.
inline void panel_rows(const uint16_t* w, int64_t ldw, int64_t count, const uint16_t* (&rows)[16]) {
  for (int64_t i = 0; i < 16; ++i) rows[i] = w + (i < count ? i : count - 1) * ldw;
}

// The last inputs of the rows, filled up with zeros to a whole block.
struct BlockTail {
  alignas(64) uint16_t values[16][kPairBlock];
};
inline void block_tail(const uint16_t* const* rows, int64_t at, int64_t count, BlockTail& tail, const uint16_t* (&tails)[16]) {
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

template <int rows>
inline void matmul_few(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy, int64_t n,
                       int64_t k) {
  const int64_t whole = k / kPairBlock * kPairBlock, padded = (k + kPairBlock - 1) / kPairBlock * kPairBlock;
  float* const wide_x = static_cast<float*>(kernel_scratch(static_cast<size_t>(rows * padded) * sizeof(float)));
  for (int r = 0; r < rows; ++r) {
    from_bf16(x + r * ldx, wide_x + r * padded, k);
    for (int64_t i = k; i < padded; ++i) wide_x[r * padded + i] = 0;
  }
  for (int64_t o = 0; o < n; o += 16) {
    const int64_t count = n - o < 16 ? n - o : 16;
    const uint16_t* ws[16];
    panel_rows(w + o * ldw, ldw, count, ws);
    V total[rows];
    UNROLL
    for (int r = 0; r < rows; ++r) total[r] = zero();
    Pairs pairs[16];
    for (int64_t at = 0; at < whole; at += kPairBlock) {
      transpose_pairs(ws, at, pairs);
      chain_block<rows>(pairs, wide_x + at, padded, total);
    }
    if (whole < k) {
      BlockTail tail;
      const uint16_t* tails[16];
      block_tail(ws, whole, k - whole, tail, tails);
      transpose_pairs(tails, 0, pairs);
      chain_block<rows>(pairs, wide_x + whole, padded, total);
    }
    UNROLL
    for (int r = 0; r < rows; ++r) put(y + r * ldy + o, total[r], count);
  }
}

// --- many tokens: a panel of weights is transposed and widened once for all of them ---

// A panel holds kChainVectors x 16 outputs: for each pair of inputs the even vectors, then the odd ones.
constexpr int64_t kPanelOutputs = 16 * kChainVectors;

inline void make_panel(const uint16_t* w, int64_t ldw, int64_t outputs, int64_t from, int64_t inputs, float* panel) {
  for (int v = 0; v < kChainVectors; ++v) {
    const uint16_t* rows[16];
    const int64_t first = v * 16 < outputs ? v * 16 : outputs - 1;
    panel_rows(w + first * ldw, ldw, outputs - first < 16 ? outputs - first : 16, rows);
    Pairs pairs[16];
    for (int64_t at = 0; at < inputs; at += kPairBlock) {
      if (inputs - at >= kPairBlock) {
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
inline void panel_tile(const float* x, int64_t ldx, const float* panel, float* y, int64_t ldy, int64_t blocks, bool first) {
  UNROLL
  for (int r = 0; r < rows; ++r)
    for (int64_t i = 0; i < kPanelOutputs; i += 16) prefetch(y + (rows + r) * ldy + i);  // the tile below comes next
  for (int64_t block = 0; block < blocks; ++block) {
    V e[rows][kChainVectors], o[rows][kChainVectors];
    UNROLL
    for (int r = 0; r < rows; ++r)
      UNROLL
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
    for (int r = 0; r < rows; ++r)
      UNROLL
      for (int v = 0; v < kChainVectors; ++v) {
        float* to = y + r * ldy + v * 16;
        const V sum = add(e[r][v], o[r][v]);
        store(to, add(first && block == 0 ? zero() : load(to), sum));
      }
  }
}

template <int rows>
inline void panel_rows_of(int64_t count, const float* x, int64_t ldx, const float* panel, float* y, int64_t ldy, int64_t blocks,
                          bool first) {
  if (count == rows) return panel_tile<rows>(x, ldx, panel, y, ldy, blocks, first);
  if constexpr (rows > 1) panel_rows_of<rows - 1>(count, x, ldx, panel, y, ldy, blocks, first);
}

inline void matmul_many(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy, int64_t m,
                        int64_t n, int64_t k) {
  const int64_t held = m < kChainTokens ? m : kChainTokens;
  float* const panel = static_cast<float*>(kernel_scratch(
      static_cast<size_t>(kPanelOutputs * kChainInputs + held * kChainInputs + kChainRows * kPanelOutputs) * sizeof(float)));
  float* const wide_x = panel + kPanelOutputs * kChainInputs;
  float* const edge = wide_x + held * kChainInputs;  // where the outputs of a panel that is not full go
  for (int64_t o = 0; o < n; o += kChainOutputs) {
    const int64_t outputs = n - o < kChainOutputs ? n - o : kChainOutputs;
    for (int64_t t = 0; t < m; t += kChainTokens) {
      const int64_t tokens = m - t < kChainTokens ? m - t : kChainTokens;
      for (int64_t from = 0; from < k; from += kChainInputs) {
        const int64_t inputs = k - from < kChainInputs ? k - from : kChainInputs;
        const int64_t blocks = (inputs + kPairBlock - 1) / kPairBlock;
        for (int64_t i = 0; i < tokens; ++i) {
          float* to = wide_x + i * kChainInputs;
          from_bf16(x + (t + i) * ldx + from, to, inputs);
          for (int64_t j = inputs; j < blocks * kPairBlock; ++j) to[j] = 0;
        }
        for (int64_t i = 0; i < outputs; i += kPanelOutputs) {
          const int64_t width = outputs - i < kPanelOutputs ? outputs - i : kPanelOutputs;
          make_panel(w + (o + i) * ldw, ldw, width, from, inputs, panel);
          for (int64_t r = 0; r < tokens; r += kChainRows) {
            const int64_t rows = tokens - r < kChainRows ? tokens - r : kChainRows;
            const float* xs = wide_x + r * kChainInputs;
            float* to = y + (t + r) * ldy + o + i;
            if (width == kPanelOutputs) {
              panel_rows_of<kChainRows>(rows, xs, kChainInputs, panel, to, ldy, blocks, from == 0);
              continue;
            }
            for (int64_t a = 0; a < rows; ++a)
              for (int64_t b = 0; b < width; ++b) edge[a * kPanelOutputs + b] = from == 0 ? 0.0f : to[a * ldy + b];
            panel_rows_of<kChainRows>(rows, xs, kChainInputs, panel, edge, kPanelOutputs, blocks, from == 0);
            for (int64_t a = 0; a < rows; ++a)
              for (int64_t b = 0; b < width; ++b) to[a * ldy + b] = edge[a * kPanelOutputs + b];
          }
        }
      }
    }
  }
}

void matmul_bf16(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy, int64_t m, int64_t n,
                 int64_t k) noexcept {
  if (k == 0) {
    for (int64_t r = 0; r < m; ++r)
      for (int64_t o = 0; o < n; ++o) y[r * ldy + o] = 0;
    return;
  }
  switch (m) {
    case 0: return;
    case 1: return matmul_few<1>(x, ldx, w, ldw, y, ldy, n, k);
    case 2: return matmul_few<2>(x, ldx, w, ldw, y, ldy, n, k);
    case 3: return matmul_few<3>(x, ldx, w, ldw, y, ldy, n, k);
    case 4: return matmul_few<4>(x, ldx, w, ldw, y, ldy, n, k);
    default: return matmul_many(x, ldx, w, ldw, y, ldy, m, n, k);
  }
}
