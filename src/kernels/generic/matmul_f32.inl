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

template <class W, int rows, int outputs>
inline void dot_tile(const float* x, int64_t ldx, const typename W::type* w, int64_t ldw, float* y, int64_t ldy,
                     int64_t k) {
  V sum[rows][outputs];
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int o = 0; o < outputs; ++o) sum[r][o] = zero();
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
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int o = 0; o < outputs; ++o) y[r * ldy + o] = tree(sum[r][o]);
}

template <class W, int rows>
inline void dot_rows(const float* x, int64_t ldx, const typename W::type* w, int64_t ldw, float* y, int64_t ldy,
                     int64_t n, int64_t k) {
  // A single token reads weights as fast as memory gives them: more outputs at once then.
  constexpr int outputs = rows == 1 ? kDotOutputs * 2 : kDotOutputs;
  int64_t o = 0;
  for (; o + outputs <= n; o += outputs) dot_tile<W, rows, outputs>(x, ldx, w + o * ldw, ldw, y + o, ldy, k);
  for (; o < n; ++o) dot_tile<W, rows, 1>(x, ldx, w + o * ldw, ldw, y + o, ldy, k);
}

template <class W>
inline void matmul_lanes(const float* x, int64_t ldx, const typename W::type* w, int64_t ldw, float* y, int64_t ldy,
                         int64_t m, int64_t n, int64_t k) {
  // Weights in pieces that stay in the second-level cache while all rows pass by.
  int64_t piece = k > 0 ? (512 * 1024 / (k * static_cast<int64_t>(sizeof(typename W::type)))) / 8 * 8 : n;
  if (piece < 8) piece = 8;
  for (int64_t o = 0; o < n; o += piece) {
    const int64_t count = n - o < piece ? n - o : piece;
    int64_t r = 0;
    for (; r + kDotRows <= m; r += kDotRows)
      dot_rows<W, kDotRows>(x + r * ldx, ldx, w + o * ldw, ldw, y + r * ldy + o, ldy, count, k);
    for (; r < m; ++r) dot_rows<W, 1>(x + r * ldx, ldx, w + o * ldw, ldw, y + r * ldy + o, ldy, count, k);
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
