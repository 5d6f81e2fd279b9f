// Values that have nothing to do with each other, and the rows built of them.

void add_values(const float* a, const float* b, float* y, int64_t n) noexcept {
  each(n, [=](int64_t i, int64_t c) { put(y + i, add(some(a + i, c), some(b + i, c)), c); });
}
void multiply_values(const float* a, const float* b, float* y, int64_t n) noexcept {
  each(n, [=](int64_t i, int64_t c) { put(y + i, mul(some(a + i, c), some(b + i, c)), c); });
}
void scale_add_values(float factor, const float* x, float* y, int64_t n) noexcept {
  const V f = broadcast(factor);
  each(n, [=](int64_t i, int64_t c) { put(y + i, fma(f, some(x + i, c), some(y + i, c)), c); });
}
void scale_values(float factor, float* x, int64_t n) noexcept {
  const V f = broadcast(factor);
  each(n, [=](int64_t i, int64_t c) { put(x + i, mul(some(x + i, c), f), c); });
}
void multiply_backward(const float* other, const float* dy, float* dx, int64_t n) noexcept {
  each(n, [=](int64_t i, int64_t c) { put(dx + i, fma(some(dy + i, c), some(other + i, c), some(dx + i, c)), c); });
}
void silu_values(const float* x, float* y, int64_t n) noexcept {
  each(n, [=](int64_t i, int64_t c) {
    const V v = some(x + i, c);
    put(y + i, div(v, add(broadcast(1.0f), exp(sub(zero(), v)))), c);
  });
}
void silu_backward(const float* x, const float* dy, float* dx, int64_t n) noexcept {
  each(n, [=](int64_t i, int64_t c) {
    const V v = some(x + i, c), s = sigmoid(v);
    const V slope = mul(s, fma(v, sub(broadcast(1.0f), s), broadcast(1.0f)));
    put(dx + i, fma(some(dy + i, c), slope, some(dx + i, c)), c);
  });
}
// With t = tanh(a (x + b x^3)):  x / 2 (1 + t), whose slope is  (1 + t) / 2 + x / 2 (1 - t^2) a (1 + 3 b x^2).
constexpr float kGeluScale = 0.79788456f, kGeluCube = 0.044715f;  // sqrt(2 / pi)

inline V gelu_inner(V x) { return tanh(mul(broadcast(kGeluScale), fma(mul(broadcast(kGeluCube), mul(x, x)), x, x))); }
void gelu_tanh_values(const float* x, float* y, int64_t n) noexcept {
  each(n, [=](int64_t i, int64_t c) {
    const V v = some(x + i, c), half = mul(broadcast(0.5f), v);
    put(y + i, fma(half, gelu_inner(v), half), c);
  });
}
void gelu_tanh_backward(const float* x, const float* dy, float* dx, int64_t n) noexcept {
  each(n, [=](int64_t i, int64_t c) {
    const V v = some(x + i, c), t = gelu_inner(v), half = broadcast(0.5f), one = broadcast(1.0f);
    const V inner = mul(broadcast(kGeluScale), fma(mul(broadcast(3 * kGeluCube), v), v, one));
    const V slope = fma(mul(mul(half, v), fnma(t, t, one)), inner, fma(half, t, half));
    put(dx + i, fma(some(dy + i, c), slope, some(dx + i, c)), c);
  });
}
void soft_cap_values(float cap, const float* x, float* y, int64_t n) noexcept {
  const V by = broadcast(cap), inverse = broadcast(1.0f / cap);
  each(n, [=](int64_t i, int64_t c) { put(y + i, mul(by, tanh(mul(some(x + i, c), inverse))), c); });
}
void soft_cap_backward(float cap, const float* y, const float* dy, float* dx, int64_t n) noexcept {
  const V inverse = broadcast(1.0f / cap), one = broadcast(1.0f);
  each(n, [=](int64_t i, int64_t c) {
    const V t = mul(some(y + i, c), inverse);
    put(dx + i, fma(some(dy + i, c), fnma(t, t, one), some(dx + i, c)), c);
  });
}
void clamp_values(float lowest, float highest, const float* x, float* y, int64_t n) noexcept {
  const V low = broadcast(lowest), high = broadcast(highest);
  // Adding zero flushes denormals on every set: what a maximum makes of them is the compiler's choice.
  each(n, [=](int64_t i, int64_t c) { put(y + i, min(high, max(low, add(some(x + i, c), zero()))), c); });
}
void clamp_backward(float lowest, float highest, const float* x, const float* dy, float* dx, int64_t n) noexcept {
  const V low = broadcast(lowest), high = broadcast(highest);
  each(n, [=](int64_t i, int64_t c) {
    const V v = some(x + i, c), was = some(dx + i, c), d = add(was, some(dy + i, c));
    put(dx + i, select(less(v, low), was, select(less(high, v), was, d)), c);
  });
}
void exp_values(const float* x, float* y, int64_t n) noexcept {
  each(n, [=](int64_t i, int64_t c) { put(y + i, exp(some(x + i, c)), c); });
}
void log_values(const float* x, float* y, int64_t n) noexcept {
  each(n, [=](int64_t i, int64_t c) { put(y + i, log(some(x + i, c)), c); });
}
void to_bf16(const float* x, uint16_t* y, int64_t n) noexcept {
  each(n, [=](int64_t i, int64_t c) { put(y + i, some(x + i, c), c); });
}
void from_bf16(const uint16_t* x, float* y, int64_t n) noexcept { widen(x, y, n); }
void from_f16(const uint16_t* x, float* y, int64_t n) noexcept {
  each(n, [=](int64_t i, int64_t c) { put(y + i, c == 16 ? load_f16(x + i) : load_f16(x + i, c), c); });
}

float sum_squares(const float* x, int64_t n) noexcept {
  V sum = zero();
  each(n, [&](int64_t i, int64_t c) {
    const V v = some(x + i, c);
    sum = fma(v, v, sum);
  });
  return tree(sum);
}

void rms_norm(const float* x, const float* w, float eps, float* y, float* inverse, int64_t n) noexcept {
  const float r = 1.0f / __builtin_sqrtf(sum_squares(x, n) / static_cast<float>(n) + eps);
  const V by = broadcast(r);
  each(n, [=](int64_t i, int64_t c) { put(y + i, mul(mul(some(x + i, c), by), some(w + i, c)), c); });
  if (inverse) *inverse = r;
}

// With r the inverse and g = dy w:  d/dx of x r(x) w  gives  r g - x (r^3 / n) sum(g x).
void rms_norm_backward(const float* x, const float* w, float inverse, const float* dy, float* dx, float* dw,
                       int64_t n) noexcept {
  V sum = zero();
  each(n, [&](int64_t i, int64_t c) { sum = fma(mul(some(dy + i, c), some(w + i, c)), some(x + i, c), sum); });
  const V r = broadcast(inverse);
  const V pull = broadcast(inverse * inverse * inverse / static_cast<float>(n) * tree(sum));
  each(n, [=](int64_t i, int64_t c) {
    const V v = some(x + i, c), d = some(dy + i, c);
    const V own = mul(mul(d, some(w + i, c)), r);
    put(dx + i, add(some(dx + i, c), fnma(v, pull, own)), c);
    if (dw) put(dw + i, fma(d, mul(v, r), some(dw + i, c)), c);
  });
}

void layer_norm(const float* x, float eps, float* y, float* inverse, int64_t n) noexcept {
  V sum = zero(), squares = zero();
  each(n, [&](int64_t i, int64_t c) { sum = add(sum, some(x + i, c)); });
  const V mean = broadcast(tree(sum) / static_cast<float>(n));
  each(n, [&](int64_t i, int64_t c) {
    const V v = sub(some(x + i, c), mean), d = c == 16 ? v : select(first_lanes(c), v, zero());
    squares = fma(d, d, squares);
  });
  const float r = 1.0f / __builtin_sqrtf(tree(squares) / static_cast<float>(n) + eps);
  const V by = broadcast(r);
  each(n, [=](int64_t i, int64_t c) { put(y + i, mul(sub(some(x + i, c), mean), by), c); });
  if (inverse) *inverse = r;
}

// d/dx of y = (x - mean) r  gives  r (dy - mean(dy) - y mean(dy y)).
void layer_norm_backward(const float* y, float inverse, const float* dy, float* dx, int64_t n) noexcept {
  V sum = zero(), along = zero();
  each(n, [&](int64_t i, int64_t c) {
    const V d = some(dy + i, c);
    sum = add(sum, d);
    along = fma(d, some(y + i, c), along);
  });
  const V mean = broadcast(tree(sum) / static_cast<float>(n)), pull = broadcast(tree(along) / static_cast<float>(n));
  const V r = broadcast(inverse);
  each(n, [=](int64_t i, int64_t c) {
    const V rest = fnma(some(y + i, c), pull, sub(some(dy + i, c), mean));
    put(dx + i, fma(r, rest, some(dx + i, c)), c);
  });
}

// Each new value is one rounded product and one fused.
void rope(float* x, const float* cos, const float* sin, int64_t n) noexcept {
  const int64_t half = n / 2;
  each(half, [=](int64_t i, int64_t c) {
    const V a = some(x + i, c), b = some(x + half + i, c), co = some(cos + i, c), si = some(sin + i, c);
    put(x + i, fnma(b, si, mul(a, co)), c);
    put(x + half + i, fma(a, si, mul(b, co)), c);
  });
}

void log_sum_exp(const float* x, int64_t n, float* largest_value, float* sum_of_exp) noexcept {
  const V lowest = broadcast(-__builtin_inff());
  V top = lowest;
  each(n, [&](int64_t i, int64_t c) {
    const V v = some(x + i, c);
    top = max(c == 16 ? v : select(first_lanes(c), v, lowest), top);
  });
  *largest_value = largest(top);
  const V shift = broadcast(*largest_value);
  V sum = zero();
  each(n, [&](int64_t i, int64_t c) {
    const V e = exp(sub(some(x + i, c), shift));
    sum = add(sum, c == 16 ? e : select(first_lanes(c), e, zero()));
  });
  *sum_of_exp = tree(sum);
}

void softmax(const float* x, int64_t n, float largest_value, float sum, float factor, float* y, bool add_to) noexcept {
  const V shift = broadcast(largest_value), by = broadcast(factor / sum);
  if (add_to)
    each(n, [=](int64_t i, int64_t c) { put(y + i, fma(exp(sub(some(x + i, c), shift)), by, some(y + i, c)), c); });
  else
    each(n, [=](int64_t i, int64_t c) { put(y + i, mul(exp(sub(some(x + i, c), shift)), by), c); });
}

void adamw(const Kernels::AdamW& step, const float* gradient, float* w, float* m, float* v, int64_t n) noexcept {
  const V beta1 = broadcast(step.beta1), beta2 = broadcast(step.beta2);
  const V rest1 = broadcast(1.0f - step.beta1), rest2 = broadcast(1.0f - step.beta2);
  const V m_correction = broadcast(step.m_correction), v_correction = broadcast(step.v_correction);
  const V rate = broadcast(step.rate), eps = broadcast(step.eps), decay = broadcast(step.decay);
  const V gradient_scale = broadcast(step.gradient_scale);
  each(n, [=](int64_t i, int64_t c) {
    const V g = mul(some(gradient + i, c), gradient_scale), old = some(w + i, c);
    const V m1 = fma(beta1, some(m + i, c), mul(rest1, g));
    const V v1 = fma(beta2, some(v + i, c), mul(mul(rest2, g), g));
    const V direction = div(mul(m1, m_correction), add(sqrt(mul(v1, v_correction)), eps));
    put(m + i, m1, c);
    put(v + i, v1, c);
    put(w + i, fnma(rate, fma(decay, old, direction), old), c);
  });
}

// --- what measures the machine, for ceilings.h ---

// Independent chains keep all multiply-add units busy.
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

inline void fill_values(Kernels& k) {
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
  k.layer_norm = layer_norm;
  k.layer_norm_backward = layer_norm_backward;
  k.gelu_tanh = gelu_tanh_values;
  k.gelu_tanh_backward = gelu_tanh_backward;
  k.soft_cap = soft_cap_values;
  k.soft_cap_backward = soft_cap_backward;
  k.clamp = clamp_values;
  k.clamp_backward = clamp_backward;
  k.exp = exp_values;
  k.log = log_values;
  k.to_bf16 = to_bf16;
  k.from_bf16 = from_bf16;
  k.from_f16 = from_f16;
  k.adamw = adamw;
  k.burn_fma = burn_fma;
  k.read_memory = read_memory;
}
