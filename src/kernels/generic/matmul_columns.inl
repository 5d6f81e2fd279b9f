// y = x w in bf16 for few rows of x and w [k, n] as it lies: sixteen neighbouring outputs are the lanes, so nothing
// need be turned. Sums are those of matmul_bf16.inl. Thirty-two rows of w are followed along their outputs at a time:
// down the rows of a narrow tile every step would be another page.

constexpr int64_t kColumnBlock = 32;  // inputs whose products form one even and one odd chain

template <int rows, int vectors>
inline void matmul_columns_tile(const float* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy,
                                int64_t inputs, bool first, int64_t last, int64_t ahead) {
  const auto columns = [&](int v) { return v + 1 < vectors ? int64_t{16} : last; };
  V chain[2][rows][vectors];
  UNROLL
  for (int odd = 0; odd < 2; ++odd) UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v) chain[odd][r][v] = zero();
  const auto step = [&](int64_t i, V(&to)[rows][vectors]) __attribute__((always_inline)) {
    const uint16_t* at = w + i * ldw;
    V wide[vectors];
    UNROLL
    for (int v = 0; v < vectors; ++v) wide[v] = some(at + 16 * v, columns(v));
    // More streams than the hardware follows.
    UNROLL
    for (int v = 0; v < vectors; v += 2) prefetch(at + ahead + 16 * v);
    UNROLL
    for (int r = 0; r < rows; ++r) {
      const V by = broadcast(x + r * ldx + i);
      UNROLL
      for (int v = 0; v < vectors; ++v) to[r][v] = fma(by, wide[v], to[r][v]);
    }
  };
  int64_t i = 0;
  for (; i + 2 <= inputs; i += 2) {
    step(i, chain[0]);
    step(i + 1, chain[1]);
  }
  if (i < inputs) step(i, chain[0]);
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v) {
    float* const to = y + r * ldy + 16 * v;
    const V sum = add(chain[0][r][v], chain[1][r][v]);
    put(to, add(first ? zero() : some(to, columns(v)), sum), columns(v));
  }
}

// Outputs from `o` on, in tiles of as many vectors as registers hold chains of, then of fewer.
template <int rows, int vectors>
inline void matmul_columns_from(int64_t o, const float* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y,
                                int64_t ldy, int64_t n, int64_t inputs, bool first) {
  constexpr int64_t kWide = 16 * vectors;
  for (; n - o >= kWide; o += kWide) {
    // The next tile of these rows, or of the rows that come next.
    const int64_t ahead = n - o >= 2 * kWide ? kWide : kColumnBlock * ldw + kWide - (n - o);
    matmul_columns_tile<rows, vectors>(x, ldx, w + o, ldw, y + o, ldy, inputs, first, 16, ahead);
  }
  if constexpr (vectors > 1)
    matmul_columns_from<rows, vectors / 2>(o, x, ldx, w, ldw, y, ldy, n, inputs, first);
  else if (o < n)
    matmul_columns_tile<rows, 1>(x, ldx, w + o, ldw, y + o, ldy, inputs, first, n - o, 0);
}

template <int rows = kColumnRows>
inline void matmul_columns_up_to(int64_t m, const float* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y,
                                 int64_t ldy, int64_t n, int64_t k) {
  constexpr int fit = kColumnChains / rows, vectors = fit >= 8 ? 8 : fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
  for (; m >= rows; m -= rows, x += rows * ldx, y += rows * ldy)
    for (int64_t from = 0; from < k; from += kColumnBlock)
      matmul_columns_from<rows, vectors>(0, x + from, ldx, w + from * ldw, ldw, y, ldy, n,
                                         k - from < kColumnBlock ? k - from : kColumnBlock, from == 0);
  if constexpr (rows > 1)
    if (m > 0) matmul_columns_up_to<rows - 1>(m, x, ldx, w, ldw, y, ldy, n, k);
}

void matmul_bf16_columns(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy,
                         int64_t m, int64_t n, int64_t k) noexcept {
  float* const wide = static_cast<float*>(kernel_scratch(static_cast<size_t>(m * k) * sizeof(float)));
  for (int64_t r = 0; r < m; ++r) widen(x + r * ldx, wide + r * k, k);
  matmul_columns_up_to(m, wide, k, w, ldw, y, ldy, n, k);
}

inline void fill_matmul_columns(Kernels& k) { k.matmul_bf16_columns = matmul_bf16_columns; }
