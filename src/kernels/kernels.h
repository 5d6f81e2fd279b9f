// The functions that take the time, one table for each kernel set: plain, avx2, avx512, amx.
//
// Every set keeps the same order of sums, so all agree to the bit (docs/design.md, Numbers); the plain set is the
// oracle. All functions are noexcept, trust their caller, need no alignment, and run on the calling thread:
// splitting work among threads is tensor/'s business, and never splits a sum. They expect denormals to be
// flushed (base/threads.h does so on every worker and around every parallel_for).
//
// Matrices are row major; ld* is the distance between rows in elements. Sizes may be zero.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/dtype.h"

namespace glassbox {

inline constexpr int64_t kAttentionBlock = 64;

// Values of activations that share a scale in products with weights of this type, 32 or 256; bytes of a row of them,
// whole lines of the cache.
inline int64_t activation_block(DType weights) { return info(weights).block == 256 ? 256 : 32; }
inline int64_t activation_bytes(int64_t n, int64_t block) { return (n + n / block * 4 + n / 16 * 2 + 63) / 64 * 64; }

// What queries look at: keys and values in blocks of kAttentionBlock positions. Positions are absolute: block j holds
// 64 j .. 64 j + 63.
struct Attended {
  const void* const* keys;  // block j: [key_dim][kAttentionBlock], a key is a column
  const void* const*
      values;  // block j: [kAttentionBlock][value_dim]; null: a value is its key's first value_dim numbers
  DType type;  // of both: f32 or bf16
  int64_t key_dim, value_dim;
  float scale;        // of q . k
  float softcap = 0;  // c > 0: score s becomes c tanh(s / c)
};

// A matrix in blocks: `n` rows of row_bytes each. For f4_e2m1 the scales (one byte E8M0 for 32 inputs) lie apart, a row
// of scales_row bytes for each row.
struct BlockMatrix {
  DType type;
  const void* blocks;
  int64_t row_bytes;
  const uint8_t* scales = nullptr;
  int64_t scales_row = 0;
};

struct Kernels {
  std::string_view name;  // "plain", "avx2", "avx512", "amx"

  // --- matrix products ---

  // y[m,n] = sum_k x[m,k] w[n,k], all float32. Order of a sum: lane l of 16 takes k = l, l+16, ... by fused
  // multiply-add from zero, in order; then the tree l + (l+8), l + (l+4), l + (l+2), l + (l+1).
  void (*matmul_f32)(const float* x, int64_t ldx, const float* w, int64_t ldw, float* y, int64_t ldy, int64_t m,
                     int64_t n, int64_t k) noexcept;

  // The same with weights of float16, widened exactly.
  void (*matmul_f16)(const float* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy, int64_t m,
                     int64_t n, int64_t k) noexcept;

  // The same with bf16 operands in the order of AMX's TDPBF16PS: for each 32 inputs an even and an odd chain of fused
  // multiply-adds from zero, added together, then added to the total (which begins at zero). A tail shorter than
  // 32 is filled with zeros.
  void (*matmul_bf16)(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy, int64_t m,
                      int64_t n, int64_t k) noexcept;

  // The same for m in [1, 4] with w [k, n], rows of inputs ldw apart.
  void (*matmul_bf16_columns)(const uint16_t* x, int64_t ldx, const uint16_t* w, int64_t ldw, float* y, int64_t ldy,
                              int64_t m, int64_t n, int64_t k) noexcept;

  // Activations as int8 for matmul_blocks: n values (a multiple of `block`, 32 or 256) become: n int8, n /
  // block float scales, n / 16 int16 sums of sixteen. A block's scale is its largest |x| /
  // 127, its integers x * (127 / largest) to the nearest, ties to even. A block below 2^-100 is zero; one with a NaN or
  // an infinity has the scale NaN.
  void (*to_blocks)(const float* x, int64_t n, int64_t block, void* row) noexcept;

  // y[m,n] = sum_k x[m,k] w[n,k] with w in blocks and rows of x from to_blocks, ldx bytes apart, of w's kind
  // (activation_block). A block's dot product is summed exactly in integers: with the block's own scales where it has
  // parts. From zero, block after block: total = fma(scale of w * scale of x, sum, total); where the block has a
  // minimum, then total = fma(minimum, scale of x * sum of x, total), or for blocks of 256
  // total = fma(-(minimum of w * scale of x), sum of the parts' minimums times their sums of x, total).
  // nvfp4, whose sixteen inputs share a float scale: sixteen after sixteen.
  void (*matmul_blocks)(const void* x, int64_t ldx, const BlockMatrix& w, float* y, int64_t ldy, int64_t m, int64_t n,
                        int64_t k) noexcept;

  // FP8 as bf16, exactly: f8_e4m3 or f8_e5m2. NaN becomes NaN.
  void (*f8_to_bf16)(DType type, const uint8_t* x, uint16_t* y, int64_t n) noexcept;

  // y[m,n] = sum_k x[m,k] w[n,k] for m in [1, 4], x bf16 and w f8_e4m3, widened exactly: for each block of `columns`
  // inputs the sum is that of matmul_bf16, and total = fma(sum, scales[block * ld_scales + output], total), from zero.
  // Without scales (null) there is one block. REQUIRES: columns a multiple of 64, or at least k; |x| < 2^119.
  void (*matmul_e4m3_few)(const uint16_t* x, int64_t ldx, const uint8_t* w, int64_t ldw, const float* scales,
                          int64_t ld_scales, int64_t columns, float* y, int64_t ldy, int64_t m, int64_t n,
                          int64_t k) noexcept;

  // c[m,n] += sum_k a(m,k) b[k,n]: each output is one chain of fused multiply-adds over k in rising order, begun at
  // the c that is there. a(i,j) = a[i * a_row + j * a_column], float32; b is float32 or bf16. Gradients use it.
  void (*gemm)(const float* a, int64_t a_row, int64_t a_column, const void* b, DType b_type, int64_t ldb, float* c,
               int64_t ldc, int64_t m, int64_t n, int64_t k) noexcept;

  // --- attention ---

  // For each of `rows` query rows (q + r * ldq, key_dim floats) over the positions [first[r], last[r]) :
  // out + r * ldo = softmax(scores) values, value_dim floats. Score: one chain of fused multiply-adds over key_dim from
  // zero, then times scale, then capped. Each block gives (max, sum of exp, weighted values: one chain over its
  // positions); blocks merge in rising order. (The sum: positions l, l+16 added, l+32, l+48 added, both added, then the
  // tree over 16 lanes. A merge multiplies what was and what comes by exp(its largest - the larger) and fuses: old * by
  // + (new * by).) sinks[r], unless null, is a score more that has no value: it is merged last. stats[2r], stats[2r+1]:
  // the largest score and the sum of exp(score - largest), the sink's among them. All positions of a query's blocks
  // exist in memory, also those outside [first, last), which are not used. A row with first >= last gets zeros.
  void (*attend)(const Attended& over, const float* q, int64_t ldq, int64_t rows, const int64_t* first,
                 const int64_t* last, const float* sinks, float* out, int64_t ldo, float* stats) noexcept;

  // The same for rows that all look at the positions [first, last), cut between blocks so that several threads have
  // work: what each block in [begin, end) gives, unmerged, rows * (value_dim + 2) floats of parts a block. Values lie
  // beside keys (over.values). Then all blocks' parts, from the first that the rows look at to the last, become what
  // attend gives, to the bit.
  void (*attend_blocks)(const Attended& over, const float* q, int64_t ldq, int64_t rows, int64_t first, int64_t last,
                        int64_t begin, int64_t end, float* parts) noexcept;
  void (*attend_join)(const float* parts, int64_t blocks, int64_t rows, int64_t value_dim, const float* sinks,
                      float* out, int64_t ldo, float* stats) noexcept;

  // Gradient of attend for the same rows: dq is one chain over positions, d_keys and d_values one over rows, so rows
  // may be cut into calls in their order. d_out like out; stats from attend. dq[r] is added to. d_keys, d_values:
  // [position - base] rows of ldk and ldv, added to for positions >= base (earlier ones belong to no tape).
  // d_sinks[r] is added to, where there are sinks.
  struct AttendGradient {
    float *dq, *d_keys, *d_values, *d_sinks;
    int64_t lddq, ldk, ldv, base;
  };
  void (*attend_backward)(const Attended& over, const float* q, int64_t ldq, int64_t rows, const int64_t* first,
                          const int64_t* last, const float* sinks, const float* out, int64_t ldo, const float* stats,
                          const float* d_out, int64_t ld_out, const AttendGradient& into) noexcept;

  // Pattern of one row: pattern[i] = exp(score(first + i) - max) / sum, i < last - first; scores, capped, likewise if
  // not null.
  void (*attend_pattern)(const Attended& over, const float* q, int64_t first, int64_t last, const float* stats,
                         float* scores, float* pattern) noexcept;

  // --- rows ---

  // y = x / sqrt(mean(x^2) + eps) * w. The sum of squares in the order of matmul_f32. w is float32.
  // inverse: 1 / sqrt(...) of the row, for the gradient (may be null).
  void (*rms_norm)(const float* x, const float* w, float eps, float* y, float* inverse, int64_t n) noexcept;
  // dx += ..., dw += dy * x * inverse (dw may be null).
  void (*rms_norm_backward)(const float* x, const float* w, float inverse, const float* dy, float* dx, float* dw,
                            int64_t n) noexcept;
  // Rotates pairs (i, i + n/2) of x in place by cos[i], sin[i], i < n/2. The inverse rotation has -sin.
  void (*rope)(float* x, const float* cos, const float* sin, int64_t n) noexcept;
  // Largest value, and sum of exp(x - largest) in the order of matmul_f32 (lanes, then tree).
  void (*log_sum_exp)(const float* x, int64_t n, float* largest, float* sum) noexcept;
  // y[i] = exp(x[i] - largest) * (factor / sum), or fused into y[i] where `add`. y may be x.
  void (*softmax)(const float* x, int64_t n, float largest, float sum, float factor, float* y, bool add) noexcept;
  float (*sum_squares)(const float* x, int64_t n) noexcept;  // order of matmul_f32
  // y = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps), both sums in the order of matmul_f32. inverse: 1 / sqrt(...)
  // of the row, for the gradient (may be null).
  void (*layer_norm)(const float* x, float eps, float* y, float* inverse, int64_t n) noexcept;
  // dx += ..., of y as layer_norm made it.
  void (*layer_norm_backward)(const float* y, float inverse, const float* dy, float* dx, int64_t n) noexcept;

  // --- elementwise over n values ---
  void (*add)(const float* a, const float* b, float* y, int64_t n) noexcept;  // y may be a or b
  void (*multiply)(const float* a, const float* b, float* y, int64_t n) noexcept;
  void (*scale_add)(float factor, const float* x, float* y, int64_t n) noexcept;          // y = fma(factor, x, y)
  void (*scale)(float factor, float* x, int64_t n) noexcept;                              // x *= factor
  void (*silu)(const float* x, float* y, int64_t n) noexcept;                             // x / (1 + exp(-x))
  void (*silu_backward)(const float* x, const float* dy, float* dx, int64_t n) noexcept;  // dx += ...
  // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  void (*gelu_tanh)(const float* x, float* y, int64_t n) noexcept;
  void (*gelu_tanh_backward)(const float* x, const float* dy, float* dx, int64_t n) noexcept;  // dx += ...
  void (*soft_cap)(float cap, const float* x, float* y, int64_t n) noexcept;                   // cap tanh(x / cap)
  // dx += dy (1 - (y / cap)^2), of y as soft_cap made it.
  void (*soft_cap_backward)(float cap, const float* y, const float* dy, float* dx, int64_t n) noexcept;
  void (*clamp)(float lowest, float highest, const float* x, float* y, int64_t n) noexcept;
  // dx += dy where lowest <= x <= highest.
  void (*clamp_backward)(float lowest, float highest, const float* x, const float* dy, float* dx, int64_t n) noexcept;
  void (*multiply_backward)(const float* other, const float* dy, float* dx,
                            int64_t n) noexcept;  // dx = fma(dy, other, dx)
  void (*exp)(const float* x, float* y, int64_t n) noexcept;
  void (*log)(const float* x, float* y, int64_t n) noexcept;
  void (*to_bf16)(const float* x, uint16_t* y, int64_t n) noexcept;  // nearest even
  void (*from_bf16)(const uint16_t* x, float* y, int64_t n) noexcept;
  void (*from_f16)(const uint16_t* x, float* y, int64_t n) noexcept;

  // AdamW (arXiv:1711.05101), decoupled decay: m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
  // w -= rate * (m * m_correction / (sqrt(v * v_correction) + eps) + decay * w), g = gradient * gradient_scale.
  struct AdamW {
    float rate, beta1, beta2, eps, decay, m_correction, v_correction, gradient_scale;
  };
  void (*adamw)(const AdamW& step, const float* gradient, float* w, float* m, float* v, int64_t n) noexcept;

  // --- what the machine can do (ceilings.h) ---

  // Rounds of fused multiply-adds that wait for nothing; how many floating-point operations that was.
  double (*burn_fma)(int64_t rounds) noexcept;
  // The same of products of bf16 by a matrix unit, from the first-level cache; null where matmul_bf16 has none.
  double (*burn_bf16)(int64_t rounds) noexcept;
  // The same of products of bytes summed in int32, as matmul_blocks makes them; a multiply-add counts as two.
  double (*burn_int8)(int64_t rounds) noexcept;
  // Reads n floats, a multiple of 64, as fast as memory gives them; a value that depends on them.
  float (*read_memory)(const float* from, int64_t n) noexcept;
};

// The set in use: the last of available_kernels(), or the one GLASSBOX_KERNELS names. The first call throws
// Error(unsupported) if that names a set this machine lacks.
const Kernels& kernels();

// Sets this machine can run, plain first, fastest last.
std::span<const Kernels* const> available_kernels();

// For tests and benchmarks: use this set from now on. Not while a computation runs.
void use_kernels(const Kernels& set);

}  // namespace glassbox
