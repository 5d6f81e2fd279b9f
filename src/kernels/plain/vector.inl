// Sixteen floats in an array, for the algorithms of generic/: what every other set must equal. Included inside an
// anonymous namespace. Needs nothing of the machine but IEEE arithmetic and a correct fma.

struct V { float v[16]; };
struct I { int32_t v[16]; };
struct M { bool v[16]; };

#define GLASSBOX_LANES(type, expression)              \
  type r;                                             \
  for (int i = 0; i < 16; ++i) r.v[i] = (expression); \
  return r

inline float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }
inline uint32_t bits_of(float x) { return __builtin_bit_cast(uint32_t, x); }

inline M first_lanes(int64_t n) { GLASSBOX_LANES(M, i < n); }
inline V broadcast(float x) { GLASSBOX_LANES(V, x); }
inline V broadcast(const float* p) { return broadcast(*p); }
inline V zero() { return broadcast(0.0f); }
inline V load(const float* p) { GLASSBOX_LANES(V, p[i]); }
inline V load(const float* p, int64_t n) { GLASSBOX_LANES(V, i < n ? p[i] : 0.0f); }
inline void store(float* p, V a) { for (int i = 0; i < 16; ++i) p[i] = a.v[i]; }
inline void store(float* p, V a, int64_t n) { for (int i = 0; i < n; ++i) p[i] = a.v[i]; }

inline V add(V a, V b) { GLASSBOX_LANES(V, a.v[i] + b.v[i]); }
inline V sub(V a, V b) { GLASSBOX_LANES(V, a.v[i] - b.v[i]); }
inline V mul(V a, V b) { GLASSBOX_LANES(V, a.v[i] * b.v[i]); }
inline V div(V a, V b) { GLASSBOX_LANES(V, a.v[i] / b.v[i]); }
inline V sqrt(V a) { GLASSBOX_LANES(V, __builtin_sqrtf(a.v[i])); }
inline V fma(V a, V b, V c) { GLASSBOX_LANES(V, __builtin_fmaf(a.v[i], b.v[i], c.v[i])); }
inline V fnma(V a, V b, V c) { GLASSBOX_LANES(V, __builtin_fmaf(-a.v[i], b.v[i], c.v[i])); }
inline V max(V a, V b) { GLASSBOX_LANES(V, a.v[i] > b.v[i] ? a.v[i] : b.v[i]); }  // b if either is NaN
inline V min(V a, V b) { GLASSBOX_LANES(V, a.v[i] < b.v[i] ? a.v[i] : b.v[i]); }

inline M less(V a, V b) { GLASSBOX_LANES(M, a.v[i] < b.v[i]); }
inline M is_nan(V a) { GLASSBOX_LANES(M, a.v[i] != a.v[i]); }
inline V select(M m, V a, V b) { GLASSBOX_LANES(V, m.v[i] ? a.v[i] : b.v[i]); }

inline I bits(V a) { GLASSBOX_LANES(I, static_cast<int32_t>(bits_of(a.v[i]))); }
inline V from_bits(I a) { GLASSBOX_LANES(V, float_of(static_cast<uint32_t>(a.v[i]))); }
inline I integer(int32_t x) { GLASSBOX_LANES(I, x); }
inline int32_t wrap(uint32_t x) { return static_cast<int32_t>(x); }
inline I add(I a, I b) { GLASSBOX_LANES(I, wrap(static_cast<uint32_t>(a.v[i]) + static_cast<uint32_t>(b.v[i]))); }
inline I sub(I a, I b) { GLASSBOX_LANES(I, wrap(static_cast<uint32_t>(a.v[i]) - static_cast<uint32_t>(b.v[i]))); }
inline I bit_and(I a, I b) { GLASSBOX_LANES(I, a.v[i] & b.v[i]); }
template <int n> inline I shift_left(I a) { GLASSBOX_LANES(I, wrap(static_cast<uint32_t>(a.v[i]) << n)); }
template <int n> inline I shift_right(I a) { GLASSBOX_LANES(I, a.v[i] >> n); }  // keeps the sign
inline V to_float(I a) { GLASSBOX_LANES(V, static_cast<float>(a.v[i])); }

inline float bf16(uint16_t x) { return float_of(static_cast<uint32_t>(x) << 16); }
inline V load(const uint16_t* p) { GLASSBOX_LANES(V, bf16(p[i])); }
inline V load(const uint16_t* p, int64_t n) { GLASSBOX_LANES(V, i < n ? bf16(p[i]) : 0.0f); }
inline V broadcast(const uint16_t* p) { return broadcast(bf16(*p)); }
inline float f16(uint16_t x) {
  const uint32_t sign = static_cast<uint32_t>(x & 0x8000u) << 16;
  uint32_t exponent = (x >> 10) & 31u, fraction = x & 0x3ffu;
  if (exponent == 31) return float_of(sign | 0x7f800000u | (fraction ? 0x400000u : 0u) | (fraction << 13));
  if (exponent == 0) {
    if (fraction == 0) return float_of(sign);
    for (exponent = 1; !(fraction & 0x400u); --exponent) fraction <<= 1;  // below 1 it wraps, and comes right again
  }
  return float_of(sign | ((exponent + 112u) << 23) | ((fraction & 0x3ffu) << 13));
}
inline V load_f16(const uint16_t* p) { GLASSBOX_LANES(V, f16(p[i])); }
inline V load_f16(const uint16_t* p, int64_t n) { GLASSBOX_LANES(V, i < n ? f16(p[i]) : 0.0f); }

inline uint16_t narrow(float a) {
  const uint32_t x = bits_of(a);
  if ((x & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((x >> 16) | 0x40u);
  return static_cast<uint16_t>((x + 0x7fffu + ((x >> 16) & 1u)) >> 16);
}
inline void store(uint16_t* p, V a) { for (int i = 0; i < 16; ++i) p[i] = narrow(a.v[i]); }
inline void store(uint16_t* p, V a, int64_t n) { for (int i = 0; i < n; ++i) p[i] = narrow(a.v[i]); }

inline float tree(V a) {
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) a.v[i] = a.v[i] + a.v[i + step];
  return a.v[0];
}
inline float largest(V a) {
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) a.v[i] = a.v[i] > a.v[i + step] ? a.v[i] : a.v[i + step];
  return a.v[0];
}

inline void transpose(V (&a)[16]) {
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < i; ++j) {
      const float t = a[i].v[j];
      a[i].v[j] = a[j].v[i];
      a[j].v[i] = t;
    }
}

struct Pairs { uint16_t v[32]; };
inline void transpose_pairs(const uint16_t* const* rows, int64_t at, Pairs (&out)[16]) {
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) {
      out[i].v[2 * j] = rows[j][at + 2 * i];
      out[i].v[2 * j + 1] = rows[j][at + 2 * i + 1];
    }
}
inline V even(const Pairs& a) { GLASSBOX_LANES(V, bf16(a.v[2 * i])); }
inline V odd(const Pairs& a) { GLASSBOX_LANES(V, bf16(a.v[2 * i + 1])); }

inline void prefetch(const void*) {}

#undef GLASSBOX_LANES

constexpr int kGemmRows = 2, kGemmVectors = 1;
constexpr int kChainRows = 1, kChainVectors = 1;
constexpr int kDotRows = 2, kDotOutputs = 1;
constexpr int kScoreRows = 1;
constexpr int kValueRows = 1, kValueVectors = 1;
constexpr int kBurnChains = 4;
