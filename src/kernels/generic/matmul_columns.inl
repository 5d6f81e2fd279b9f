// y = x w in bf16 for few rows of x and w [k, n] as it lies: sixteen neighbouring outputs are the lanes, so nothing
// need be turned. Sums are those of matmul_bf16.inl.

constexpr int64_t kColumnBlock = 32;  // inputs whose products form one even and one odd chain

template <int rows, int vectors>
inline void matmul_columns_tile(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy,
                                int64_t k, int64_t last) {
  const auto columns = [&](int v) { return v + 1 < vectors ? int64_t{16} : last; };
  V total[rows][vectors];
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v) total[r][v] = zero();
  for (int64_t from = 0; from < k; from += kColumnBlock) {
    const int64_t inputs = k - from < kColumnBlock ? k - from : kColumnBlock;
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
      // Neighbouring rows are too far apart for the hardware to follow: ask for those of the next block.
      const int64_t ahead = i + kColumnBlock < k ? kColumnBlock * ldw : 0;
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
      step(from + i, chain[0]);
      step(from + i + 1, chain[1]);
    }
    if (i < inputs) step(from + i, chain[0]);
    UNROLL
    for (int r = 0; r < rows; ++r) UNROLL
    for (int v = 0; v < vectors; ++v) total[r][v] = add(total[r][v], add(chain[0][r][v], chain[1][r][v]));
  }
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v) put(y + r * ldy + 16 * v, total[r][v], columns(v));
}

// Outputs from `o` on, in tiles of as many vectors as registers hold chains of, then of fewer.
template <int rows, int vectors>
inline void matmul_columns_from(int64_t o, const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y,
                                int64_t ldy, int64_t n, int64_t k) {
  for (; n - o >= 16 * vectors; o += 16 * vectors)
    matmul_columns_tile<rows, vectors>(x, ldx, w + o, ldw, y + o, ldy, k, 16);
  if constexpr (vectors > 1)
    matmul_columns_from<rows, vectors / 2>(o, x, ldx, w, ldw, y, ldy, n, k);
  else if (o < n)
    matmul_columns_tile<rows, 1>(x, ldx, w + o, ldw, y + o, ldy, k, n - o);
}

template <int rows = kColumnRows>
inline void matmul_columns_up_to(int64_t m, const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y,
                                 int64_t ldy, int64_t n, int64_t k) {
  constexpr int fit = kColumnChains / rows, vectors = fit >= 8 ? 8 : fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
  for (; m >= rows; m -= rows, x += rows * ldx, y += rows * ldy)
    matmul_columns_from<rows, vectors>(0, x, ldx, w, ldw, y, ldy, n, k);
  if constexpr (rows > 1)
    if (m > 0) matmul_columns_up_to<rows - 1>(m, x, ldx, w, ldw, y, ldy, n, k);
}

void matmul_bf16_columns(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy,
                         int64_t m, int64_t n, int64_t k) noexcept {
  matmul_columns_up_to(m, x, ldx, w, ldw, y, ldy, n, k);
}

inline void fill_matmul_columns(Kernels& k) { k.matmul_bf16_columns = matmul_bf16_columns; }
