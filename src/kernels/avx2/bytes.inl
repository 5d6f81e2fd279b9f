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
  alignas(32) int32_t words[16];
  for (int i = 0; i < 16; ++i) __builtin_memcpy(&words[i], r.at[i] + offset, 4);
  return {_mm256_load_si256(reinterpret_cast<const __m256i*>(words)),
          _mm256_load_si256(reinterpret_cast<const __m256i*>(words + 8))};
}
// Sixteen bytes of each row, four to a vector.
KERNEL_INLINE __m256i two_rows(const Rows& r, int64_t offset, int first) {
  return _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(r.at[first + 4] + offset),
                             reinterpret_cast<const __m128i*>(r.at[first] + offset));
}
KERNEL_INLINE void half_chunk(const Rows& r, int64_t offset, int first, __m256i (&out)[4]) {
  const __m256i a = two_rows(r, offset, first), b = two_rows(r, offset, first + 1), c = two_rows(r, offset, first + 2),
                d = two_rows(r, offset, first + 3);
  const __m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
  const __m256i ab_high = _mm256_unpackhi_epi32(a, b), cd_high = _mm256_unpackhi_epi32(c, d);
  out[0] = _mm256_unpacklo_epi64(ab, cd);
  out[1] = _mm256_unpackhi_epi64(ab, cd);
  out[2] = _mm256_unpacklo_epi64(ab_high, cd_high);
  out[3] = _mm256_unpackhi_epi64(ab_high, cd_high);
}
KERNEL_INLINE void chunk(const Rows& r, int64_t offset, I (&out)[4]) {
  __m256i low[4], high[4];
  half_chunk(r, offset, 0, low);
  half_chunk(r, offset, 8, high);
  UNROLL
  for (int j = 0; j < 4; ++j) out[j] = {low[j], high[j]};
}

KERNEL_INLINE I broadcast_word(const void* p) {
  int32_t x;
  __builtin_memcpy(&x, p, 4);
  return integer(x);
}
KERNEL_INLINE I bit_or(I a, I b) { return {_mm256_or_si256(a.l, b.l), _mm256_or_si256(a.h, b.h)}; }
KERNEL_INLINE I and_or(I a, I b, I c) { return bit_or(bit_and(a, b), c); }
// Whether no byte of 64 of each row, from `offset`, is an e4m3 that is subnormal, zero or NaN.
KERNEL_INLINE bool ordinary_e4m3(const uint8_t* const* at, int64_t offset) {
  // Twice a byte, without its sign, less 16: from 0xee on are the NaN and what began below 16.
  __m256i most = _mm256_setzero_si256();
  for (int i = 0; i < 16; ++i)
    for (int h = 0; h < 64; h += 32) {
      const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at[i] + offset + h));
      most = _mm256_max_epu8(most, _mm256_sub_epi8(_mm256_add_epi8(x, x), _mm256_set1_epi8(16)));
    }
  const __m256i limit = _mm256_set1_epi8(static_cast<char>(0xee));
  return _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(most, limit), most)) == 0;
}
KERNEL_INLINE I multiply(I a, I b) { return {_mm256_mullo_epi32(a.l, b.l), _mm256_mullo_epi32(a.h, b.h)}; }
// sum + the four products of unsigned bytes of w with signed bytes of x, exactly. `small`: no byte of w is above 127,
// and no pair of products leaves 16 bits.
template <bool small>
KERNEL_INLINE __m256i dot(__m256i sum, __m256i w, __m256i x) {
  if constexpr (small) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
  } else {
    const __m256i w_even = _mm256_and_si256(w, _mm256_set1_epi16(0xff)), w_odd = _mm256_srli_epi16(w, 8);
    const __m256i x_even = _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8), x_odd = _mm256_srai_epi16(x, 8);
    return _mm256_add_epi32(sum, _mm256_add_epi32(_mm256_madd_epi16(w_even, x_even), _mm256_madd_epi16(w_odd, x_odd)));
  }
}
template <bool small>
KERNEL_INLINE I dot(I sum, I w, I x) {
  return {dot<small>(sum.l, w.l, x.l), dot<small>(sum.h, w.h, x.h)};
}
// sum + the two products of signed 16-bit halves.
KERNEL_INLINE I dot_pairs(I sum, I a, I b) {
  return {_mm256_add_epi32(sum.l, _mm256_madd_epi16(a.l, b.l)), _mm256_add_epi32(sum.h, _mm256_madd_epi16(a.h, b.h))};
}
// Each byte below 16 becomes the table's.
struct Table {
  __m256i v;
};
KERNEL_INLINE Table table(const uint8_t* sixteen) {
  return {_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(sixteen)))};
}
KERNEL_INLINE I lookup(Table t, I a) { return {_mm256_shuffle_epi8(t.v, a.l), _mm256_shuffle_epi8(t.v, a.h)}; }
// Sixteen lanes cut to 16 bits.
KERNEL_INLINE __m256i low_halves(I a) {
  const __m256i mask = _mm256_set1_epi32(0xffff);
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(_mm256_and_si256(a.l, mask), _mm256_and_si256(a.h, mask)), 0xd8);
}
// The words of a table that the lanes are indices of; and entries of eight bytes, as two words.
KERNEL_INLINE I words_at(const uint32_t* table, I index) {
  const auto* from = reinterpret_cast<const int*>(table);
  return {_mm256_i32gather_epi32(from, index.l, 4), _mm256_i32gather_epi32(from, index.h, 4)};
}
KERNEL_INLINE void eight_pairs(const uint64_t* table, __m256i index, __m256i& low, __m256i& high) {
  const auto* from = reinterpret_cast<const long long*>(table);
  const __m256i a = _mm256_i32gather_epi64(from, _mm256_castsi256_si128(index), 8),
                b = _mm256_i32gather_epi64(from, _mm256_extracti128_si256(index, 1), 8);
  const __m256 x = _mm256_castsi256_ps(a), y = _mm256_castsi256_ps(b);
  low = _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88)), 0xd8);
  high = _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xdd)), 0xd8);
}
KERNEL_INLINE void pairs_at(const uint64_t* table, I index, I& low, I& high) {
  eight_pairs(table, index.l, low.l, high.l);
  eight_pairs(table, index.h, low.h, high.h);
}
KERNEL_INLINE I bit_xor(I a, I b) { return {_mm256_xor_si256(a.l, b.l), _mm256_xor_si256(a.h, b.h)}; }
// One of sixteen words: the lowest four bits of each lane say which.
struct Words {
  __m256i low, high;
};
KERNEL_INLINE Words sixteen_words(const uint32_t* table) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(table)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(table + 8))};
}
KERNEL_INLINE __m256i pick(Words t, __m256i index) {
  const __m256 a = _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(t.low, index)),
               b = _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(t.high, index));
  return _mm256_castps_si256(_mm256_blendv_ps(a, b, _mm256_castsi256_ps(_mm256_slli_epi32(index, 28))));
}
KERNEL_INLINE I pick(Words t, I index) { return {pick(t, index.l), pick(t, index.h)}; }
// The float16 in the lower half of each lane.
KERNEL_INLINE V half_low(I a) {
  const __m256i x = low_halves(a);
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(x)), _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1))};
}
// Four bytes a lane, from any address.
KERNEL_INLINE V load_words(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
KERNEL_INLINE I load_bytes(const uint8_t* p) {
  const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8))};
}
KERNEL_INLINE void store_bytes(int8_t* p, I a) {
  const __m256i x = _mm256_and_si256(low_halves(a), _mm256_set1_epi16(0xff));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packus_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}

constexpr int kBlockRows = 3, kBlockVectors = 1;  // rows of activations x vectors of outputs
constexpr int kFewRows = 2;                       // of activations, up to these: weights meet them as they are unpacked
// matmul_e4m3: rows of activations; whether lines of ordinary values have a way of their own, and registers hold one.
constexpr int kLineRows = 4;
constexpr bool kTellsLines = true, kHoldsLine = false;
