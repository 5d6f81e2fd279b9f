// Loops over rows of values, sixteen at a time.

template <class Body>
inline void each(int64_t n, Body body) {  // body(at, count): sixteen values, or the last fewer
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) body(i, 16);
  if (i < n) body(i, n - i);
}
template <class T>
inline V some(const T* p, int64_t count) {
  return count == 16 ? load(p) : load(p, count);
}
template <class T>
inline void put(T* p, V a, int64_t count) {
  if (count == 16)
    store(p, a);
  else
    store(p, a, count);
}

inline void widen(const uint16_t* x, float* y, int64_t n) {
  each(n, [=](int64_t i, int64_t c) { put(y + i, some(x + i, c), c); });
}
