// c += a b, each output one chain over k. Packed as Goto and van de Geijn describe (doi:10.1145/1356052.1356053): a
// panel of b stays in the first-level cache, a block of a in the second, a tile of c in registers. Cutting k into
// blocks keeps the chain, as a tile of c is read where it was left.

constexpr int64_t kGemmDepth = 384;              // of k
constexpr int64_t kGemmHeight = 24 * kGemmRows;  // rows of a held at once
constexpr int64_t kGemmWidth = 16 * kGemmVectors;
constexpr int64_t kGemmSpan = 512;  // columns of b held at once

// Rows become columns, tile by tile: packed[tile][p][row], missing rows as zeros.
inline void pack_a(const float* a, int64_t a_row, int64_t a_column, int64_t rows, int64_t depth, float* packed) {
  constexpr int64_t tile_size = kGemmRows * kGemmDepth;
  if (a_row == 1) {  // columns lie in memory already: each is read once, along
    for (int64_t p = 0; p < depth; ++p) {
      const float* from = a + p * a_column;
      float* to = packed + p * kGemmRows;
      int64_t left = rows;
      for (; left >= 16; left -= kGemmRows, from += kGemmRows, to += tile_size) store(to, load(from), kGemmRows);
      for (; left > 0; left -= kGemmRows, from += kGemmRows, to += tile_size)
        store(to, load(from, left < kGemmRows ? left : kGemmRows), kGemmRows);
    }
    return;
  }
  for (int64_t r = 0; r < rows; r += kGemmRows) {
    const float* from = a + r * a_row;
    float* to = packed + r * kGemmDepth;
    const int64_t count = rows - r < kGemmRows ? rows - r : kGemmRows;
    int64_t p = 0;
    if (a_column == 1) {
      for (; p + 16 <= depth; p += 16) {
        V tile[16];
        UNROLL
        for (int i = 0; i < 16; ++i) tile[i] = i < count ? load(from + i * a_row + p) : zero();
        transpose(tile);
        UNROLL
        for (int i = 0; i < 16; ++i) store(to + (p + i) * kGemmRows, tile[i], kGemmRows);
      }
    }
    for (; p < depth; ++p)
      for (int64_t i = 0; i < kGemmRows; ++i) to[p * kGemmRows + i] = i < count ? from[i * a_row + p * a_column] : 0.0f;
  }
}

template <class B>
inline void pack_b(const B* b, int64_t ldb, int64_t columns, int64_t depth, float* packed) {
  for (int64_t p = 0; p < depth; ++p) {
    for (int v = 0; v < kGemmVectors; ++v) {
      const int64_t left = columns - v * 16;
      store(packed + p * kGemmWidth + v * 16, left >= 16 ? load(b + p * ldb + v * 16)
                                              : left > 0 ? load(b + p * ldb + v * 16, left)
                                                         : zero());
    }
  }
}

template <int rows>
inline void gemm_tile(const float* a, const float* b, float* c, int64_t ldc, int64_t depth) {
  V sum[rows][kGemmVectors];
  UNROLL
  for (int r = 0; r < rows; ++r) prefetch(c + (rows + r) * ldc);  // the tile below comes next
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < kGemmVectors; ++v) sum[r][v] = load(c + r * ldc + v * 16);
  for (int64_t p = 0; p < depth; ++p) {
    V bs[kGemmVectors];
    UNROLL
    for (int v = 0; v < kGemmVectors; ++v) bs[v] = load(b + p * kGemmWidth + v * 16);
    UNROLL
    for (int r = 0; r < rows; ++r) {
      const V as = broadcast(a + p * kGemmRows + r);
      UNROLL
      for (int v = 0; v < kGemmVectors; ++v) sum[r][v] = fma(as, bs[v], sum[r][v]);
    }
  }
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < kGemmVectors; ++v) store(c + r * ldc + v * 16, sum[r][v]);
}

template <int rows>
inline void gemm_rows(int64_t count, const float* a, const float* b, float* c, int64_t ldc, int64_t depth) {
  if (count >= rows) return gemm_tile<rows>(a, b, c, ldc, depth);
  if constexpr (rows > 1) gemm_rows<rows - 1>(count, a, b, c, ldc, depth);
}

template <class B>
inline void gemm_of(const float* a, int64_t a_row, int64_t a_column, const B* b, int64_t ldb, float* c, int64_t ldc,
                    int64_t m, int64_t n, int64_t k) {
  if (m == 0 || n == 0 || k == 0) return;
  float* const packed_a = static_cast<float*>(
      kernel_scratch((kGemmHeight * kGemmDepth + kGemmSpan * kGemmDepth + kGemmRows * kGemmWidth) * sizeof(float)));
  float* const packed_b = packed_a + kGemmHeight * kGemmDepth;
  float* const edge = packed_b + kGemmSpan * kGemmDepth;
  for (int64_t j = 0; j < n; j += kGemmSpan) {
    const int64_t columns = n - j < kGemmSpan ? n - j : kGemmSpan;
    for (int64_t from = 0; from < k; from += kGemmDepth) {
      const int64_t depth = k - from < kGemmDepth ? k - from : kGemmDepth;
      for (int64_t i = 0; i < columns; i += kGemmWidth)
        pack_b(b + from * ldb + j + i, ldb, columns - i, depth, packed_b + i * kGemmDepth);
      for (int64_t r = 0; r < m; r += kGemmHeight) {
        const int64_t height = m - r < kGemmHeight ? m - r : kGemmHeight;
        pack_a(a + r * a_row + from * a_column, a_row, a_column, height, depth, packed_a);
        for (int64_t q = 0; q < columns; q += kGemmWidth) {
          for (int64_t i = 0; i < height; i += kGemmRows) {
            const float *tile_a = packed_a + i * kGemmDepth, *tile_b = packed_b + q * kGemmDepth;
            float* to = c + (r + i) * ldc + j + q;
            const int64_t rows = height - i, width = columns - q;
            if (width >= kGemmWidth) {
              gemm_rows<kGemmRows>(rows, tile_a, tile_b, to, ldc, depth);
              continue;
            }
            const int64_t used = rows < kGemmRows ? rows : kGemmRows;
            for (int64_t x = 0; x < used; ++x)
              for (int64_t y = 0; y < kGemmWidth; ++y) edge[x * kGemmWidth + y] = y < width ? to[x * ldc + y] : 0.0f;
            gemm_rows<kGemmRows>(rows, tile_a, tile_b, edge, kGemmWidth, depth);
            for (int64_t x = 0; x < used; ++x)
              for (int64_t y = 0; y < width; ++y) to[x * ldc + y] = edge[x * kGemmWidth + y];
          }
        }
      }
    }
  }
}

void gemm(const float* a, int64_t a_row, int64_t a_column, const void* b, DType b_type, int64_t ldb, float* c,
          int64_t ldc, int64_t m, int64_t n, int64_t k) noexcept {
  if (b_type == DType::bf16)
    gemm_of(a, a_row, a_column, static_cast<const uint16_t*>(b), ldb, c, ldc, m, n, k);
  else
    gemm_of(a, a_row, a_column, static_cast<const float*>(b), ldb, c, ldc, m, n, k);
}

inline void fill_gemm(Kernels& k) { k.gemm = gemm; }
