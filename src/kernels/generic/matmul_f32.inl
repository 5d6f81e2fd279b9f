// y = x w^T in float32: sixteen lanes along k, then the tree. A tile of x rows and w rows shares what it loads.

struct Floats {
  using type = float;
  static V at(const float* p) { return load(p); }
  static V at(const float* p, int64_t n) { return load(p, n); }
};
struct HalfFloats {
  using type = uint16_t;
  static V at(const uint16_t* p) { return load_f16(p); }
  static V at(const uint16_t* p, int64_t n) { return load_f16(p, n); }
};

// Long rows are cut, so that what a tile reads stays in the first-level cache; lanes wait in memory in between.
constexpr int64_t kDotDepth = 1024;                         // inputs, a multiple of 16
constexpr int64_t kDotTokens = 48;                          // rows of x, a multiple of kDotRows
constexpr int64_t kDotSpan = 64;                            // rows of w, a multiple of kDotOutputs
constexpr int64_t kDotLanes = kDotRows * kDotOutputs * 16;  // floats that wait, of one tile

// Which cut this is: the first begins at zero, the last ends in the tree.
struct Cut {
  bool first, last;
  float* lanes;  // null where there is only one cut
  int64_t tile = 0;

  float* waiting() const { return lanes + tile * kDotLanes; }
};

template <class W, int rows, int outputs>
inline void dot_tile(const float* x, int64_t ldx, const typename W::type* w, int64_t ldw, float* y, int64_t ldy,
                     int64_t k, const Cut& cut) {
  V sum[rows][outputs];
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int o = 0; o < outputs; ++o) sum[r][o] = cut.first ? zero() : load(cut.waiting() + (r * outputs + o) * 16);
  int64_t i = 0;
  for (; i + 16 <= k; i += 16) {
    V b[outputs];
    UNROLL
    for (int o = 0; o < outputs; ++o) b[o] = W::at(w + o * ldw + i);
    UNROLL
    for (int r = 0; r < rows; ++r) {
      const V a = load(x + r * ldx + i);
      UNROLL
      for (int o = 0; o < outputs; ++o) sum[r][o] = fma(a, b[o], sum[r][o]);
    }
  }
  if (i < k) {
    V b[outputs];
    UNROLL
    for (int o = 0; o < outputs; ++o) b[o] = W::at(w + o * ldw + i, k - i);
    UNROLL
    for (int r = 0; r < rows; ++r) {
      const V a = load(x + r * ldx + i, k - i);
      UNROLL
      for (int o = 0; o < outputs; ++o) sum[r][o] = fma(a, b[o], sum[r][o]);
    }
  }
  if (!cut.last) {
    UNROLL
    for (int r = 0; r < rows; ++r) UNROLL
    for (int o = 0; o < outputs; ++o) store(cut.waiting() + (r * outputs + o) * 16, sum[r][o]);
    return;
  }
  constexpr int all = rows * outputs;
  if constexpr (all < 4) {
    UNROLL
    for (int i = 0; i < all; ++i) y[i / outputs * ldy + i % outputs] = tree(sum[i / outputs][i % outputs]);
  } else {
    alignas(64) float results[(all + 15) / 16 * 16];
    UNROLL
    for (int from = 0; from < all; from += 16) {
      V some_sums[16];
      UNROLL
      for (int i = 0; i < 16; ++i)
        some_sums[i] = from + i < all ? sum[(from + i) / outputs][(from + i) % outputs] : zero();
      store(results + from, trees(some_sums));
    }
    for (int r = 0; r < rows; ++r)
      for (int o = 0; o < outputs; ++o) y[r * ldy + o] = results[r * outputs + o];
  }
}

// `count` rows of x, all outputs of a span: one tile after the other.
template <class W, int rows>
inline void dot_rows(int64_t count, const float* x, int64_t ldx, const typename W::type* w, int64_t ldw, float* y,
                     int64_t ldy, int64_t n, int64_t k, Cut cut) {
  // A single token reads weights as fast as memory gives them: more outputs at once then.
  constexpr int outputs = rows == 1 ? kDotOutputs * 2 : kDotOutputs;
  for (; count >= rows; count -= rows, x += rows * ldx, y += rows * ldy) {
    int64_t o = 0;
    for (; o + outputs <= n; o += outputs, ++cut.tile)
      dot_tile<W, rows, outputs>(x, ldx, w + o * ldw, ldw, y + o, ldy, k, cut);
    for (; o < n; ++o, ++cut.tile) dot_tile<W, rows, 1>(x, ldx, w + o * ldw, ldw, y + o, ldy, k, cut);
  }
  if constexpr (rows > 1) {
    if (count > 0) dot_rows<W, rows / 2>(count, x, ldx, w, ldw, y, ldy, n, k, cut);
  }
}

template <class W>
inline void matmul_lanes(const float* x, int64_t ldx, const typename W::type* w, int64_t ldw, float* y, int64_t ldy,
                         int64_t m, int64_t n, int64_t k) {
  const bool cuts = m > kDotRows && k > kDotDepth;
  // Few tokens read all of a row at once, as it comes from memory.
  const int64_t depth = cuts ? kDotDepth : k;
  // Tiles of one height, and after the last those of the rows left over, which have fewer.
  constexpr int64_t row_lanes = (kDotSpan / kDotOutputs + kDotOutputs) * kDotLanes;
  constexpr int64_t row_tiles = kDotTokens / kDotRows + kDotRows;
  float* const lanes =
      cuts ? static_cast<float*>(kernel_scratch(static_cast<size_t>(row_tiles * row_lanes) * sizeof(float))) : nullptr;
  for (int64_t o = 0; o < n; o += kDotSpan) {
    const int64_t outputs = n - o < kDotSpan ? n - o : kDotSpan;
    for (int64_t t = 0; t < m; t += kDotTokens) {
      const int64_t tokens = m - t < kDotTokens ? m - t : kDotTokens;
      int64_t from = 0;
      do {  // at least once: the sum of nothing is zero
        const int64_t inputs = k - from < depth ? k - from : depth;
        const Cut cut = {from == 0, from + inputs == k, lanes};
        dot_rows<W, kDotRows>(tokens, x + t * ldx + from, ldx, w + o * ldw + from, ldw, y + t * ldy + o, ldy, outputs,
                              inputs, cut);
        from += inputs;
      } while (from < k);
    }
  }
}

void matmul_f32(const float* x, int64_t ldx, const float* w, int64_t ldw, float* y, int64_t ldy, int64_t m, int64_t n,
                int64_t k) noexcept {
  matmul_lanes<Floats>(x, ldx, w, ldw, y, ldy, m, n, k);
}

void matmul_f16(const float* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy, int64_t m,
                int64_t n, int64_t k) noexcept {
  matmul_lanes<HalfFloats>(x, ldx, w, ldw, y, ldy, m, n, k);
}

inline void fill_matmul_f32(Kernels& k) {
  k.matmul_f32 = matmul_f32;
  k.matmul_f16 = matmul_f16;
}
