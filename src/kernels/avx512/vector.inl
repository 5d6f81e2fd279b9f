// Sixteen floats in one register, for the algorithms of generic/. Included inside an anonymous namespace.

struct V {
  __m512 v;
};
struct I {
  __m512i v;
};
using M = __mmask16;

KERNEL_INLINE M first_lanes(int64_t n) { return static_cast<M>((1u << n) - 1u); }  // n in [0, 16]

KERNEL_INLINE V zero() { return {_mm512_setzero_ps()}; }
KERNEL_INLINE V broadcast(float x) { return {_mm512_set1_ps(x)}; }
KERNEL_INLINE V broadcast(const float* p) { return {_mm512_set1_ps(*p)}; }
KERNEL_INLINE V load(const float* p) { return {_mm512_loadu_ps(p)}; }
KERNEL_INLINE V load(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
KERNEL_INLINE void store(float* p, V a) { _mm512_storeu_ps(p, a.v); }
KERNEL_INLINE void store(float* p, V a, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }

KERNEL_INLINE V add(V a, V b) { return {_mm512_add_ps(a.v, b.v)}; }
KERNEL_INLINE V sub(V a, V b) { return {_mm512_sub_ps(a.v, b.v)}; }
KERNEL_INLINE V mul(V a, V b) { return {_mm512_mul_ps(a.v, b.v)}; }
KERNEL_INLINE V div(V a, V b) { return {_mm512_div_ps(a.v, b.v)}; }
KERNEL_INLINE V sqrt(V a) { return {_mm512_sqrt_ps(a.v)}; }
KERNEL_INLINE V fma(V a, V b, V c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }    // a b + c
KERNEL_INLINE V fnma(V a, V b, V c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }  // c - a b
KERNEL_INLINE V max(V a, V b) { return {_mm512_max_ps(a.v, b.v)}; }                // b if either is NaN
KERNEL_INLINE V min(V a, V b) { return {_mm512_min_ps(a.v, b.v)}; }

KERNEL_INLINE M less(V a, V b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
KERNEL_INLINE M is_nan(V a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q); }
KERNEL_INLINE V select(M m, V a, V b) { return {_mm512_mask_blend_ps(m, b.v, a.v)}; }  // m ? a : b

KERNEL_INLINE I bits(V a) { return {_mm512_castps_si512(a.v)}; }
KERNEL_INLINE V from_bits(I a) { return {_mm512_castsi512_ps(a.v)}; }
KERNEL_INLINE I integer(int32_t x) { return {_mm512_set1_epi32(x)}; }
KERNEL_INLINE I add(I a, I b) { return {_mm512_add_epi32(a.v, b.v)}; }
KERNEL_INLINE I sub(I a, I b) { return {_mm512_sub_epi32(a.v, b.v)}; }
KERNEL_INLINE I bit_and(I a, I b) { return {_mm512_and_si512(a.v, b.v)}; }
template <int n>
KERNEL_INLINE I shift_left(I a) {
  return {_mm512_slli_epi32(a.v, n)};
}
template <int n>
KERNEL_INLINE I shift_right(I a) {
  return {_mm512_srai_epi32(a.v, n)};
}  // keeps the sign
KERNEL_INLINE V to_float(I a) { return {_mm512_cvtepi32_ps(a.v)}; }

KERNEL_INLINE V widen_bf16(__m256i a) { return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(a), 16))}; }
KERNEL_INLINE __m256i load_halves(const uint16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
KERNEL_INLINE __m256i load_halves(const uint16_t* p, int64_t n) { return _mm256_maskz_loadu_epi16(first_lanes(n), p); }
KERNEL_INLINE V load(const uint16_t* p) { return widen_bf16(load_halves(p)); }
KERNEL_INLINE V load(const uint16_t* p, int64_t n) { return widen_bf16(load_halves(p, n)); }
KERNEL_INLINE V load_f16(const uint16_t* p) { return {_mm512_cvtph_ps(load_halves(p))}; }
KERNEL_INLINE V load_f16(const uint16_t* p, int64_t n) { return {_mm512_cvtph_ps(load_halves(p, n))}; }
KERNEL_INLINE V broadcast(const uint16_t* p) { return {_mm512_castsi512_ps(_mm512_set1_epi32(*p << 16))}; }

KERNEL_INLINE __m256i narrow(V a) {
  const __m512i x = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(x, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(x, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(x, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_blend_epi32(is_nan(a), rounded, quiet), 16));
}
KERNEL_INLINE void store(uint16_t* p, V a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(a)); }
KERNEL_INLINE void store(uint16_t* p, V a, int64_t n) { _mm256_mask_storeu_epi16(p, first_lanes(n), narrow(a)); }

// The tree: lanes l and l + 8, l + 4, l + 2, l + 1.
KERNEL_INLINE __m256 fold(V a) { return _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1)); }
KERNEL_INLINE float tree(V a) {
  const __m256 h = fold(a);
  const __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  const __m128 d = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_shuffle_ps(d, d, 1)));
}
// The trees of sixteen, one a lane: each step joins halves of two at once.
template <class Op>
KERNEL_INLINE V trees_of(const V (&a)[16], Op op) {
  __m512 t[8];
  UNROLL
  for (int i = 0; i < 8; ++i) {
    const __m512 x = a[2 * i].v, y = a[2 * i + 1].v;
    t[i] = op(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xee));
  }
  UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m512 x = t[2 * i], y = t[2 * i + 1];
    t[i] = op(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
  }
  UNROLL
  for (int i = 0; i < 2; ++i) {
    const __m512d x = _mm512_castps_pd(t[2 * i]), y = _mm512_castps_pd(t[2 * i + 1]);
    t[i] = op(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
  }
  const __m512 whole = op(_mm512_shuffle_ps(t[0], t[1], 0x88), _mm512_shuffle_ps(t[0], t[1], 0xdd));
  // Quarter c now holds c, 4 + c, 8 + c, 12 + c.
  return {_mm512_permutexvar_ps(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), whole)};
}
KERNEL_INLINE V trees(const V (&a)[16]) {
  return trees_of(a, [](__m512 x, __m512 y) { return _mm512_add_ps(x, y); });
}
KERNEL_INLINE V largests(const V (&a)[16]) {
  return trees_of(a, [](__m512 x, __m512 y) { return _mm512_max_ps(x, y); });
}
KERNEL_INLINE float largest(V a) {
  const __m256 h = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  const __m128 d = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_shuffle_ps(d, d, 1)));
}

// Rows of a 16 x 16 matrix become its columns.
KERNEL_INLINE void transpose(__m512i (&r)[16]) {
  __m512i t[16];
  UNROLL
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  UNROLL
  for (int i = 0; i < 4; ++i) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  UNROLL
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
    t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
    t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
    t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
  }
  UNROLL
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
    r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
    r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
    r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xdd);
  }
}

// Sixteen pairs of bf16 (one from each of 16 rows) become two vectors of floats.
struct Pairs {
  __m512i v;
};
KERNEL_INLINE void transpose_pairs(const uint16_t* const* rows, int64_t at, Pairs (&out)[16]) {
  __m512i r[16];
  UNROLL
  for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_si512(rows[i] + at);
  transpose(r);
  UNROLL
  for (int i = 0; i < 16; ++i) out[i] = {r[i]};
}
KERNEL_INLINE V even(Pairs a) { return {_mm512_castsi512_ps(_mm512_slli_epi32(a.v, 16))}; }
KERNEL_INLINE V odd(Pairs a) {
  return {_mm512_castsi512_ps(_mm512_and_si512(a.v, _mm512_set1_epi32(static_cast<int32_t>(0xffff0000))))};
}

KERNEL_INLINE void transpose(V (&a)[16]) {
  __m512i r[16];
  UNROLL
  for (int i = 0; i < 16; ++i) r[i] = _mm512_castps_si512(a[i].v);
  transpose(r);
  UNROLL
  for (int i = 0; i < 16; ++i) a[i] = {_mm512_castsi512_ps(r[i])};
}

KERNEL_INLINE void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }

// Register tiles: 32 registers of one vector each.
constexpr int kGemmRows = 14, kGemmVectors = 2;    // gemm: rows of c x vectors of its columns
constexpr int kChainRows = 6, kChainVectors = 2;   // matmul_bf16: tokens x vectors of outputs, two chains each
constexpr int kColumnRows = 4, kColumnChains = 8;  // chains of a kind: rows x vectors
constexpr int kDotRows = 6, kDotOutputs = 4;       // matmul_f32: tokens x outputs
constexpr int kScoreRows = 6;                      // attend: queries x the four vectors of a block
constexpr int kValueRows = 6, kValueVectors = 4;   // attend: queries x vectors of head_dim
constexpr int kKeyPositions = 8, kKeyVectors = 2;  // attend_backward: positions x vectors of head_dim
constexpr int kBurnChains = 16;
