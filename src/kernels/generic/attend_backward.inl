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

template <class K>
inline void attend_backward_of(const Attended& over, const float* q, int64_t ldq, int64_t rows, const int64_t* first,
                               const int64_t* last, const float* sinks, const float* out, int64_t ldo,
                               const float* stats, const float* d_out, int64_t ld_out,
                               const Kernels::AttendGradient& into) {
  const int64_t key_dim = over.key_dim, width = over.value_dim, base = into.base;
  float* const weight = static_cast<float*>(kernel_scratch(
      static_cast<size_t>(2 * kBackwardRows * kBlock + kBlock * (2 * key_dim + width) + rows) * sizeof(float)));
  float* const slope = weight + kBackwardRows * kBlock;
  float* const wide_keys = slope + kBackwardRows * kBlock;      // [key_dim][64]
  float* const turned_keys = wide_keys + kBlock * key_dim;      // [64][key_dim]
  float* const turned_values = turned_keys + kBlock * key_dim;  // [value_dim][64]
  float* const along = turned_values + kBlock * width;          // d_out . out of each row
  for (int64_t r = 0; r < rows; ++r) {
    V sum = zero();
    const float *a = d_out + r * ld_out, *b = out + r * ldo;
    each(width, [&](int64_t i, int64_t c) { sum = fma(some(a + i, c), some(b + i, c), sum); });
    along[r] = tree(sum);
    if (!sinks || first[r] >= last[r]) continue;
    // A sink's value is zero, so that all its weight does is to pull the answer there.
    const V weight_of_sink =
        mul(exp_below(sub(broadcast(sinks[r]), broadcast(stats[2 * r]))), broadcast(1.0f / stats[2 * r + 1]));
    store(into.d_sinks + r, fnma(weight_of_sink, broadcast(along[r]), broadcast(into.d_sinks[r])), 1);
  }
  int64_t end = 0;  // positions from here on are nobody's
  for (int64_t r = 0; r < rows; ++r)
    if (first[r] < last[r] && last[r] > end) end = last[r];
  const Range blocks = blocks_of(first, last, rows);
  Ahead none;
  for (int64_t block = blocks.from; block < blocks.to; ++block) {
    const float *k = nullptr, *v = nullptr;
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
        k = v = widened(static_cast<const K*>(over.keys[block]), kBlock * key_dim, wide_keys);
        turned(k, key_dim, kBlock, turned_keys);
        if (over.values) {
          turned(static_cast<const K*>(over.values[block]), kBlock, width, turned_values);
          v = turned_values;
        }
      }
      score_rows(q + r * ldq, ldq, range, count, k, key_dim, over.scale, weight, none);
      if (over.softcap > 0) cap_scores(weight, range, count, over.softcap);
      score_rows(d_out + r * ld_out, ld_out, range, count, v, width, 1.0f, slope, none);
      for (int64_t i = 0; i < count; ++i) {
        const V shift = broadcast(stats[2 * (r + i)]), by = broadcast(1.0f / stats[2 * (r + i) + 1]);
        const V dot = broadcast(along[r + i]), factor = broadcast(over.scale);
        const V uncap = broadcast(over.softcap > 0 ? 1.0f / over.softcap : 0.0f);
        UNROLL
        for (int v = 0; v < kBlockVectors; ++v) {
          float *w = weight + i * kBlock + v * 16, *s = slope + i * kBlock + v * 16;
          if (v * 16 >= range[i].to) {
            store(w, zero());
            store(s, zero());
            continue;
          }
          const V p = mul(exp_below(sub(load(w), shift)), by);
          V ds = mul(mul(p, sub(load(s), dot)), factor);
          if (over.softcap > 0) {
            const V t = mul(load(w), uncap);
            ds = mul(ds, fnma(t, t, broadcast(1.0f)));
          }
          store(w, keep(p, range[i], v * 16, zero()));
          store(s, keep(ds, range[i], v * 16, zero()));
        }
      }
      value_all(slope, range, count, turned_keys, key_dim, into.dq + r * into.lddq, into.lddq);
      // Sixteen positions at a time, the rows from the first to the last that use any of them: of a causal block half.
      for (int64_t at = 0; at < kBlock; at += 16) {
        const int64_t from = taped.from > at ? taped.from : at, to = taped.to < at + 16 ? taped.to : at + 16;
        if (from >= to) continue;
        const auto uses = [&](int64_t i) { return range[i].from < at + 16 && range[i].to > at; };
        int64_t begin = 0, end_row = count;
        while (begin < end_row && !uses(begin)) ++begin;
        while (begin < end_row && !uses(end_row - 1)) --end_row;
        const int64_t first_row = r + begin, used_rows = end_row - begin, in = begin * kBlock + from;
        const int64_t at_row = block * kBlock + from - base;
        key_gradient(weight + in, to - from, d_out + first_row * ld_out, ld_out, used_rows,
                     into.d_values + at_row * into.ldv, into.ldv, width);
        key_gradient(slope + in, to - from, q + first_row * ldq, ldq, used_rows, into.d_keys + at_row * into.ldk,
                     into.ldk, key_dim);
      }
      r += count;
    }
  }
}

void attend_backward(const Attended& over, const float* q, int64_t ldq, int64_t rows, const int64_t* first,
                     const int64_t* last, const float* sinks, const float* out, int64_t ldo, const float* stats,
                     const float* d_out, int64_t ld_out, const Kernels::AttendGradient& into) noexcept {
  if (over.type == DType::bf16)
    attend_backward_of<uint16_t>(over, q, ldq, rows, first, last, sinks, out, ldo, stats, d_out, ld_out, into);
  else
    attend_backward_of<float>(over, q, ldq, rows, first, last, sinks, out, ldo, stats, d_out, ld_out, into);
}

inline void fill_attend(Kernels& k) {
  k.attend = attend;
  k.attend_blocks = attend_blocks;
  k.attend_join = attend_join;
  k.attend_backward = attend_backward;
  k.attend_pattern = attend_pattern;
}
