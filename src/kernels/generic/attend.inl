// Attention over blocks of 64 positions. A tile of query rows shares the keys and values it loads; a row's bits
// depend on its own range of positions alone.

constexpr int64_t kBlock = kAttentionBlock;
constexpr int kBlockVectors = 4;  // of positions

struct Range {
  int64_t from, to;
};

// The positions of a block that a row uses, counted from the block's first.
inline Range used(int64_t first, int64_t last, int64_t block) {
  const int64_t from = first - block * kBlock, to = last - block * kBlock;
  return {from < 0 ? 0 : from, to > kBlock ? kBlock : to};
}

// score[r][64] = scale * q[r] . keys, keys being [head_dim][64]; the first `vectors` sixteens of them.
template <int rows, int vectors, class K>
inline void score_tile(const float* q, int64_t ldq, const K* keys, int64_t head_dim, float scale, float* score) {
  V sum[rows][vectors];
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v) sum[r][v] = zero();
  for (int64_t d = 0; d < head_dim; ++d) {
    V k[vectors];
    UNROLL
    for (int v = 0; v < vectors; ++v) k[v] = load(keys + d * kBlock + v * 16);
    UNROLL
    for (int r = 0; r < rows; ++r) {
      const V a = broadcast(q + r * ldq + d);
      UNROLL
      for (int v = 0; v < vectors; ++v) sum[r][v] = fma(a, k[v], sum[r][v]);
    }
  }
  const V by = broadcast(scale);
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v) store(score + r * kBlock + v * 16, mul(sum[r][v], by));
}

// Positions past the last that any row of a tile uses are not computed: a causal block is half empty.
template <int rows = kScoreRows, class K>
inline void score_rows(const float* q, int64_t ldq, const Range* range, int64_t count, const K* keys, int64_t head_dim,
                       float scale, float* score) {
  for (; count >= rows; count -= rows, q += rows * ldq, range += rows, score += rows * kBlock) {
    int64_t to = range[0].to;
    for (int r = 1; r < rows; ++r)
      if (range[r].to > to) to = range[r].to;
    if (to <= 16)
      score_tile<rows, 1>(q, ldq, keys, head_dim, scale, score);
    else if (to <= 32)
      score_tile<rows, 2>(q, ldq, keys, head_dim, scale, score);
    else if (to <= 48)
      score_tile<rows, 3>(q, ldq, keys, head_dim, scale, score);
    else
      score_tile<rows, 4>(q, ldq, keys, head_dim, scale, score);
  }
  if constexpr (rows > 1) score_rows<rows - 1>(q, ldq, range, count, keys, head_dim, scale, score);
}

// sum[r][d] = chain over positions [from, to) of weight[r][position] values[position][d], begun at what is there.
template <int rows, int vectors, class T>
inline void value_tile(const float* weight, const T* values, int64_t ldv, int64_t from, int64_t to, float* sum,
                       int64_t lds, int64_t lanes) {
  V total[rows][vectors];
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v)
    total[r][v] = vectors == 1 ? some(sum + r * lds, lanes) : load(sum + r * lds + v * 16);
  for (int64_t p = from; p < to; ++p) {
    V x[vectors];
    UNROLL
    for (int v = 0; v < vectors; ++v)
      x[v] = vectors == 1 ? some(values + p * ldv, lanes) : load(values + p * ldv + v * 16);
    UNROLL
    for (int r = 0; r < rows; ++r) {
      const V a = broadcast(weight + r * kBlock + p);
      UNROLL
      for (int v = 0; v < vectors; ++v) total[r][v] = fma(a, x[v], total[r][v]);
    }
  }
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v) {
    if (vectors == 1)
      put(sum + r * lds, total[r][v], lanes);
    else
      store(sum + r * lds + v * 16, total[r][v]);
  }
}

template <int rows, int vectors = kValueVectors, class T>
inline void value_range(const float* weight, const T* values, int64_t head_dim, int64_t from, int64_t to, float* sum,
                        int64_t lds) {
  int64_t d = 0;
  if constexpr (vectors > 2) {
    for (; d + vectors * 16 <= head_dim; d += vectors * 16)
      value_tile<rows, vectors>(weight, values + d, head_dim, from, to, sum + d, lds, 16);
  }
  if constexpr (vectors > 1) {
    for (; d + 32 <= head_dim; d += 32) value_tile<rows, 2>(weight, values + d, head_dim, from, to, sum + d, lds, 16);
  }
  for (; d < head_dim; d += 16)
    value_tile<rows, 1>(weight, values + d, head_dim, from, to, sum + d, lds, head_dim - d < 16 ? head_dim - d : 16);
}

// Each of `rows` rows over its own range: what all have in common is done together, the ends row by row.
template <int rows, class T>
inline void value_rows(const float* weight, const Range* range, const T* values, int64_t head_dim, float* sum,
                       int64_t lds) {
  Range common = range[0];
  for (int r = 1; r < rows; ++r) {
    if (range[r].from > common.from) common.from = range[r].from;
    if (range[r].to < common.to) common.to = range[r].to;
  }
  if (rows == 1 || common.from >= common.to) {
    for (int r = 0; r < rows; ++r)
      value_range<1>(weight + r * kBlock, values, head_dim, range[r].from, range[r].to, sum + r * lds, lds);
    return;
  }
  for (int r = 0; r < rows; ++r)
    if (range[r].from < common.from)
      value_range<1>(weight + r * kBlock, values, head_dim, range[r].from, common.from, sum + r * lds, lds);
  value_range<rows>(weight, values, head_dim, common.from, common.to, sum, lds);
  for (int r = 0; r < rows; ++r)
    if (common.to < range[r].to)
      value_range<1>(weight + r * kBlock, values, head_dim, common.to, range[r].to, sum + r * lds, lds);
}

template <int rows = kValueRows, class T>
inline void value_all(const float* weight, const Range* range, int64_t count, const T* values, int64_t head_dim,
                      float* sum, int64_t lds) {
  for (; count >= rows; count -= rows, weight += rows * kBlock, range += rows, sum += rows * lds)
    value_rows<rows>(weight, range, values, head_dim, sum, lds);
  if constexpr (rows > 1) value_all<rows - 1>(weight, range, count, values, head_dim, sum, lds);
}

// Which of sixteen positions from `at` are in the range.
inline V keep(V a, Range range, int64_t at, V other) {
  const int64_t from = range.from - at, to = range.to - at;
  if (from <= 0 && to >= 16) return a;
  if (to < 16) a = select(first_lanes(to < 0 ? 0 : to), a, other);
  if (from > 0) a = select(first_lanes(from > 16 ? 16 : from), other, a);
  return a;
}

// Scores become exp(score - largest), 0 where the row does not look; gives largest and sum. Sixteens that lie past the
// range are not read, as nobody computed them.
inline void exp_of_scores(float* score, Range range, float* largest_score, float* sum) {
  const V lowest = broadcast(-__builtin_inff());
  V s[kBlockVectors], top = lowest;
  UNROLL
  for (int v = 0; v < kBlockVectors; ++v) {
    s[v] = v * 16 < range.to ? keep(load(score + v * 16), range, v * 16, lowest) : lowest;
    top = max(s[v], top);
  }
  *largest_score = largest(top);
  const V shift = broadcast(*largest_score);
  UNROLL
  for (int v = 0; v < kBlockVectors; ++v) {
    if (v * 16 >= range.to) {
      s[v] = zero();
      continue;
    }
    s[v] = keep(exp_below(sub(s[v], shift)), range, v * 16, zero());
    store(score + v * 16, s[v]);
  }
  *sum = tree(add(add(s[0], s[1]), add(s[2], s[3])));
}

constexpr int64_t kAttendRows = 48;  // rows worked on at once: their scores stay in the first-level cache

// The blocks that some row looks at.
inline Range blocks_of(const int64_t* first, const int64_t* last, int64_t rows) {
  Range all = {INT64_MAX, 0};
  for (int64_t r = 0; r < rows; ++r) {
    if (first[r] >= last[r]) continue;
    if (first[r] / kBlock < all.from) all.from = first[r] / kBlock;
    if ((last[r] + kBlock - 1) / kBlock > all.to) all.to = (last[r] + kBlock - 1) / kBlock;
  }
  return all;
}

template <class T>
inline const float* widened(const T* block, int64_t count, float* to) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return block;
  } else {
    widen(block, to, count);
    return to;
  }
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

// Scores of rows become cap tanh(score / cap), in the sixteens that were computed.
inline void cap_scores(float* score, const Range* range, int64_t count, float cap) {
  const V by = broadcast(cap), inverse = broadcast(1.0f / cap);
  for (int64_t r = 0; r < count; ++r)
    for (int64_t at = r * kBlock; at < r * kBlock + range[r].to; at += 16)
      store(score + at, mul(by, tanh(mul(load(score + at), inverse))));
}

// Some rows over one block of keys and values of type K.
template <class K>
inline void attend_block(const float* q, int64_t ldq, int64_t count, const Range* range, const K* keys, const K* values,
                         const Attended& over, float* out, int64_t ldo, float* stats, float* score, float* sum) {
  const int64_t width = over.value_dim;
  score_rows(q, ldq, range, count, keys, over.key_dim, over.scale, score);
  if (over.softcap > 0) cap_scores(score, range, count, over.softcap);
  float top[kAttendRows] = {}, total[kAttendRows] = {};
  for (int64_t r = 0; r < count; ++r) exp_of_scores(score + r * kBlock, range[r], top + r, total + r);
  for (int64_t i = 0; i < count * width; ++i) sum[i] = 0;
  value_all(score, range, count, values, width, sum, width);
  // Merge what was and what came: sixteen rows' statistics at a time.
  float old_by[kAttendRows], new_by[kAttendRows];
  for (int64_t r = 0; r < count; r += 16) {
    float was_top[16] = {}, was_total[16] = {};
    const int64_t n = count - r < 16 ? count - r : 16;
    for (int64_t i = 0; i < n; ++i) {
      was_top[i] = stats[2 * (r + i)];
      was_total[i] = stats[2 * (r + i) + 1];
    }
    const V old_top = load(was_top), new_top = load(top + r), both = max(old_top, new_top);
    const V old_factor = exp_below(sub(old_top, both)), new_factor = exp_below(sub(new_top, both));
    store(was_top, both);
    store(was_total, fma(load(was_total), old_factor, mul(load(total + r), new_factor)));
    store(old_by + r, old_factor);
    store(new_by + r, new_factor);
    for (int64_t i = 0; i < n; ++i) {
      stats[2 * (r + i)] = was_top[i];
      stats[2 * (r + i) + 1] = was_total[i];
    }
  }
  for (int64_t r = 0; r < count; ++r) {
    const V old_factor = broadcast(old_by[r]), new_factor = broadcast(new_by[r]);
    float* to = out + r * ldo;
    const float* from = sum + r * width;
    each(width, [=](int64_t i, int64_t c) {
      put(to + i, fma(some(to + i, c), old_factor, mul(some(from + i, c), new_factor)), c);
    });
  }
}

// A row's sink joins what its blocks gave: a score without a value.
inline void merge_sinks(const float* sinks, int64_t rows, const int64_t* first, const int64_t* last, int64_t width,
                        float* out, int64_t ldo, float* stats) {
  for (int64_t r = 0; r < rows; ++r) {
    if (first[r] >= last[r]) continue;
    const V old_top = broadcast(stats[2 * r]), sink = broadcast(sinks[r]), both = max(old_top, sink);
    const V by = exp_below(sub(old_top, both));
    store(stats + 2 * r, both, 1);
    store(stats + 2 * r + 1, fma(broadcast(stats[2 * r + 1]), by, exp_below(sub(sink, both))), 1);
    float* row = out + r * ldo;
    each(width, [=](int64_t i, int64_t c) { put(row + i, mul(some(row + i, c), by), c); });
  }
}

template <class K>
inline void attend_of(const Attended& over, const float* q, int64_t ldq, int64_t rows, const int64_t* first,
                      const int64_t* last, const float* sinks, float* out, int64_t ldo, float* stats) {
  const int64_t key_dim = over.key_dim, width = over.value_dim;
  float* const score = static_cast<float*>(
      kernel_scratch(static_cast<size_t>(kAttendRows * (kBlock + width) + kBlock * (key_dim + width)) * sizeof(float)));
  float* const sum = score + kAttendRows * kBlock;
  float* const wide_keys = sum + kAttendRows * width;
  float* const wide_values = wide_keys + kBlock * key_dim;
  for (int64_t r = 0; r < rows; ++r) {
    stats[2 * r] = -__builtin_inff();
    stats[2 * r + 1] = 0;
    for (int64_t d = 0; d < width; ++d) out[r * ldo + d] = 0;
  }
  const Range blocks = blocks_of(first, last, rows);
  for (int64_t block = blocks.from; block < blocks.to; ++block) {
    const float *k = nullptr, *v = nullptr;  // this block, widened when the first rows come that use it
    for (int64_t r = 0; r < rows;) {
      // The next rows in a line that look at this block.
      Range range[kAttendRows];
      int64_t count = 0;
      for (; count < kAttendRows && r + count < rows; ++count) {
        range[count] = used(first[r + count], last[r + count], block);
        if (range[count].from >= range[count].to) break;
      }
      if (count == 0) {
        ++r;
        continue;
      }
      const K* block_keys = static_cast<const K*>(over.keys[block]);
      if (sizeof(K) == sizeof(float) || rows > kScoreRows || !over.values) {
        if (!k) {
          k = widened(block_keys, kBlock * key_dim, wide_keys);
          if (over.values) {
            v = widened(static_cast<const K*>(over.values[block]), kBlock * width, wide_values);
          } else {
            turned(k, width, kBlock, wide_values);
            v = wide_values;
          }
        }
        attend_block(q + r * ldq, ldq, count, range, k, v, over, out + r * ldo, ldo, stats + 2 * r, score, sum);
      } else {
        attend_block(q + r * ldq, ldq, count, range, block_keys, static_cast<const K*>(over.values[block]), over,
                     out + r * ldo, ldo, stats + 2 * r, score, sum);
      }
      r += count;
    }
  }
  if (sinks) merge_sinks(sinks, rows, first, last, width, out, ldo, stats);
  for (int64_t r = 0; r < rows; ++r) {
    if (first[r] >= last[r]) continue;
    const V by = broadcast(1.0f / stats[2 * r + 1]);
    float* row = out + r * ldo;
    each(width, [=](int64_t i, int64_t c) { put(row + i, mul(some(row + i, c), by), c); });
  }
}

void attend(const Attended& over, const float* q, int64_t ldq, int64_t rows, const int64_t* first, const int64_t* last,
            const float* sinks, float* out, int64_t ldo, float* stats) noexcept {
  if (over.type == DType::bf16)
    attend_of<uint16_t>(over, q, ldq, rows, first, last, sinks, out, ldo, stats);
  else
    attend_of<float>(over, q, ldq, rows, first, last, sinks, out, ldo, stats);
}

template <class K>
inline void pattern_of(const Attended& over, const float* q, int64_t first, int64_t last, const float* stats,
                       float* scores, float* pattern) {
  const V shift = broadcast(stats[0]), by = broadcast(1.0f / stats[1]);
  for (int64_t block = first / kBlock; block * kBlock < last; ++block) {
    const Range range = used(first, last, block);
    float score[kBlock], weight[kBlock];
    score_tile<1, kBlockVectors>(q, 0, static_cast<const K*>(over.keys[block]), over.key_dim, over.scale, score);
    if (over.softcap > 0) cap_scores(score, &range, 1, over.softcap);
    for (int64_t i = 0; i < kBlock; i += 16) store(weight + i, mul(exp(sub(load(score + i), shift)), by));
    for (int64_t i = range.from; i < range.to; ++i) {
      const int64_t to = block * kBlock + i - first;
      if (scores) scores[to] = score[i];
      pattern[to] = weight[i];
    }
  }
}

void attend_pattern(const Attended& over, const float* q, int64_t first, int64_t last, const float* stats,
                    float* scores, float* pattern) noexcept {
  if (first >= last) return;
  if (over.type == DType::bf16)
    pattern_of<uint16_t>(over, q, first, last, stats, scores, pattern);
  else
    pattern_of<float>(over, q, first, last, stats, scores, pattern);
}
