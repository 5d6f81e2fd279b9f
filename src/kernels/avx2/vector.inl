// Sixteen floats in two registers, for the algorithms of generic/. Included inside an anonymous namespace.

struct V {
  __m256 l, h;
};
struct I {
  __m256i l, h;
};
struct M {
  __m256 l, h;
};

KERNEL_INLINE __m256i eight(int64_t n) {  // the first n of 8 lanes; n may be below 0 or above 8
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
KERNEL_INLINE M first_lanes(int64_t n) { return {_mm256_castsi256_ps(eight(n)), _mm256_castsi256_ps(eight(n - 8))}; }

KERNEL_INLINE V zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
KERNEL_INLINE V broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
KERNEL_INLINE V broadcast(const float* p) {
  const __m256 x = _mm256_broadcast_ss(p);
  return {x, x};
}
KERNEL_INLINE V load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
KERNEL_INLINE V load(const float* p, int64_t n) {
  return {_mm256_maskload_ps(p, eight(n)), n > 8 ? _mm256_maskload_ps(p + 8, eight(n - 8)) : _mm256_setzero_ps()};
}
KERNEL_INLINE void store(float* p, V a) {
  _mm256_storeu_ps(p, a.l);
  _mm256_storeu_ps(p + 8, a.h);
}
KERNEL_INLINE void store(float* p, V a, int64_t n) {
  _mm256_maskstore_ps(p, eight(n), a.l);
  if (n > 8) _mm256_maskstore_ps(p + 8, eight(n - 8), a.h);
}

KERNEL_INLINE V add(V a, V b) { return {_mm256_add_ps(a.l, b.l), _mm256_add_ps(a.h, b.h)}; }
KERNEL_INLINE V sub(V a, V b) { return {_mm256_sub_ps(a.l, b.l), _mm256_sub_ps(a.h, b.h)}; }
KERNEL_INLINE V mul(V a, V b) { return {_mm256_mul_ps(a.l, b.l), _mm256_mul_ps(a.h, b.h)}; }
KERNEL_INLINE V div(V a, V b) { return {_mm256_div_ps(a.l, b.l), _mm256_div_ps(a.h, b.h)}; }
KERNEL_INLINE V sqrt(V a) { return {_mm256_sqrt_ps(a.l), _mm256_sqrt_ps(a.h)}; }
KERNEL_INLINE V fma(V a, V b, V c) { return {_mm256_fmadd_ps(a.l, b.l, c.l), _mm256_fmadd_ps(a.h, b.h, c.h)}; }
KERNEL_INLINE V fnma(V a, V b, V c) { return {_mm256_fnmadd_ps(a.l, b.l, c.l), _mm256_fnmadd_ps(a.h, b.h, c.h)}; }
KERNEL_INLINE V max(V a, V b) { return {_mm256_max_ps(a.l, b.l), _mm256_max_ps(a.h, b.h)}; }  // b if either is NaN
KERNEL_INLINE V min(V a, V b) { return {_mm256_min_ps(a.l, b.l), _mm256_min_ps(a.h, b.h)}; }

KERNEL_INLINE M less(V a, V b) { return {_mm256_cmp_ps(a.l, b.l, _CMP_LT_OQ), _mm256_cmp_ps(a.h, b.h, _CMP_LT_OQ)}; }
KERNEL_INLINE M is_nan(V a) { return {_mm256_cmp_ps(a.l, a.l, _CMP_UNORD_Q), _mm256_cmp_ps(a.h, a.h, _CMP_UNORD_Q)}; }
KERNEL_INLINE V select(M m, V a, V b) { return {_mm256_blendv_ps(b.l, a.l, m.l), _mm256_blendv_ps(b.h, a.h, m.h)}; }

KERNEL_INLINE I bits(V a) { return {_mm256_castps_si256(a.l), _mm256_castps_si256(a.h)}; }
KERNEL_INLINE V from_bits(I a) { return {_mm256_castsi256_ps(a.l), _mm256_castsi256_ps(a.h)}; }
KERNEL_INLINE I integer(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
KERNEL_INLINE I add(I a, I b) { return {_mm256_add_epi32(a.l, b.l), _mm256_add_epi32(a.h, b.h)}; }
KERNEL_INLINE I sub(I a, I b) { return {_mm256_sub_epi32(a.l, b.l), _mm256_sub_epi32(a.h, b.h)}; }
KERNEL_INLINE I bit_and(I a, I b) { return {_mm256_and_si256(a.l, b.l), _mm256_and_si256(a.h, b.h)}; }
template <int n>
KERNEL_INLINE I shift_left(I a) {
  return {_mm256_slli_epi32(a.l, n), _mm256_slli_epi32(a.h, n)};
}
template <int n>
KERNEL_INLINE I shift_right(I a) {
  return {_mm256_srai_epi32(a.l, n), _mm256_srai_epi32(a.h, n)};
}
KERNEL_INLINE V to_float(I a) { return {_mm256_cvtepi32_ps(a.l), _mm256_cvtepi32_ps(a.h)}; }

struct Halves {
  __m128i l, h;
};
KERNEL_INLINE Halves load_halves(const uint16_t* p) {
  return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)),
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8))};
}
KERNEL_INLINE Halves load_halves(const uint16_t* p, int64_t n) {
  alignas(32) uint16_t copy[16] = {};
  for (int64_t i = 0; i < n; ++i) copy[i] = p[i];
  return load_halves(copy);
}
KERNEL_INLINE __m256 widen_bf16(__m128i a) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(a), 16));
}
KERNEL_INLINE V widen_bf16(Halves a) { return {widen_bf16(a.l), widen_bf16(a.h)}; }
KERNEL_INLINE V load(const uint16_t* p) { return widen_bf16(load_halves(p)); }
KERNEL_INLINE V load(const uint16_t* p, int64_t n) { return widen_bf16(load_halves(p, n)); }
KERNEL_INLINE V load_f16(Halves a) { return {_mm256_cvtph_ps(a.l), _mm256_cvtph_ps(a.h)}; }
KERNEL_INLINE V load_f16(const uint16_t* p) { return load_f16(load_halves(p)); }
KERNEL_INLINE V load_f16(const uint16_t* p, int64_t n) { return load_f16(load_halves(p, n)); }
KERNEL_INLINE V broadcast(const uint16_t* p) {
  const __m256 x = _mm256_castsi256_ps(_mm256_set1_epi32(*p << 16));
  return {x, x};
}

KERNEL_INLINE __m256i narrow(__m256 a) {
  const __m256i x = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(x, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(x, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(x, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
}
KERNEL_INLINE void store(uint16_t* p, V a) {
  const __m256i packed = _mm256_packus_epi32(narrow(a.l), narrow(a.h));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
}
KERNEL_INLINE void store(uint16_t* p, V a, int64_t n) {
  alignas(32) uint16_t copy[16];
  store(copy, a);
  for (int64_t i = 0; i < n; ++i) p[i] = copy[i];
}

// The tree: lanes l and l + 8, l + 4, l + 2, l + 1.
KERNEL_INLINE float tree(V a) {
  const __m256 e = _mm256_add_ps(a.l, a.h);
  const __m128 q = _mm_add_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
  const __m128 d = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_shuffle_ps(d, d, 1)));
}
// The trees of sixteen, one a lane: each step joins halves of two at once.
template <class Op>
KERNEL_INLINE __m256 trees_of(const V* a, Op op) {
  __m256 t[8];
  UNROLL
  for (int i = 0; i < 8; ++i) t[i] = op(a[i].l, a[i].h);
  UNROLL
  for (int i = 0; i < 4; ++i)
    t[i] =
        op(_mm256_permute2f128_ps(t[2 * i], t[2 * i + 1], 0x20), _mm256_permute2f128_ps(t[2 * i], t[2 * i + 1], 0x31));
  UNROLL
  for (int i = 0; i < 2; ++i) {
    const __m256d x = _mm256_castps_pd(t[2 * i]), y = _mm256_castps_pd(t[2 * i + 1]);
    t[i] = op(_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)), _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)));
  }
  const __m256 whole = op(_mm256_shuffle_ps(t[0], t[1], 0x88), _mm256_shuffle_ps(t[0], t[1], 0xdd));  // 0 2 4 6 1 3 5 7
  return _mm256_permutevar8x32_ps(whole, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
KERNEL_INLINE V trees(const V (&a)[16]) {
  const auto op = [](__m256 x, __m256 y) { return _mm256_add_ps(x, y); };
  return {trees_of(&a[0], op), trees_of(&a[8], op)};
}
KERNEL_INLINE V largests(const V (&a)[16]) {
  const auto op = [](__m256 x, __m256 y) { return _mm256_max_ps(x, y); };
  return {trees_of(&a[0], op), trees_of(&a[8], op)};
}
KERNEL_INLINE float largest(V a) {
  const __m256 e = _mm256_max_ps(a.l, a.h);
  const __m128 q = _mm_max_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
  const __m128 d = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_shuffle_ps(d, d, 1)));
}

KERNEL_INLINE void transpose(__m256 (&r)[8]) {
  __m256 t[8];
  UNROLL
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  UNROLL
  for (int i = 0; i < 2; ++i) {
    r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
  UNROLL
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x20);
    t[4 + i] = _mm256_permute2f128_ps(r[i], r[4 + i], 0x31);
  }
  UNROLL
  for (int i = 0; i < 8; ++i) r[i] = t[i];
}

// Rows of a 16 x 16 matrix become its columns: four transposes of 8 x 8.
KERNEL_INLINE void transpose(V (&a)[16]) {
  __m256 q[8];
  V out[16];
  UNROLL
  for (int i = 0; i < 8; ++i) q[i] = a[i].l;
  transpose(q);
  UNROLL
  for (int i = 0; i < 8; ++i) out[i].l = q[i];
  UNROLL
  for (int i = 0; i < 8; ++i) q[i] = a[8 + i].l;
  transpose(q);
  UNROLL
  for (int i = 0; i < 8; ++i) out[i].h = q[i];
  UNROLL
  for (int i = 0; i < 8; ++i) q[i] = a[i].h;
  transpose(q);
  UNROLL
  for (int i = 0; i < 8; ++i) out[8 + i].l = q[i];
  UNROLL
  for (int i = 0; i < 8; ++i) q[i] = a[8 + i].h;
  transpose(q);
  UNROLL
  for (int i = 0; i < 8; ++i) out[8 + i].h = q[i];
  UNROLL
  for (int i = 0; i < 16; ++i) a[i] = out[i];
}

// Sixteen pairs of bf16 (one from each of 16 rows) become two vectors of floats.
struct Pairs {
  __m256i l, h;
};
KERNEL_INLINE void transpose_pairs(const uint16_t* const* rows, int64_t at, Pairs (&out)[16]) {
  V r[16];
  for (int i = 0; i < 16; ++i) r[i] = load(reinterpret_cast<const float*>(rows[i] + at));
  transpose(r);
  for (int i = 0; i < 16; ++i) out[i] = {_mm256_castps_si256(r[i].l), _mm256_castps_si256(r[i].h)};
}
KERNEL_INLINE V even(Pairs a) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(a.l, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(a.h, 16))};
}
KERNEL_INLINE V odd(Pairs a) {
  const __m256i upper = _mm256_set1_epi32(static_cast<int32_t>(0xffff0000));
  return {_mm256_castsi256_ps(_mm256_and_si256(a.l, upper)), _mm256_castsi256_ps(_mm256_and_si256(a.h, upper))};
}

KERNEL_INLINE void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }

// Register tiles: 16 registers of half a vector each.
constexpr int kGemmRows = 6, kGemmVectors = 1;
constexpr int kChainRows = 3, kChainVectors = 1;
constexpr int kColumnRows = 2, kColumnChains = 2;  // chains of a kind: rows x vectors
constexpr int kDotRows = 3, kDotOutputs = 2;
constexpr int kScoreRows = 1;
constexpr int kValueRows = 3, kValueVectors = 2;
constexpr int kKeyPositions = 3, kKeyVectors = 2;  // attend_backward: positions x vectors of head_dim
constexpr int kBurnChains = 6;
