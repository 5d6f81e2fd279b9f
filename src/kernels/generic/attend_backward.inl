// The gradient of attention. The pattern is recomputed block by block from scores and statistics, as FlashAttention
// does (arXiv:2205.14135); every gradient is one chain: dq over positions, dkeys and dvalues over rows.

constexpr int64_t kBackwardRows = 24;

// to[position][d] += chain over rows of weight[row][position] x[row][d].
template <int positions, int vectors>
inline void key_tile(const float* weight, const float* x, int64_t ldx, int64_t rows, float* to, int64_t ldd,
                     int64_t lanes) {
  V total[positions][vectors];
  UNROLL
  for (int p = 0; p < positions; ++p) UNROLL
  for (int v = 0; v < vectors; ++v)
    total[p][v] = vectors == 1 ? some(to + p * ldd, lanes) : load(to + p * ldd + v * 16);
  for (int64_t r = 0; r < rows; ++r) {
    V a[vectors];
    UNROLL
    for (int v = 0; v < vectors; ++v) a[v] = vectors == 1 ? some(x + r * ldx, lanes) : load(x + r * ldx + v * 16);
    UNROLL
    for (int p = 0; p < positions; ++p) {
      const V w = broadcast(weight + r * kBlock + p);
      UNROLL
      for (int v = 0; v < vectors; ++v) total[p][v] = fma(w, a[v], total[p][v]);
    }
  }
  UNROLL
  for (int p = 0; p < positions; ++p) UNROLL
  for (int v = 0; v < vectors; ++v) {
    if (vectors == 1)
      put(to + p * ldd, total[p][v], lanes);
    else
      store(to + p * ldd + v * 16, total[p][v]);
  }
}

template <int positions = kKeyPositions>
inline void key_gradient(const float* weight, int64_t count, const float* x, int64_t ldx, int64_t rows, float* to,
                         int64_t ldd, int64_t head_dim) {
  for (; count >= positions; count -= positions, weight += positions, to += positions * ldd) {
    int64_t d = 0;
    if constexpr (kKeyVectors > 1) {
      for (; d + kKeyVectors * 16 <= head_dim; d += kKeyVectors * 16)
        key_tile<positions, kKeyVectors>(weight, x + d, ldx, rows, to + d, ldd, 16);
    }
    for (; d < head_dim; d += 16)
      key_tile<positions, 1>(weight, x + d, ldx, rows, to + d, ldd, head_dim - d < 16 ? head_dim - d : 16);
  }
  if constexpr (positions > 1) key_gradient<positions - 1>(weight, count, x, ldx, rows, to, ldd, head_dim);
}

// [rows][columns] of K becomes [columns][rows] of float.
template <class K>
inline void turned(const K* from, int64_t rows, int64_t columns, float* to) {
  for (int64_t r = 0; r < rows; r += 16)
    for (int64_t c = 0; c < columns; c += 16) {
      const int64_t height = rows - r < 16 ? rows - r : 16, width = columns - c < 16 ? columns - c : 16;
      V tile[16];
      UNROLL
      for (int i = 0; i < 16; ++i) tile[i] = i < height ? some(from + (r + i) * columns + c, width) : zero();
      transpose(tile);
      UNROLL
      for (int i = 0; i < 16; ++i)
        if (i < width) put(to + (c + i) * rows + r, tile[i], height);
    }
}

template <class K>
inline void attend_backward_of(const float* q, int64_t ldq, int64_t rows, const int64_t* first, const int64_t* last,
                               const void* const* keys, const void* const* values, int64_t head_dim, float scale,
                               const float* out, int64_t ldo, const float* stats, const float* d_out, int64_t ld_out,
                               float* dq, int64_t lddq, float* d_keys, float* d_values, int64_t ldd, int64_t base) {
  float* const weight = static_cast<float*>(
      kernel_scratch(static_cast<size_t>(2 * kBackwardRows * kBlock + 3 * kBlock * head_dim + rows) * sizeof(float)));
  float* const slope = weight + kBackwardRows * kBlock;
  float* const wide_keys = slope + kBackwardRows * kBlock;       // [head_dim][64]
  float* const turned_keys = wide_keys + kBlock * head_dim;      // [64][head_dim]
  float* const turned_values = turned_keys + kBlock * head_dim;  // [head_dim][64]
  float* const along = turned_values + kBlock * head_dim;        // d_out . out of each row
  for (int64_t r = 0; r < rows; ++r) {
    V sum = zero();
    const float *a = d_out + r * ld_out, *b = out + r * ldo;
    each(head_dim, [&](int64_t i, int64_t c) { sum = fma(some(a + i, c), some(b + i, c), sum); });
    along[r] = tree(sum);
  }
  int64_t end = 0;  // positions from here on are nobody's
  for (int64_t r = 0; r < rows; ++r)
    if (first[r] < last[r] && last[r] > end) end = last[r];
  const Range blocks = blocks_of(first, last, rows);
  for (int64_t block = blocks.from; block < blocks.to; ++block) {
    const float* k = nullptr;
    const Range taped = used(base, end, block);  // positions whose gradient is wanted
    for (int64_t r = 0; r < rows;) {
      Range range[kBackwardRows];
      int64_t count = 0;
      for (; count < kBackwardRows && r + count < rows; ++count) {
        range[count] = used(first[r + count], last[r + count], block);
        if (range[count].from >= range[count].to) break;
      }
      if (count == 0) {
        ++r;
        continue;
      }
      if (!k) {
        k = widened(static_cast<const K*>(keys[block]), kBlock * head_dim, wide_keys);
        turned(k, head_dim, kBlock, turned_keys);
        turned(static_cast<const K*>(values[block]), kBlock, head_dim, turned_values);
      }
      score_rows(q + r * ldq, ldq, range, count, k, head_dim, scale, weight);
      score_rows(d_out + r * ld_out, ld_out, range, count, turned_values, head_dim, 1.0f, slope);
      for (int64_t i = 0; i < count; ++i) {
        const V shift = broadcast(stats[2 * (r + i)]), by = broadcast(1.0f / stats[2 * (r + i) + 1]);
        const V dot = broadcast(along[r + i]), factor = broadcast(scale);
        UNROLL
        for (int v = 0; v < kBlockVectors; ++v) {
          float *w = weight + i * kBlock + v * 16, *s = slope + i * kBlock + v * 16;
          if (v * 16 >= range[i].to) {
            store(w, zero());
            store(s, zero());
            continue;
          }
          const V p = mul(exp_below(sub(load(w), shift)), by);
          const V ds = mul(mul(p, sub(load(s), dot)), factor);
          store(w, keep(p, range[i], v * 16, zero()));
          store(s, keep(ds, range[i], v * 16, zero()));
        }
      }
      value_all(slope, range, count, turned_keys, head_dim, dq + r * lddq, lddq);
      // Sixteen positions at a time, the rows from the first to the last that use any of them: of a causal block half.
      for (int64_t at = 0; at < kBlock; at += 16) {
        const int64_t from = taped.from > at ? taped.from : at, to = taped.to < at + 16 ? taped.to : at + 16;
        if (from >= to) continue;
        const auto uses = [&](int64_t i) { return range[i].from < at + 16 && range[i].to > at; };
        int64_t begin = 0, end_row = count;
        while (begin < end_row && !uses(begin)) ++begin;
        while (begin < end_row && !uses(end_row - 1)) --end_row;
        const int64_t first_row = r + begin, used_rows = end_row - begin, in = begin * kBlock + from;
        const int64_t into = (block * kBlock + from - base) * ldd;
        key_gradient(weight + in, to - from, d_out + first_row * ld_out, ld_out, used_rows, d_values + into, ldd,
                     head_dim);
        key_gradient(slope + in, to - from, q + first_row * ldq, ldq, used_rows, d_keys + into, ldd, head_dim);
      }
      r += count;
    }
  }
}

void attend_backward(const float* q, int64_t ldq, int64_t rows, const int64_t* first, const int64_t* last,
                     const void* const* keys, const void* const* values, DType type, int64_t head_dim, float scale,
                     const float* out, int64_t ldo, const float* stats, const float* d_out, int64_t ld_out, float* dq,
                     int64_t lddq, float* d_keys, float* d_values, int64_t ldd, int64_t base) noexcept {
  if (type == DType::bf16)
    attend_backward_of<uint16_t>(q, ldq, rows, first, last, keys, values, head_dim, scale, out, ldo, stats, d_out,
                                 ld_out, dq, lddq, d_keys, d_values, ldd, base);
  else
    attend_backward_of<float>(q, ldq, rows, first, last, keys, values, head_dim, scale, out, ldo, stats, d_out, ld_out,
                              dq, lddq, d_keys, d_values, ldd, base);
}

inline void fill_attend(Kernels& k) {
  k.attend = attend;
  k.attend_backward = attend_backward;
  k.attend_pattern = attend_pattern;
}
