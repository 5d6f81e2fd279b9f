// The set's table, and what measures the machine for ceilings.h.

// Eight groups of independent chains keep both multiply-add ports busy.
double burn_fma(int64_t rounds) noexcept {
  constexpr int chains = kBurnChains;
  V a[chains];
  UNROLL
  for (int i = 0; i < chains; ++i) a[i] = broadcast(static_cast<float>(i));
  V by = broadcast(0.999f), plus = broadcast(0.001f);
  for (int64_t round = 0; round < rounds; ++round) {
    UNROLL
    for (int i = 0; i < chains; ++i) a[i] = fma(a[i], by, plus);
  }
  V sum = zero();
  UNROLL
  for (int i = 0; i < chains; ++i) sum = add(sum, a[i]);
  // The result is used, so that no compiler finds the work needless.
  return static_cast<double>(rounds) * chains * 16 * 2 + (tree(sum) == 12345.0f ? 1 : 0);
}

float read_memory(const float* from, int64_t n) noexcept {
  constexpr int64_t ahead = 2048 / sizeof(float);  // further than the hardware looks: measured best
  V a = zero(), b = zero(), c = zero(), d = zero();
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    prefetch(from + i + ahead);
    prefetch(from + i + ahead + 16);
    prefetch(from + i + ahead + 32);
    prefetch(from + i + ahead + 48);
    a = add(a, load(from + i));
    b = add(b, load(from + i + 16));
    c = add(c, load(from + i + 32));
    d = add(d, load(from + i + 48));
  }
  return tree(add(add(a, b), add(c, d)));
}

constexpr Kernels make_table(std::string_view name) {
  Kernels k{};
  k.name = name;
  k.matmul_f32 = matmul_f32;
  k.matmul_f16 = matmul_f16;
  k.matmul_bf16 = matmul_bf16;
  k.gemm = gemm;
  k.attend = attend;
  k.attend_backward = attend_backward;
  k.attend_pattern = attend_pattern;
  k.rms_norm = rms_norm;
  k.rms_norm_backward = rms_norm_backward;
  k.rope = rope;
  k.log_sum_exp = log_sum_exp;
  k.softmax = softmax;
  k.sum_squares = sum_squares;
  k.add = add_values;
  k.multiply = multiply_values;
  k.scale_add = scale_add_values;
  k.scale = scale_values;
  k.silu = silu_values;
  k.silu_backward = silu_backward;
  k.multiply_backward = multiply_backward;
  k.exp = exp_values;
  k.log = log_values;
  k.to_bf16 = to_bf16;
  k.from_bf16 = from_bf16;
  k.from_f16 = from_f16;
  k.adamw = adamw;
  k.burn_fma = burn_fma;
  k.read_memory = read_memory;
  return k;
}
