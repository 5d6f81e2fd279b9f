// y = x w^T for few rows of x and weights of e4m3, which are read once and widened in registers: a line of sixteen
// rows is transposed as words of four inputs, sixteen outputs a vector. Sums are those of matmul_bf16.inl.
//
// A byte s eeee mmm becomes the float s (0x70 | eeee) mmm: a 256th of its value, which rows of x make up for, exactly.
// Where a line holds a subnormal (eeee = 0, zero too) or a NaN, a slower way knows them; few lines do.

constexpr int64_t kLine = 64;          // inputs of a row taken at once
constexpr int64_t kLinesAhead = 1024;  // bytes of each row asked for ahead

template <int b>
KERNEL_INLINE I e4m3_bits(I words) {
  const I top = b == 3 ? words : shift_left<(b == 3 ? 1 : 24 - 8 * b)>(words);
  return and_or(shift_right<4>(top), integer(static_cast<int32_t>(0x87f00000)), integer(0x38000000));
}

template <int b, bool ordinary>
KERNEL_INLINE V e4m3_256th(I words) {
  const I all = e4m3_bits<b>(words);
  if constexpr (ordinary) return from_bits(all);
  const V size = from_bits(bit_and(all, integer(0x7fffffff)));
  const float smallest = 0x1p-14f, largest = 1.75f;  // of eeee = 1, and 448
  const V known = select(less(size, broadcast(smallest)), fma(size, broadcast(2.0f), broadcast(-smallest)), size);
  const V value = select(less(broadcast(largest), size), from_bits(integer(0x7fc00000)), known);
  return from_bits(bit_or(bits(value), bit_and(all, integer(static_cast<int32_t>(0x80000000)))));
}

template <int rows, bool ordinary, int b>
KERNEL_INLINE void e4m3_step(I words, const float* x, int64_t ldx, V (&chain)[rows]) {
  const V w = e4m3_256th<b, ordinary>(words);
  UNROLL
  for (int r = 0; r < rows; ++r) chain[r] = fma(broadcast(x + r * ldx), w, chain[r]);
}

// Both blocks of 32 of a line: `part` + what an even and an odd chain of each add up to.
template <int rows, bool ordinary>
KERNEL_INLINE void e4m3_line(const uint8_t* const* at, int64_t offset, const float* x, int64_t ldx, V (&part)[rows]) {
  V words[16];
  UNROLL
  for (int i = 0; i < 16; ++i) words[i] = load_words(at[i] + offset);
  transpose(words);
  V e[2][rows], o[2][rows];
  UNROLL
  for (int r = 0; r < rows; ++r) e[0][r] = o[0][r] = e[1][r] = o[1][r] = zero();
  const auto four = [&](int p) __attribute__((always_inline)) {
    for (int h = 0; h < 2; ++h) {
      const I inputs = bits(words[8 * h + p]);
      const float* from = x + 32 * h + 4 * p;
      e4m3_step<rows, ordinary, 0>(inputs, from, ldx, e[h]);
      e4m3_step<rows, ordinary, 1>(inputs, from + 1, ldx, o[h]);
      e4m3_step<rows, ordinary, 2>(inputs, from + 2, ldx, e[h]);
      e4m3_step<rows, ordinary, 3>(inputs, from + 3, ldx, o[h]);
    }
  };
  // Where registers hold a line, steps are written out.
  if constexpr (ordinary && kHoldsLine) {
    UNROLL
    for (int p = 0; p < 8; ++p) four(p);
  } else {
#pragma GCC unroll 1
    for (int p = 0; p < 8; ++p) four(p);
  }
  UNROLL
  for (int r = 0; r < rows; ++r) part[r] = add(add(part[r], add(e[0][r], o[0][r])), add(e[1][r], o[1][r]));
}

template <int rows>
inline void matmul_e4m3_rows(const uint16_t* x, int64_t ldx, const uint8_t* w, int64_t ldw, const float* scales,
                             int64_t ld_scales, int64_t columns, float* y, int64_t ldy, int64_t n, int64_t k) {
  const int64_t ld = (k + kLine - 1) / kLine * kLine + 16;
  float* const wide = static_cast<float*>(kernel_scratch(static_cast<size_t>(rows * ld) * sizeof(float)));
  for (int64_t r = 0; r < rows; ++r) {
    widen(x + r * ldx, wide + r * ld, k);
    each(k,
         [&](int64_t i, int64_t c) { put(wide + r * ld + i, mul(some(wide + r * ld + i, c), broadcast(256.0f)), c); });
    for (int64_t i = k; i < ld; ++i) wide[r * ld + i] = 0;
  }
  for (int64_t o = 0; o < n; o += 16) {
    const int64_t count = n - o < 16 ? n - o : 16;
    const Rows line = rows_of(w + o * ldw, ldw, count);
    V total[rows];
    UNROLL
    for (int r = 0; r < rows; ++r) total[r] = zero();
    for (int64_t from = 0, block = 0; from < k; from += columns, ++block) {
      const int64_t end = k - from < columns ? k : from + columns;
      V part[rows];
      UNROLL
      for (int r = 0; r < rows; ++r) part[r] = zero();
      int64_t at = from;
      for (; at + kLine <= end; at += kLine) {
        // Sixteen streams are more than the hardware follows; at the end of a row, ask for the next sixteen's.
        const int64_t ahead = at + kLinesAhead < k ? at + kLinesAhead : at + kLinesAhead - k + 16 * ldw;
        UNROLL
        for (int i = 0; i < 16; ++i) prefetch(line.at[i] + ahead);
        if constexpr (kTellsLines) {
          if (ordinary_e4m3(line.at, at)) {
            e4m3_line<rows, true>(line.at, at, wide + at, ld, part);
            continue;
          }
        }
        e4m3_line<rows, false>(line.at, at, wide + at, ld, part);
      }
      if (at < end) {  // the last inputs, filled up with zeros
        alignas(64) uint8_t values[16][kLine];
        const uint8_t* tails[16];
        for (int i = 0; i < 16; ++i) {
          for (int64_t j = 0; j < kLine; ++j) values[i][j] = at + j < end ? line.at[i][at + j] : uint8_t{0};
          tails[i] = values[i];
        }
        e4m3_line<rows, false>(tails, 0, wide + at, ld, part);
      }
      if (scales) {
        const V by = some(scales + block * ld_scales + o, count);
        UNROLL
        for (int r = 0; r < rows; ++r) total[r] = fma(part[r], by, total[r]);
      } else {
        UNROLL
        for (int r = 0; r < rows; ++r) total[r] = part[r];
      }
    }
    UNROLL
    for (int r = 0; r < rows; ++r) put(y + r * ldy + o, total[r], count);
  }
}

template <int rows = kLineRows>
inline void matmul_e4m3_up_to(int64_t m, const uint16_t* x, int64_t ldx, const uint8_t* w, int64_t ldw,
                              const float* scales, int64_t ld_scales, int64_t columns, float* y, int64_t ldy, int64_t n,
                              int64_t k) {
  for (; m >= rows; m -= rows, x += rows * ldx, y += rows * ldy)
    matmul_e4m3_rows<rows>(x, ldx, w, ldw, scales, ld_scales, columns, y, ldy, n, k);
  if constexpr (rows > 1)
    if (m > 0) matmul_e4m3_up_to<rows - 1>(m, x, ldx, w, ldw, scales, ld_scales, columns, y, ldy, n, k);
}

void matmul_e4m3_few(const uint16_t* x, int64_t ldx, const uint8_t* w, int64_t ldw, const float* scales,
                     int64_t ld_scales, int64_t columns, float* y, int64_t ldy, int64_t m, int64_t n,
                     int64_t k) noexcept {
  matmul_e4m3_up_to(m, x, ldx, w, ldw, scales, ld_scales, columns, y, ldy, n, k);
}

inline void fill_matmul_e4m3(Kernels& k) { k.matmul_e4m3_few = matmul_e4m3_few; }
