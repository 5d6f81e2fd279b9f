// exp, log and tanh of sixteen floats. Coefficients: minimax fits made for these intervals (Lawson's iteration, lower
// ones rounded to float32 first), relative error of the polynomials below 4e-9, 6e-9 and 5e-9.

// e^x: x = n ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + (r + r^2 q(r)); 2^n enters the exponent.
KERNEL_INLINE V exp_inside(V x) {
  const V magic = broadcast(0x1.8p23f);  // adding it rounds to an integer, which its low bits then hold
  const V shifted = fma(x, broadcast(0x1.715476p+0f), magic);
  const V n = sub(shifted, magic);
  const V r = fnma(n, broadcast(0x1.7f7d1cp-20f), fnma(n, broadcast(0x1.62e4p-1f), x));
  V q = broadcast(0x1.6a4d6p-10f);
  q = fma(q, r, broadcast(0x1.12398ep-7f));
  q = fma(q, r, broadcast(0x1.5558bp-5f));
  q = fma(q, r, broadcast(0x1.555492p-3f));
  q = fma(q, r, broadcast(0x1.fffffcp-2f));
  const V p = add(broadcast(1.0f), fma(q, mul(r, r), r));
  return from_bits(add(bits(p), shift_left<23>(bits(shifted))));
}

constexpr float kExpLowest = -87.33654f, kExpHighest = 88.72283f;

// For x <= 0, as softmax has them, the same bits as exp. NaN stays NaN.
KERNEL_INLINE V exp_below(V x) { return select(less(x, broadcast(kExpLowest)), zero(), exp_inside(x)); }

// Results that would be denormal are 0. Exact at 0.
KERNEL_INLINE V exp(V x) {
  const V lowest = broadcast(kExpLowest), highest = broadcast(kExpHighest);
  V result = exp_inside(min(max(x, lowest), highest));
  result = select(less(x, lowest), zero(), result);
  result = select(less(highest, x), broadcast(__builtin_inff()), result);
  return select(is_nan(x), x, result);
}

// ln x: x = 2^e (1 + f), sqrt(1/2) <= 1 + f < sqrt(2); ln(1 + f) = f - f^2 / 2 + f^3 q(f). Zero and denormals give
// -inf.
KERNEL_INLINE V log(V x) {
  const I half = integer(0x3f3504f3);  // sqrt(1/2)
  const I e = shift_right<23>(sub(bits(x), half));
  const V f = sub(from_bits(sub(bits(x), shift_left<23>(e))), broadcast(1.0f));
  const V n = to_float(e);
  V q = broadcast(-0x1.38c9fap-4f);
  q = fma(q, f, broadcast(0x1.0573b2p-3f));
  q = fma(q, f, broadcast(-0x1.0d8bfap-3f));
  q = fma(q, f, broadcast(0x1.22d71p-3f));
  q = fma(q, f, broadcast(-0x1.547164p-3f));
  q = fma(q, f, broadcast(0x1.99a028p-3f));
  q = fma(q, f, broadcast(-0x1.00022ap-2f));
  q = fma(q, f, broadcast(0x1.555554p-2f));
  const V f2 = mul(f, f);
  V tail = mul(mul(f, f2), q);
  tail = fma(n, broadcast(0x1.7f7d1cp-20f), tail);
  tail = fnma(broadcast(0.5f), f2, tail);
  V result = fma(n, broadcast(0x1.62e4p-1f), add(f, tail));
  result = select(less(x, broadcast(0x1p-126f)), broadcast(-__builtin_inff()), result);
  result = select(less(x, zero()), broadcast(__builtin_nanf("")), result);
  result = select(less(broadcast(0x1.fffffep127f), x), x, result);
  return select(is_nan(x), x, result);
}

KERNEL_INLINE V sigmoid(V x) { return div(broadcast(1.0f), add(broadcast(1.0f), exp(sub(zero(), x)))); }

// tanh x: x + x^3 q(x^2) for |x| < 5/8, else 1 - 2 / (e^(2|x|) + 1) with the sign of x.
KERNEL_INLINE V tanh(V x) {
  const V one = broadcast(1.0f), two = broadcast(2.0f), x2 = mul(x, x);
  V q = broadcast(-0x1.750ce2p-8f);
  q = fma(q, x2, broadcast(0x1.51f8cep-6f));
  q = fma(q, x2, broadcast(-0x1.b835a4p-5f));
  q = fma(q, x2, broadcast(0x1.1106f6p-3f));
  q = fma(q, x2, broadcast(-0x1.555532p-2f));
  const V inner = fma(mul(x, x2), q, x);
  const V size = max(sub(zero(), x), x);
  const V tail = sub(one, div(two, add(exp(add(size, size)), one)));
  const V outer = select(less(x, zero()), sub(zero(), tail), tail);
  return select(less(size, broadcast(0.625f)), inner, outer);
}
