// Sixteen floats in an array, for the algorithms of generic/: what every other set must equal. Included inside an
// anonymous namespace. Needs nothing of the machine but IEEE arithmetic and a correct fma.

struct V {
  float v[16];
};
struct I {
  int32_t v[16];
};
struct M {
  bool v[16];
};

#define GLASSBOX_LANES(type, expression)              \
  type r;                                             \
  for (int i = 0; i < 16; ++i) r.v[i] = (expression); \
  return r

KERNEL_INLINE float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }
KERNEL_INLINE uint32_t bits_of(float x) { return __builtin_bit_cast(uint32_t, x); }

KERNEL_INLINE M first_lanes(int64_t n) { GLASSBOX_LANES(M, i < n); }
KERNEL_INLINE V broadcast(float x) { GLASSBOX_LANES(V, x); }
KERNEL_INLINE V broadcast(const float* p) { return broadcast(*p); }
KERNEL_INLINE V zero() { return broadcast(0.0f); }
KERNEL_INLINE V load(const float* p) { GLASSBOX_LANES(V, p[i]); }
KERNEL_INLINE V load(const float* p, int64_t n) { GLASSBOX_LANES(V, i < n ? p[i] : 0.0f); }
KERNEL_INLINE void store(float* p, V a) {
  for (int i = 0; i < 16; ++i) p[i] = a.v[i];
}
KERNEL_INLINE void store(float* p, V a, int64_t n) {
  for (int i = 0; i < n; ++i) p[i] = a.v[i];
}

KERNEL_INLINE V add(V a, V b) { GLASSBOX_LANES(V, a.v[i] + b.v[i]); }
KERNEL_INLINE V sub(V a, V b) { GLASSBOX_LANES(V, a.v[i] - b.v[i]); }
KERNEL_INLINE V mul(V a, V b) { GLASSBOX_LANES(V, a.v[i] * b.v[i]); }
KERNEL_INLINE V div(V a, V b) { GLASSBOX_LANES(V, a.v[i] / b.v[i]); }
KERNEL_INLINE V sqrt(V a) { GLASSBOX_LANES(V, __builtin_sqrtf(a.v[i])); }
KERNEL_INLINE V fma(V a, V b, V c) { GLASSBOX_LANES(V, __builtin_fmaf(a.v[i], b.v[i], c.v[i])); }
KERNEL_INLINE V fnma(V a, V b, V c) { GLASSBOX_LANES(V, __builtin_fmaf(-a.v[i], b.v[i], c.v[i])); }
KERNEL_INLINE V max(V a, V b) { GLASSBOX_LANES(V, a.v[i] > b.v[i] ? a.v[i] : b.v[i]); }  // b if either is NaN
KERNEL_INLINE V min(V a, V b) { GLASSBOX_LANES(V, a.v[i] < b.v[i] ? a.v[i] : b.v[i]); }

KERNEL_INLINE M less(V a, V b) { GLASSBOX_LANES(M, a.v[i] < b.v[i]); }
KERNEL_INLINE M is_nan(V a) { GLASSBOX_LANES(M, a.v[i] != a.v[i]); }
KERNEL_INLINE V select(M m, V a, V b) { GLASSBOX_LANES(V, m.v[i] ? a.v[i] : b.v[i]); }

KERNEL_INLINE I bits(V a) { GLASSBOX_LANES(I, static_cast<int32_t>(bits_of(a.v[i]))); }
KERNEL_INLINE V from_bits(I a) { GLASSBOX_LANES(V, float_of(static_cast<uint32_t>(a.v[i]))); }
KERNEL_INLINE I integer(int32_t x) { GLASSBOX_LANES(I, x); }
KERNEL_INLINE int32_t wrap(uint32_t x) { return static_cast<int32_t>(x); }
KERNEL_INLINE I add(I a, I b) {
  GLASSBOX_LANES(I, wrap(static_cast<uint32_t>(a.v[i]) + static_cast<uint32_t>(b.v[i])));
}
KERNEL_INLINE I sub(I a, I b) {
  GLASSBOX_LANES(I, wrap(static_cast<uint32_t>(a.v[i]) - static_cast<uint32_t>(b.v[i])));
}
KERNEL_INLINE I bit_and(I a, I b) { GLASSBOX_LANES(I, a.v[i] & b.v[i]); }
template <int n>
KERNEL_INLINE I shift_left(I a) {
  GLASSBOX_LANES(I, wrap(static_cast<uint32_t>(a.v[i]) << n));
}
template <int n>
KERNEL_INLINE I shift_right(I a) {
  GLASSBOX_LANES(I, a.v[i] >> n);
}  // keeps the sign
KERNEL_INLINE V to_float(I a) { GLASSBOX_LANES(V, static_cast<float>(a.v[i])); }

KERNEL_INLINE float bf16(uint16_t x) { return float_of(static_cast<uint32_t>(x) << 16); }
KERNEL_INLINE V load(const uint16_t* p) { GLASSBOX_LANES(V, bf16(p[i])); }
KERNEL_INLINE V load(const uint16_t* p, int64_t n) { GLASSBOX_LANES(V, i < n ? bf16(p[i]) : 0.0f); }
KERNEL_INLINE V broadcast(const uint16_t* p) { return broadcast(bf16(*p)); }
KERNEL_INLINE float f16(uint16_t x) {
  const uint32_t sign = static_cast<uint32_t>(x & 0x8000u) << 16;
  uint32_t exponent = (x >> 10) & 31u, fraction = x & 0x3ffu;
  if (exponent == 31) return float_of(sign | 0x7f800000u | (fraction ? 0x400000u : 0u) | (fraction << 13));
  if (exponent == 0) {
    if (fraction == 0) return float_of(sign);
    for (exponent = 1; !(fraction & 0x400u); --exponent) fraction <<= 1;  // below 1 it wraps, and comes right again
  }
  return float_of(sign | ((exponent + 112u) << 23) | ((fraction & 0x3ffu) << 13));
}
KERNEL_INLINE V load_f16(const uint16_t* p) { GLASSBOX_LANES(V, f16(p[i])); }
KERNEL_INLINE V load_f16(const uint16_t* p, int64_t n) { GLASSBOX_LANES(V, i < n ? f16(p[i]) : 0.0f); }

KERNEL_INLINE uint16_t narrow(float a) {
  const uint32_t x = bits_of(a);
  if ((x & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((x >> 16) | 0x40u);
  return static_cast<uint16_t>((x + 0x7fffu + ((x >> 16) & 1u)) >> 16);
}
KERNEL_INLINE void store(uint16_t* p, V a) {
  for (int i = 0; i < 16; ++i) p[i] = narrow(a.v[i]);
}
KERNEL_INLINE void store(uint16_t* p, V a, int64_t n) {
  for (int i = 0; i < n; ++i) p[i] = narrow(a.v[i]);
}

KERNEL_INLINE float tree(V a) {
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) a.v[i] = a.v[i] + a.v[i + step];
  return a.v[0];
}
// The trees of sixteen, one a lane.
KERNEL_INLINE V trees(const V (&a)[16]) {
  V r;
  for (int i = 0; i < 16; ++i) r.v[i] = tree(a[i]);
  return r;
}
KERNEL_INLINE float largest(V a) {
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) a.v[i] = a.v[i] > a.v[i + step] ? a.v[i] : a.v[i + step];
  return a.v[0];
}

KERNEL_INLINE V largests(const V (&a)[16]) {
  V r;
  for (int i = 0; i < 16; ++i) r.v[i] = largest(a[i]);
  return r;
}

KERNEL_INLINE void transpose(V (&a)[16]) {
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < i; ++j) {
      const float t = a[i].v[j];
      a[i].v[j] = a[j].v[i];
      a[j].v[i] = t;
    }
}

struct Pairs {
  uint16_t v[32];
};
KERNEL_INLINE void transpose_pairs(const uint16_t* const* rows, int64_t at, Pairs (&out)[16]) {
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) {
      out[i].v[2 * j] = rows[j][at + 2 * i];
      out[i].v[2 * j + 1] = rows[j][at + 2 * i + 1];
    }
}
KERNEL_INLINE V even(const Pairs& a) { GLASSBOX_LANES(V, bf16(a.v[2 * i])); }
KERNEL_INLINE V odd(const Pairs& a) { GLASSBOX_LANES(V, bf16(a.v[2 * i + 1])); }

KERNEL_INLINE void prefetch(const void*) {}

#undef GLASSBOX_LANES

constexpr int kGemmRows = 2, kGemmVectors = 1;
constexpr int kChainRows = 1, kChainVectors = 1;
constexpr int kColumnRows = 1, kColumnChains = 1;  // chains of a kind: rows x vectors
constexpr int kDotRows = 2, kDotOutputs = 1;
constexpr int kScoreRows = 1;
constexpr int kValueRows = 1, kValueVectors = 1;
constexpr int kKeyPositions = 1, kKeyVectors = 1;  // attend_backward: positions x vectors of head_dim
constexpr int kBurnChains = 4;
