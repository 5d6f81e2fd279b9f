// y = x w^T for few rows of x and w in blocks: weights meet the activations in the registers that they are unpacked
// into, sixteen rows of w at once. Sums are those of matmul_blocks.inl.

// Asks for rows ahead of those that are met, at every block for as many bytes as are met there: in one stream, or in
// four, each a quarter of sixteen rows (kernels/streams.h).
template <int64_t bytes>
struct Ahead {
  static constexpr int64_t kDistance = 10 << 10;  // bytes at least

  int64_t row_bytes, rows;  // how many ahead
  int64_t apart, step;      // the quarters of what is asked for at once, and from one block to the next

  explicit Ahead(int64_t row_bytes)
      : row_bytes(row_bytes), rows((kDistance + 16 * row_bytes - 1) / (16 * row_bytes) * 16) {
    const bool one = kernel_streams() == 1;
    apart = 4 * (one ? bytes : row_bytes);
    step = 4 * bytes * (one ? 4 : 1);
  }

  // The first rows, which nobody asked for yet: met cold, each would wait for memory by itself.
  void begin(const uint8_t* w, int64_t n) const {
    const int64_t first = (n < rows ? n : rows) * row_bytes;
    for (int64_t at = 0; at < first; at += 64) prefetch(w + at);
  }
  // For a block's place in the sixteen rows from `next` on: all of it, or one of `pieces`. (As one function of pieces,
  // gcc 12 makes Q8_0 a twelfth slower.)
  KERNEL_INLINE void ask(const uint8_t* next) const {
    UNROLL
    for (int q = 0; q < 4; ++q) UNROLL
    for (int64_t at = 0; at < bytes * 4; at += 64) prefetch(next + q * apart + at);
  }
  template <int pieces>
  KERNEL_INLINE void ask_piece(const uint8_t* next, int piece) const {
    constexpr int kLines = (bytes * 4 + 63) / 64, kAll = 4 * kLines;  // of a quarter, and of all
    UNROLL
    for (int i = 0; i < (kAll + pieces - 1) / pieces; ++i) {
      const int line = piece * kAll / pieces + i;
      if (line < (piece + 1) * kAll / pieces) prefetch(next + line / kLines * apart + line % kLines * 64);
    }
  }
};

template <class F, int rows>
KERNEL_INLINE void meet_32(const Prepared (&p)[rows], const Entry32& e, int64_t b, V (&total)[rows]) {
  UNROLL
  for (int r = 0; r < rows; ++r) {
    I sum = broadcast_word(p[r].begin + b);
    UNROLL
    for (int j = 0; j < 8; ++j) sum = dot<F::kSmall>(sum, e.w[j], broadcast_word(p[r].values + b * 32 + 4 * j));
    total[r] = fma(mul(e.scale, broadcast(p[r].scales + b)), to_float(sum), total[r]);
    if constexpr (F::kMinimum) total[r] = fma(e.minimum, broadcast(p[r].weighted + b), total[r]);
  }
}

// What meets the weights of one block of 256.
template <class F, int rows>
struct Meeting {
  static constexpr int kWords = F::kPart / 4, kParts = 256 / F::kPart;

  const Prepared (&p)[rows];
  const I (&scale)[16];
  int64_t block;
  const Ahead<F::kBytes>& ahead;
  const uint8_t *next, *again;
  I sum[kParts][rows], whole[rows];

  // One of the sixteen rows, two blocks on: what was asked for a group of rows ago may lie in the second-level cache.
  KERNEL_INLINE void ask_again(int row) const {
    UNROLL
    for (int64_t line = 0; line < F::kBytes; line += 64) prefetch(again + row * ahead.row_bytes + line);
  }
  KERNEL_INLINE void meet(int at, I w) {
    // A little at a time: all at once would hold up what reads these blocks.
    if (at % 4 == 0) ask_again(at / 4);
    if (at % 8 == 0) ahead.template ask_piece<8>(next, at / 8);
    const int part = at / kWords;
    UNROLL
    for (int r = 0; r < rows; ++r) {
      if (at % kWords == 0) sum[part][r] = broadcast_word(p[r].begin + block * kParts + part);
      sum[part][r] = dot<F::kSmall>(sum[part][r], w, broadcast_word(p[r].values + block * 256 + 4 * at));
      if (at % kWords < kWords - 1) continue;
      if constexpr (kParts == 1) {
        whole[r] = sum[0][r];
      } else {
        const I scaled = multiply(sum[part][r], scale[part]);
        whole[r] = part == 0 ? scaled : add(whole[r], scaled);
      }
    }
  }
};
// Stands for the address of one of its words: what is stored there meets the activations.
template <class F, int rows>
struct Place {
  Meeting<F, rows>* meeting;
  int at;
  KERNEL_INLINE Place operator+(int n) const { return {meeting, at + n}; }
  KERNEL_INLINE auto operator[](int n) const {
    struct Word {
      Place place;
      KERNEL_INLINE void operator=(I w) const { place.meeting->meet(place.at, w); }
    };
    return Word{*this + n};
  }
};
template <class F, int rows>
struct Met256 {  // as Entry256
  I scale[16];
  I minimums[8];
  V d, d_minimum;
  Place<F, rows> w;
};

template <class F, int rows>
KERNEL_INLINE void meet_256(const EvenRows& lanes, const Prepared (&p)[rows], int64_t b, const Ahead<F::kBytes>& ahead,
                            const uint8_t* next, const uint8_t* again, V (&total)[rows]) {
  constexpr int kParts = 256 / F::kPart;
  Met256<F, rows> e;
  Meeting<F, rows> meeting{p, e.scale, b, ahead, next, again, {}, {}};
  e.w = {&meeting, 0};
  F::unpack(lanes, b * F::kBytes, e);
  UNROLL
  for (int r = 0; r < rows; ++r) {
    const V scale = broadcast(p[r].scales + b);
    total[r] = fma(mul(e.d, scale), to_float(meeting.whole[r]), total[r]);
    if constexpr (F::kMinimum) {
      I sum = integer(0);
      UNROLL
      for (int i = 0; i < kParts / 2; ++i)
        sum = dot_pairs(sum, e.minimums[i], broadcast_word(p[r].sums + b * kParts + 2 * i));
      total[r] = fnma(mul(e.d_minimum, scale), to_float(sum), total[r]);
    }
  }
}

// Scales that lie apart, four blocks at a time where there are four.
struct FourScales {
  EvenRows lanes;
  I four = integer(0);
  KERNEL_INLINE V next(const BlockMatrix& w, int64_t row, int64_t block, int64_t blocks) {
    if (block / 4 * 4 + 4 > blocks) return scales_apart(w, row, 16, block);
    if (block % 4 == 0) four = column(lanes, block);
    const V scale = e8m0_half_of(byte_of<0>(four));
    four = shift_right<8>(four);
    return scale;
  }
};

// REQUIRES: n >= 16.
template <class F, int rows>
__attribute__((noinline, flatten)) void few_rows(const Walk& walk, const BlockMatrix& w, float* y, int64_t ldy,
                                                 int64_t n) {
  Prepared p[rows];
  UNROLL
  for (int r = 0; r < rows; ++r) p[r] = walk.row(r);
  const Ahead<F::kBytes> ahead(w.row_bytes);
  ahead.begin(static_cast<const uint8_t*>(w.blocks), n);
  for (int64_t o = 0; o < n; o += 16) {
    if (n - o < 16) o = n - 16;  // the last sixteen, some of them once more
    const uint8_t* const from = static_cast<const uint8_t*>(w.blocks) + o * w.row_bytes;
    // Behind the last lies what another thread reads.
    const uint8_t* const next = from + (n - o < ahead.rows + 16 ? n - o - 16 : ahead.rows) * w.row_bytes;
    const EvenRows lanes = even_rows_of(from, w.row_bytes);
    V total[rows];
    UNROLL
    for (int r = 0; r < rows; ++r) total[r] = zero();
    FourScales apart{F::kScalesApart ? even_rows_of(w.scales + o * w.scales_row, w.scales_row) : lanes};
    for (int64_t b = 0; b < walk.blocks; ++b) {
      if constexpr (F::kInputs == 256) {
        meet_256<F>(lanes, p, b, ahead, next + b * ahead.step, from + (b + 2) * F::kBytes, total);
      } else {
        ahead.ask(next + b * ahead.step);
        Entry32 e;
        F::unpack(lanes, b * F::kBytes, e);
        if constexpr (F::kScalesApart) e.scale = apart.next(w, o, b, walk.blocks);
        meet_32<F>(p, e, b, total);
      }
    }
    UNROLL
    for (int r = 0; r < rows; ++r) store(y + r * ldy + o, total[r]);
  }
}

template <class F, int rows>
inline void few_rows_of(const Walk& walk, int64_t m, const BlockMatrix& w, float* y, int64_t ldy, int64_t n) {
  if (m == rows) return few_rows<F, rows>(walk, w, y, ldy, n);
  if constexpr (rows > 1) few_rows_of<F, rows - 1>(walk, m, w, y, ldy, n);
}
