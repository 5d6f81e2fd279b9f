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

// Keys or values that will be wanted after those at hand: planes of blocks lie apart, which the hardware cannot
// foresee. Tiles ask for a step of them with every row they read. A tile looks once whether anything is left: asking
// beyond the end does no harm.
struct Ahead {
  const char *at = nullptr, *end = nullptr;
  int64_t step = 64;

  // A plane of `bytes` while at least `rows` rows are read.
  static Ahead of(const void* plane, int64_t bytes, int64_t rows) {
    const char* const at = static_cast<const char*>(plane);
    return {at, at + bytes, (bytes / rows + 63) / 64 * 64};
  }
  bool any() const { return at < end; }
};
KERNEL_INLINE void ask(Ahead& ahead) {
  const char* const to = ahead.at + ahead.step;
  for (; ahead.at < to; ahead.at += 64) prefetch(ahead.at);
}
struct Nothing {};
KERNEL_INLINE void ask(Nothing&) {}

// score[r][64] = scale * q[r] . keys, keys being [head_dim][64]; the first `vectors` sixteens of them.
template <int rows, int vectors, class K, class Asked>
inline void score_tile(const float* q, int64_t ldq, const K* keys, int64_t head_dim, float scale, float* score,
                       Asked& more) {
  Asked ahead = more;  // in registers
  V sum[rows][vectors];
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v) sum[r][v] = zero();
  for (int64_t d = 0; d < head_dim; ++d) {
    V k[vectors];
    UNROLL
    for (int v = 0; v < vectors; ++v) k[v] = load(keys + d * kBlock + v * 16);
    ask(ahead);
    UNROLL
    for (int r = 0; r < rows; ++r) {
      const V a = broadcast(q + r * ldq + d);
      UNROLL
      for (int v = 0; v < vectors; ++v) sum[r][v] = fma(a, k[v], sum[r][v]);
    }
  }
  more = ahead;
  const V by = broadcast(scale);
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v) store(score + r * kBlock + v * 16, mul(sum[r][v], by));
}

// Positions past the last that any row of a tile uses are not computed: a causal block is half empty.
template <int rows = kScoreRows, class K>
inline void score_rows(const float* q, int64_t ldq, const Range* range, int64_t count, const K* keys, int64_t head_dim,
                       float scale, float* score, Ahead& ahead) {
  for (; count >= rows; count -= rows, q += rows * ldq, range += rows, score += rows * kBlock) {
    int64_t to = range[0].to;
    for (int r = 1; r < rows; ++r)
      if (range[r].to > to) to = range[r].to;
    Nothing none;
    if (to <= 16)
      score_tile<rows, 1>(q, ldq, keys, head_dim, scale, score, none);
    else if (to <= 32)
      score_tile<rows, 2>(q, ldq, keys, head_dim, scale, score, none);
    else if (to <= 48)
      score_tile<rows, 3>(q, ldq, keys, head_dim, scale, score, none);
    else if (ahead.any())
      score_tile<rows, 4>(q, ldq, keys, head_dim, scale, score, ahead);
    else
      score_tile<rows, 4>(q, ldq, keys, head_dim, scale, score, none);
  }
  if constexpr (rows > 1) score_rows<rows - 1>(q, ldq, range, count, keys, head_dim, scale, score, ahead);
}

// How a block's values join those of the blocks before: what was times old_by[r], and what comes times new_by[r].
struct Join {
  const float *old_by, *new_by;
};

// A chain over positions [from, to) of weight[r][position] values[position][d]: begun at what is in sum[r][d] and left
// there, or, where `joins`, begun at zero and joined with what is there.
template <int rows, int vectors, bool joins, class T, class Asked>
inline void value_tile(const float* weight, const T* values, int64_t ldv, int64_t from, int64_t to, float* sum,
                       int64_t lds, int64_t lanes, const Join& join, Asked& more) {
  Asked ahead = more;  // in registers
  V total[rows][vectors];
  UNROLL
  for (int r = 0; r < rows; ++r) UNROLL
  for (int v = 0; v < vectors; ++v)
    total[r][v] = joins ? zero() : vectors == 1 ? some(sum + r * lds, lanes) : load(sum + r * lds + v * 16);
  for (int64_t p = from; p < to; ++p) {
    V x[vectors];
    UNROLL
    for (int v = 0; v < vectors; ++v)
      x[v] = vectors == 1 ? some(values + p * ldv, lanes) : load(values + p * ldv + v * 16);
    ask(ahead);
    UNROLL
    for (int r = 0; r < rows; ++r) {
      const V a = broadcast(weight + r * kBlock + p);
      UNROLL
      for (int v = 0; v < vectors; ++v) total[r][v] = fma(a, x[v], total[r][v]);
    }
  }
  more = ahead;
  UNROLL
  for (int r = 0; r < rows; ++r) {
    const V old_by = joins ? broadcast(join.old_by + r) : zero(), new_by = joins ? broadcast(join.new_by + r) : zero();
    UNROLL
    for (int v = 0; v < vectors; ++v) {
      float* const at = sum + r * lds + v * 16;
      if (joins) total[r][v] = fma(vectors == 1 ? some(at, lanes) : load(at), old_by, mul(total[r][v], new_by));
      if (vectors == 1)
        put(at, total[r][v], lanes);
      else
        store(at, total[r][v]);
    }
  }
}

template <int rows, bool joins, class T>
inline void value_range(const float* weight, const T* values, int64_t head_dim, int64_t from, int64_t to, float* sum,
                        int64_t lds, const Join& join, Ahead& ahead) {
  constexpr int vectors = kValueVectors;
  Nothing none;
  int64_t d = 0;
  if constexpr (vectors > 1) {
    for (; d + vectors * 16 <= head_dim; d += vectors * 16)
      if (ahead.any())
        value_tile<rows, vectors, joins>(weight, values + d, head_dim, from, to, sum + d, lds, 16, join, ahead);
      else
        value_tile<rows, vectors, joins>(weight, values + d, head_dim, from, to, sum + d, lds, 16, join, none);
  }
  if constexpr (vectors > 2) {
    for (; d + 32 <= head_dim; d += 32)
      value_tile<rows, 2, joins>(weight, values + d, head_dim, from, to, sum + d, lds, 16, join, none);
  }
  for (; d < head_dim; d += 16)
    value_tile<rows, 1, joins>(weight, values + d, head_dim, from, to, sum + d, lds,
                               head_dim - d < 16 ? head_dim - d : 16, join, none);
}

// Each of `rows` rows over its own range: what all have in common is done together, the ends row by row.
template <int rows, class T>
inline void value_rows(const float* weight, const Range* range, const T* values, int64_t head_dim, float* sum,
                       int64_t lds) {
  Ahead none;
  Range common = range[0];
  for (int r = 1; r < rows; ++r) {
    if (range[r].from > common.from) common.from = range[r].from;
    if (range[r].to < common.to) common.to = range[r].to;
  }
  if (rows == 1 || common.from >= common.to) {
    for (int r = 0; r < rows; ++r)
      value_range<1, false>(weight + r * kBlock, values, head_dim, range[r].from, range[r].to, sum + r * lds, lds, {},
                            none);
    return;
  }
  for (int r = 0; r < rows; ++r)
    if (range[r].from < common.from)
      value_range<1, false>(weight + r * kBlock, values, head_dim, range[r].from, common.from, sum + r * lds, lds, {},
                            none);
  value_range<rows, false>(weight, values, head_dim, common.from, common.to, sum, lds, {}, none);
  for (int r = 0; r < rows; ++r)
    if (common.to < range[r].to)
      value_range<1, false>(weight + r * kBlock, values, head_dim, common.to, range[r].to, sum + r * lds, lds, {},
                            none);
}

template <int rows = kValueRows, class T>
inline void value_all(const float* weight, const Range* range, int64_t count, const T* values, int64_t head_dim,
                      float* sum, int64_t lds) {
  for (; count >= rows; count -= rows, weight += rows * kBlock, range += rows, sum += rows * lds)
    value_rows<rows>(weight, range, values, head_dim, sum, lds);
  if constexpr (rows > 1) value_all<rows - 1>(weight, range, count, values, head_dim, sum, lds);
}

// The same for rows that all use the same positions.
template <bool joins, int rows = kValueRows, class T>
inline void value_alike(const float* weight, const Range& range, int64_t count, const T* values, int64_t head_dim,
                        float* out, int64_t ldo, Join join, Ahead& ahead) {
  for (; count >= rows; count -= rows, weight += rows * kBlock, out += rows * ldo) {
    value_range<rows, joins>(weight, values, head_dim, range.from, range.to, out, ldo, join, ahead);
    if (joins) join = {join.old_by + rows, join.new_by + rows};
  }
  if constexpr (rows > 1) value_alike<joins, rows - 1>(weight, range, count, values, head_dim, out, ldo, join, ahead);
}

// Which of sixteen positions from `at` are in the range.
inline V keep(V a, Range range, int64_t at, V other) {
  const int64_t from = range.from - at, to = range.to - at;
  if (from <= 0 && to >= 16) return a;
  if (to < 16) a = select(first_lanes(to < 0 ? 0 : to), a, other);
  if (from > 0) a = select(first_lanes(from > 16 ? 16 : from), other, a);
  return a;
}

// Scores of up to sixteen rows become exp(score - largest), 0 where a row does not look; gives sixteen largest scores
// and sums. Sixteen positions that lie past a range are not read, as nobody computed them.
inline void exp_of_scores(float* score, const Range* range, int64_t count, float* largest_scores, float* sums) {
  const V lowest = broadcast(-__builtin_inff());
  V rows[16];
  for (int64_t r = 0; r < 16; ++r) {
    rows[r] = lowest;
    for (int64_t at = 0; r < count && at < range[r].to; at += 16)
      rows[r] = max(keep(load(score + r * kBlock + at), range[r], at, lowest), rows[r]);
  }
  store(largest_scores, largests(rows));
  for (int64_t r = 0; r < 16; ++r) {
    rows[r] = zero();
    if (r >= count) continue;
    const V shift = broadcast(largest_scores + r);
    V s[kBlockVectors];
    UNROLL
    for (int v = 0; v < kBlockVectors; ++v) {
      float* const at = score + r * kBlock + v * 16;
      s[v] = zero();
      if (v * 16 >= range[r].to) continue;
      s[v] = keep(exp_below(sub(load(at), shift)), range[r], v * 16, zero());
      store(at, s[v]);
    }
    rows[r] = add(add(s[0], s[1]), add(s[2], s[3]));
  }
  store(sums, trees(rows));
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

// exp(score - largest) of some rows and one block of keys of type K, and each row's largest score and sum (written in
// sixteens).
template <class K>
inline void weigh_block(const float* q, int64_t ldq, int64_t count, const Range* range, const K* keys,
                        const Attended& over, float* weight, float* top, float* total, Ahead& ahead) {
  score_rows(q, ldq, range, count, keys, over.key_dim, over.scale, weight, ahead);
  if (over.softcap > 0) cap_scores(weight, range, count, over.softcap);
  for (int64_t r = 0; r < count; r += 16)
    exp_of_scores(weight + r * kBlock, range + r, count - r < 16 ? count - r : 16, top + r, total + r);
}

// What a block gave joins the statistics of what was before it, sixteen rows at a time. All arrays but stats are read
// and written in sixteens.
inline void join_stats(const float* top, const float* total, int64_t count, float* stats, float* old_by,
                       float* new_by) {
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
}

inline void join_values(const float* sum, int64_t count, int64_t width, const Join& join, float* out, int64_t ldo) {
  for (int64_t r = 0; r < count; ++r) {
    const V old_by = broadcast(join.old_by[r]), new_by = broadcast(join.new_by[r]);
    float* to = out + r * ldo;
    const float* from = sum + r * width;
    each(width,
         [=](int64_t i, int64_t c) { put(to + i, fma(some(to + i, c), old_by, mul(some(from + i, c), new_by)), c); });
  }
}

// Some rows over one block of keys and values of type K.
template <class K>
inline void attend_block(const float* q, int64_t ldq, int64_t count, const Range* range, const K* keys, const K* values,
                         const Attended& over, float* out, int64_t ldo, float* stats, float* weight, float* sum,
                         Ahead& while_scoring, Ahead& while_summing) {
  const int64_t width = over.value_dim;
  float top[kAttendRows] = {}, total[kAttendRows] = {}, old_by[kAttendRows], new_by[kAttendRows];
  weigh_block(q, ldq, count, range, keys, over, weight, top, total, while_scoring);
  join_stats(top, total, count, stats, old_by, new_by);
  bool alike = true;
  for (int64_t r = 1; r < count; ++r) alike &= range[r].from == range[0].from && range[r].to == range[0].to;
  if (alike)
    return value_alike<true>(weight, range[0], count, values, width, out, ldo, {old_by, new_by}, while_summing);
  for (int64_t i = 0; i < count * width; ++i) sum[i] = 0;
  value_all(weight, range, count, values, width, sum, width);
  join_values(sum, count, width, {old_by, new_by}, out, ldo);
}

inline void begin_row(int64_t width, float* out, float* stats) {
  stats[0] = -__builtin_inff();
  stats[1] = 0;
  for (int64_t d = 0; d < width; ++d) out[d] = 0;
}

// A row's sink, unless null, joins what its blocks gave: a score without a value. Then weights become shares.
inline void end_row(const float* sink, int64_t width, float* out, float* stats) {
  if (sink) {
    const V old_top = broadcast(stats[0]), score = broadcast(*sink), both = max(old_top, score);
    const V by = exp_below(sub(old_top, both));
    store(stats, both, 1);
    store(stats + 1, fma(broadcast(stats[1]), by, exp_below(sub(score, both))), 1);
    each(width, [=](int64_t i, int64_t c) { put(out + i, mul(some(out + i, c), by), c); });
  }
  const V by = broadcast(1.0f / stats[1]);
  each(width, [=](int64_t i, int64_t c) { put(out + i, mul(some(out + i, c), by), c); });
}

template <class K>
constexpr int64_t plane(int64_t width) {  // bytes of a block's keys or values
  return kBlock * width * int64_t{sizeof(K)};
}

// A tile of rows that reads a block for the first time from memory: its values are asked for while it is scored, the
// next block's keys while values are summed, so that half a block is on its way to the first-level cache.
template <class K>
inline void ask_of_tile(const Attended& over, int64_t block, int64_t end, Ahead& while_scoring, Ahead& while_summing) {
  constexpr int64_t columns = kValueVectors * 16;
  while_scoring = Ahead::of(over.values[block], plane<K>(over.value_dim), over.key_dim);
  if (block + 1 < end)
    while_summing =
        Ahead::of(over.keys[block + 1], plane<K>(over.key_dim), kBlock * ((over.value_dim + columns - 1) / columns));
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
  for (int64_t r = 0; r < rows; ++r) begin_row(width, out + r * ldo, stats + 2 * r);
  const Range blocks = blocks_of(first, last, rows);
  // A tile of rows reads keys and values where they are; more rows share them widened.
  const bool tile = over.values && rows <= kScoreRows;
  for (int64_t block = blocks.from; block < blocks.to; ++block) {
    const K* const block_keys = static_cast<const K*>(over.keys[block]);
    const K* const block_values = over.values ? static_cast<const K*>(over.values[block]) : nullptr;
    const float *k = nullptr, *v = nullptr;  // widened when the first rows come that use them
    Ahead while_scoring, while_summing;
    if (tile) {
      ask_of_tile<K>(over, block, blocks.to, while_scoring, while_summing);
    } else if (block + 1 < blocks.to) {  // a step a row is enough, as there are many rows
      while_scoring = Ahead::of(over.keys[block + 1], plane<K>(key_dim), plane<K>(key_dim));
      if (block_values) while_summing = Ahead::of(over.values[block + 1], plane<K>(width), plane<K>(width));
    }
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
      const auto attend_to = [&](const auto* keys, const auto* values) {
        attend_block(q + r * ldq, ldq, count, range, keys, values, over, out + r * ldo, ldo, stats + 2 * r, score, sum,
                     while_scoring, while_summing);
      };
      if (tile) {
        attend_to(block_keys, block_values);
      } else {
        if (!k) {
          k = widened(block_keys, kBlock * key_dim, wide_keys);
          if (block_values) {
            v = widened(block_values, kBlock * width, wide_values);
          } else {
            turned(k, width, kBlock, wide_values);
            v = wide_values;
          }
        }
        attend_to(k, v);
      }
      r += count;
    }
  }
  for (int64_t r = 0; r < rows; ++r)
    if (first[r] < last[r]) end_row(sinks ? sinks + r : nullptr, width, out + r * ldo, stats + 2 * r);
}

void attend(const Attended& over, const float* q, int64_t ldq, int64_t rows, const int64_t* first, const int64_t* last,
            const float* sinks, float* out, int64_t ldo, float* stats) noexcept {
  if (over.type == DType::bf16)
    attend_of<uint16_t>(over, q, ldq, rows, first, last, sinks, out, ldo, stats);
  else
    attend_of<float>(over, q, ldq, rows, first, last, sinks, out, ldo, stats);
}

// Numbers of a block in attend_blocks' parts: values of each row, largest scores, sums.
inline int64_t part_size(int64_t rows, int64_t width) { return rows * (width + 2); }

template <class K>
inline void attend_blocks_of(const Attended& over, const float* q, int64_t ldq, int64_t rows, int64_t first,
                             int64_t last, int64_t begin, int64_t end, float* parts) {
  const int64_t width = over.value_dim;
  for (int64_t block = begin; block < end; ++block, parts += part_size(rows, width))
    for (int64_t r = 0; r < rows; r += kScoreRows) {
      const int64_t count = rows - r < kScoreRows ? rows - r : kScoreRows;
      float weight[kScoreRows * kBlock], top[16], total[16];
      Range range[kScoreRows];
      for (int i = 0; i < kScoreRows; ++i) range[i] = used(first, last, block);
      Ahead while_scoring, while_summing;
      if (r == 0) ask_of_tile<K>(over, block, end, while_scoring, while_summing);
      weigh_block(q + r * ldq, ldq, count, range, static_cast<const K*>(over.keys[block]), over, weight, top, total,
                  while_scoring);
      float* const sum = parts + r * width;
      for (int64_t i = 0; i < count * width; ++i) sum[i] = 0;
      value_alike<false>(weight, range[0], count, static_cast<const K*>(over.values[block]), width, sum, width, {},
                         while_summing);
      for (int64_t i = 0; i < count; ++i) {
        parts[rows * width + r + i] = top[i];
        parts[rows * (width + 1) + r + i] = total[i];
      }
    }
}

void attend_blocks(const Attended& over, const float* q, int64_t ldq, int64_t rows, int64_t first, int64_t last,
                   int64_t begin, int64_t end, float* parts) noexcept {
  if (over.type == DType::bf16)
    attend_blocks_of<uint16_t>(over, q, ldq, rows, first, last, begin, end, parts);
  else
    attend_blocks_of<float>(over, q, ldq, rows, first, last, begin, end, parts);
}

void attend_join(const float* parts, int64_t blocks, int64_t rows, int64_t width, const float* sinks, float* out,
                 int64_t ldo, float* stats) noexcept {
  for (int64_t r = 0; r < rows; ++r) begin_row(width, out + r * ldo, stats + 2 * r);
  for (int64_t block = 0; block < blocks; ++block, parts += part_size(rows, width))
    for (int64_t r = 0; r < rows; r += 16) {
      const int64_t count = rows - r < 16 ? rows - r : 16;
      float top[16] = {}, total[16] = {}, old_by[16], new_by[16];
      for (int64_t i = 0; i < count; ++i) {
        top[i] = parts[rows * width + r + i];
        total[i] = parts[rows * (width + 1) + r + i];
      }
      join_stats(top, total, count, stats + 2 * r, old_by, new_by);
      join_values(parts + r * width, count, width, {old_by, new_by}, out + r * ldo, ldo);
    }
  for (int64_t r = 0; r < rows; ++r) end_row(sinks ? sinks + r : nullptr, width, out + r * ldo, stats + 2 * r);
}

template <class K>
inline void pattern_of(const Attended& over, const float* q, int64_t first, int64_t last, const float* stats,
                       float* scores, float* pattern) {
  const V shift = broadcast(stats[0]), by = broadcast(1.0f / stats[1]);
  for (int64_t block = first / kBlock; block * kBlock < last; ++block) {
    const Range range = used(first, last, block);
    float score[kBlock], weight[kBlock];
    Nothing none;
    score_tile<1, kBlockVectors>(q, 0, static_cast<const K*>(over.keys[block]), over.key_dim, over.scale, score, none);
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
