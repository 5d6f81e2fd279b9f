// Bytes and small integers in a vector of sixteen 32-bit lanes, for the block formats. Included after vector.inl.

// Sixteen rows of bytes, a row a lane; rows past the last are the last again.
struct Rows {
  const uint8_t* at[16];
};
KERNEL_INLINE Rows rows_of(const uint8_t* base, int64_t stride, int64_t count) {
  Rows r;
  for (int64_t i = 0; i < 16; ++i) r.at[i] = base + (i < count ? i : count - 1) * stride;
  return r;
}
using EvenRows = Rows;  // sixteen rows that all exist, at one distance
KERNEL_INLINE EvenRows even_rows_of(const uint8_t* base, int64_t stride) { return rows_of(base, stride, 16); }
// Four bytes of each row.
KERNEL_INLINE I column(const Rows& r, int64_t offset) {
  I a;
  for (int i = 0; i < 16; ++i) __builtin_memcpy(&a.v[i], r.at[i] + offset, 4);
  return a;
}
// Sixteen bytes of each row, four to a vector.
KERNEL_INLINE void chunk(const Rows& r, int64_t offset, I (&out)[4]) {
  for (int j = 0; j < 4; ++j) out[j] = column(r, offset + 4 * j);
}

KERNEL_INLINE I broadcast_word(const void* p) {
  int32_t x;
  __builtin_memcpy(&x, p, 4);
  return integer(x);
}
KERNEL_INLINE I bit_or(I a, I b) {
  for (int i = 0; i < 16; ++i) a.v[i] |= b.v[i];
  return a;
}
KERNEL_INLINE I and_or(I a, I b, I c) { return bit_or(bit_and(a, b), c); }
KERNEL_INLINE bool ordinary_e4m3(const uint8_t* const*, int64_t) { return false; }  // not told apart here
KERNEL_INLINE I multiply(I a, I b) {
  for (int i = 0; i < 16; ++i) a.v[i] = wrap(static_cast<uint32_t>(a.v[i]) * static_cast<uint32_t>(b.v[i]));
  return a;
}
// sum + the four products of unsigned bytes of w with signed bytes of x, exactly. `small`: no byte of w is above 127.
template <bool small>
KERNEL_INLINE I dot(I sum, I w, I x) {
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 4; ++j)
      sum.v[i] += static_cast<int32_t>(static_cast<uint32_t>(w.v[i]) >> (8 * j) & 255u) *
                  static_cast<int8_t>(static_cast<uint32_t>(x.v[i]) >> (8 * j));
  return sum;
}
// sum + the two products of signed 16-bit halves.
KERNEL_INLINE I dot_pairs(I sum, I a, I b) {
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 2; ++j)
      sum.v[i] += static_cast<int16_t>(static_cast<uint32_t>(a.v[i]) >> (16 * j)) *
                  static_cast<int16_t>(static_cast<uint32_t>(b.v[i]) >> (16 * j));
  return sum;
}
// Each byte below 16 becomes the table's.
struct Table {
  const uint8_t* v;
};
KERNEL_INLINE Table table(const uint8_t* sixteen) { return {sixteen}; }
KERNEL_INLINE I lookup(Table t, I a) {
  for (int i = 0; i < 16; ++i) {
    uint32_t found = 0;
    for (int j = 0; j < 4; ++j) found |= uint32_t{t.v[static_cast<uint32_t>(a.v[i]) >> (8 * j) & 15u]} << (8 * j);
    a.v[i] = wrap(found);
  }
  return a;
}
// The words of a table that the lanes are indices of; and entries of eight bytes, as two words.
KERNEL_INLINE I words_at(const uint32_t* table, I index) {
  for (int i = 0; i < 16; ++i) index.v[i] = wrap(table[index.v[i]]);
  return index;
}
KERNEL_INLINE void pairs_at(const uint64_t* table, I index, I& low, I& high) {
  for (int i = 0; i < 16; ++i) {
    const uint64_t pair = table[index.v[i]];
    low.v[i] = wrap(static_cast<uint32_t>(pair));
    high.v[i] = wrap(static_cast<uint32_t>(pair >> 32));
  }
}
KERNEL_INLINE I bit_xor(I a, I b) {
  for (int i = 0; i < 16; ++i) a.v[i] ^= b.v[i];
  return a;
}
// One of sixteen words: the lowest four bits of each lane say which.
struct Words {
  const uint32_t* v;
};
KERNEL_INLINE Words sixteen_words(const uint32_t* table) { return {table}; }
KERNEL_INLINE I pick(Words t, I index) { return words_at(t.v, bit_and(index, integer(15))); }
// The float16 in the lower half of each lane.
KERNEL_INLINE V half_low(I a) {
  V r;
  for (int i = 0; i < 16; ++i) r.v[i] = f16(static_cast<uint16_t>(a.v[i]));
  return r;
}
// Four bytes a lane, from any address.
KERNEL_INLINE V load_words(const uint8_t* p) {
  V r;
  __builtin_memcpy(r.v, p, sizeof r.v);
  return r;
}
KERNEL_INLINE I load_bytes(const uint8_t* p) {
  I r;
  for (int i = 0; i < 16; ++i) r.v[i] = p[i];
  return r;
}
KERNEL_INLINE void store_bytes(int8_t* p, I a) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(a.v[i]);
}

constexpr int kBlockRows = 2, kBlockVectors = 1;  // rows of activations x vectors of outputs
constexpr int kFewRows = 0;                       // of activations, up to these: weights meet them as they are unpacked
// matmul_e4m3: rows of activations; whether lines of ordinary values have a way of their own, and registers hold one.
constexpr int kLineRows = 1;
constexpr bool kTellsLines = false, kHoldsLine = false;
