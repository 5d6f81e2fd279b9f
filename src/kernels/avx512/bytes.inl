// Bytes and small integers in a vector of sixteen 32-bit lanes, for the block formats. Included after vector.inl.

// Sixteen rows of bytes, a row a lane; rows past the last are the last again.
struct Rows {
  const uint8_t* at[16];
  __m512i offsets;  // from the first
};
KERNEL_INLINE Rows rows_of(const uint8_t* base, int64_t stride, int64_t count) {
  Rows r;
  alignas(64) int32_t offsets[16];
  for (int64_t i = 0; i < 16; ++i) {
    const int64_t offset = (i < count ? i : count - 1) * stride;
    r.at[i] = base + offset;
    offsets[i] = static_cast<int32_t>(offset);
  }
  r.offsets = _mm512_load_si512(offsets);
  return r;
}
// Sixteen rows that all exist, at one distance: few registers say where they are.
struct EvenRows {
  const uint8_t* at[4];  // every fourth
  int64_t stride, thrice;
  __m512i offsets;
};
KERNEL_INLINE EvenRows even_rows_of(const uint8_t* base, int64_t stride) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return {{base, base + 4 * stride, base + 8 * stride, base + 12 * stride},
          stride,
          3 * stride,
          _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int32_t>(stride)))};
}
template <int i>
KERNEL_INLINE const uint8_t* row_at(const Rows& r, int64_t offset) {
  return r.at[i] + offset;
}
template <int i>
KERNEL_INLINE const uint8_t* row_at(const EvenRows& r, int64_t offset) {
  const uint8_t* const four = r.at[i / 4] + offset;
  return i % 4 == 0 ? four : i % 4 == 1 ? four + r.stride : i % 4 == 2 ? four + 2 * r.stride : four + r.thrice;
}

// Four bytes of each row.
KERNEL_INLINE I column(const auto& r, int64_t offset) {
  return {_mm512_i32gather_epi32(r.offsets, r.at[0] + offset, 1)};
}
// Sixteen bytes of each row, four to a vector.
template <int first>
KERNEL_INLINE __m512i four_rows(const auto& r, int64_t offset) {
  const auto load = [](const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); };
  __m512i a = _mm512_castsi128_si512(load(row_at<first>(r, offset)));
  a = _mm512_mask_broadcast_i32x4(a, 0x00f0, load(row_at<first + 4>(r, offset)));
  a = _mm512_mask_broadcast_i32x4(a, 0x0f00, load(row_at<first + 8>(r, offset)));
  return _mm512_mask_broadcast_i32x4(a, 0xf000, load(row_at<first + 12>(r, offset)));
}
KERNEL_INLINE void chunk(const auto& r, int64_t offset, I (&out)[4]) {
  const __m512i a = four_rows<0>(r, offset), b = four_rows<1>(r, offset), c = four_rows<2>(r, offset),
                d = four_rows<3>(r, offset);
  const __m512i ab = _mm512_unpacklo_epi32(a, b), cd = _mm512_unpacklo_epi32(c, d);
  const __m512i ab_high = _mm512_unpackhi_epi32(a, b), cd_high = _mm512_unpackhi_epi32(c, d);
  out[0] = {_mm512_unpacklo_epi64(ab, cd)};
  out[1] = {_mm512_unpackhi_epi64(ab, cd)};
  out[2] = {_mm512_unpacklo_epi64(ab_high, cd_high)};
  out[3] = {_mm512_unpackhi_epi64(ab_high, cd_high)};
}

KERNEL_INLINE I broadcast_word(const void* p) {
  int32_t x;
  __builtin_memcpy(&x, p, 4);
  return {_mm512_set1_epi32(x)};
}
KERNEL_INLINE I bit_or(I a, I b) { return {_mm512_or_si512(a.v, b.v)}; }
KERNEL_INLINE I and_or(I a, I b, I c) { return {_mm512_ternarylogic_epi32(a.v, b.v, c.v, 0xea)}; }  // (a & b) | c
// Whether no byte of 64 of each row, from `offset`, is an e4m3 that is subnormal, zero or NaN.
KERNEL_INLINE bool ordinary_e4m3(const uint8_t* const* at, int64_t offset) {
  // Twice a byte, without its sign, less 16: from 0xee on are the NaN and what began below 16.
  __m512i most = _mm512_setzero_si512();
  UNROLL
  for (int i = 0; i < 16; ++i) {
    const __m512i x = _mm512_loadu_si512(at[i] + offset);
    most = _mm512_max_epu8(most, _mm512_sub_epi8(_mm512_add_epi8(x, x), _mm512_set1_epi8(16)));
  }
  return _mm512_cmpge_epu8_mask(most, _mm512_set1_epi8(static_cast<char>(0xee))) == 0;
}
KERNEL_INLINE I multiply(I a, I b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
// sum + the four products of unsigned bytes of w with signed bytes of x, exactly. `small`: no byte of w is above 127.
template <bool small>
KERNEL_INLINE I dot(I sum, I w, I x) {
  return {_mm512_dpbusd_epi32(sum.v, w.v, x.v)};
}
// sum + the two products of signed 16-bit halves.
KERNEL_INLINE I dot_pairs(I sum, I a, I b) { return {_mm512_dpwssd_epi32(sum.v, a.v, b.v)}; }
// Each byte below 16 becomes the table's.
struct Table {
  __m512i v;
};
KERNEL_INLINE Table table(const uint8_t* sixteen) {
  return {_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(sixteen)))};
}
KERNEL_INLINE I lookup(Table t, I a) { return {_mm512_shuffle_epi8(t.v, a.v)}; }
// The words of a table that the lanes are indices of; and entries of eight bytes, as two words.
KERNEL_INLINE I words_at(const uint32_t* table, I index) { return {_mm512_i32gather_epi32(index.v, table, 4)}; }
KERNEL_INLINE void pairs_at(const uint64_t* table, I index, I& low, I& high) {
  const __m512i a = _mm512_i32gather_epi64(_mm512_castsi512_si256(index.v), table, 8),
                b = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(index.v, 1), table, 8);
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  low = {_mm512_permutex2var_epi32(a, even, b)};
  high = {_mm512_permutex2var_epi32(a, _mm512_add_epi32(even, _mm512_set1_epi32(1)), b)};
}
KERNEL_INLINE I bit_xor(I a, I b) { return {_mm512_xor_si512(a.v, b.v)}; }
// One of sixteen words: the lowest four bits of each lane say which.
struct Words {
  __m512i v;
};
KERNEL_INLINE Words sixteen_words(const uint32_t* table) { return {_mm512_loadu_si512(table)}; }
KERNEL_INLINE I pick(Words t, I index) { return {_mm512_permutexvar_epi32(index.v, t.v)}; }
// The float16 in the lower half of each lane.
KERNEL_INLINE V half_low(I a) { return {_mm512_cvtph_ps(_mm512_cvtepi32_epi16(a.v))}; }
// Four bytes a lane, from any address.
KERNEL_INLINE V load_words(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
KERNEL_INLINE I load_bytes(const uint8_t* p) {
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
KERNEL_INLINE void store_bytes(int8_t* p, I a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}

constexpr int kBlockRows = 6, kBlockVectors = 2;  // rows of activations x vectors of outputs
constexpr int kFewRows = 4;                       // of activations, up to these: weights meet them as they are unpacked
// matmul_e4m3: rows of activations; whether lines of ordinary values have a way of their own, and registers hold one.
constexpr int kLineRows = 4;
constexpr bool kTellsLines = true, kHoldsLine = true;
