// Kernels beside what the machine can do. Each line: the quickest quarter of its iterations (other work may share the
// machine), and its share of the ceiling, measured likewise between those same iterations.
//   kernels_bench --benchmark_filter=bf16    GLASSBOX_KERNELS=avx2 kernels_bench
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/threads.h"
#include "kernels/kernels.h"

namespace glassbox {
namespace {

std::vector<float> floats(int64_t n) {
  std::vector<float> v(static_cast<size_t>(n));
  uint32_t state = 12345;
  for (float& x : v) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
  }
  return v;
}
std::vector<uint16_t> bf16s(int64_t n) {
  std::vector<uint16_t> v;
  v.reserve(static_cast<size_t>(n));
  for (const float x : floats(n)) v.push_back(f32_to_bf16(x));
  return v;
}

// This thread's own time: what others take from it on a shared machine does not count.
double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

template <class Body>
double seconds_of(Body body) {
  const double start = cpu_seconds();
  body();
  return cpu_seconds() - start;
}

// Times body() and, between the times, the multiply-add ceiling of one thread.
// The time that a quarter of the runs did not exceed: the best alone may be a slip of the clock.
double quickest(std::vector<double> times) {
  const auto quarter = times.begin() + static_cast<int64_t>(times.size() / 4);
  std::nth_element(times.begin(), quarter, times.end());
  return *quarter;
}

// `matrix`: the products it is made of at their fastest, unless null; its share of that is told too.
template <class Body>
void against_fma(benchmark::State& state, double operations, Body body, double (*matrix)(int64_t) noexcept = nullptr) {
  const FlushDenormals flush;
  const Kernels& set = kernels();
  const int64_t rounds = set.name == "plain" ? 2000 : 30000;
  std::vector<double> times, burnt, multiplied;
  double done = 0, done_by_matrix = 0;
  body();
  for (auto _ : state) {
    times.push_back(seconds_of(body));
    state.SetIterationTime(times.back());
    burnt.push_back(seconds_of([&] { done = set.burn_fma(rounds); }));
    if (matrix) multiplied.push_back(seconds_of([&] { done_by_matrix = matrix(rounds / 10); }));
  }
  const double rate = operations / quickest(times);
  state.counters["GFLOP/s"] = rate / 1e9;
  state.counters["of_peak"] = rate / (done / quickest(burnt));
  if (matrix) state.counters["of_matrix"] = rate / (done_by_matrix / quickest(multiplied));
  state.SetLabel(std::string(set.name));
}

// Times body() over `items` values: nanoseconds each, as clock cycles matter more than operations there.
template <class Body>
void per_value(benchmark::State& state, double items, Body body) {
  const FlushDenormals flush;
  std::vector<double> times;
  body();
  for (auto _ : state) {
    times.push_back(seconds_of(body));
    state.SetIterationTime(times.back());
  }
  state.counters["ns/value"] = quickest(times) / items * 1e9;
  state.SetLabel(std::string(kernels().name));
}

void matmul_bf16(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const auto x = bf16s(m * k), w = bf16s(n * k);
  auto y = floats(m * n);
  against_fma(
      state, 2.0 * static_cast<double>(m * n * k),
      [&] { kernels().matmul_bf16(x.data(), k, w.data(), k, y.data(), n, m, n, k); }, kernels().burn_bf16);
}
BENCHMARK(matmul_bf16)
    ->ArgNames({"m", "n", "k"})
    ->Args({2048, 256, 256})
    ->Args({2048, 640, 256})
    ->Args({2048, 256, 640})
    ->Args({2048, 1536, 256})
    ->Args({64, 640, 256})
    ->Args({252, 256, 256})
    ->Args({512, 2048, 2048})
    ->Args({64, 2048, 2048})
    ->Args({16, 2048, 2048})
    ->Args({1, 2048, 2048})
    ->Args({8, 256, 2048})
    ->Args({16, 256, 2048})
    ->Args({64, 256, 2048})
    ->Args({4, 256, 2048})
    ->Args({1, 256, 2048})
    ->Args({1, 256, 2080})
    ->Args({4, 256, 2080})
    ->Args({8, 2048, 2048})
    ->Args({4, 2048, 2048})
    ->UseManualTime();

// Random bytes with sane scales do: the work does not depend on the values. q4_0 18, q4_k 144, ... bytes a block.
void matmul_blocks(benchmark::State& state) {
  const auto type = static_cast<DType>(state.range(0));
  const int64_t m = state.range(1), n = state.range(2), k = state.range(3), block = activation_block(type);
  const int64_t row_bytes = k / static_cast<int64_t>(info(type).block) * static_cast<int64_t>(info(type).bytes);
  std::vector<uint8_t> w(static_cast<size_t>(n * row_bytes));
  uint32_t seed = 1;
  for (uint8_t& byte : w) byte = static_cast<uint8_t>((seed = seed * 1664525u + 1013904223u) >> 24) & 0x3f;
  const int64_t ldx = activation_bytes(k, block);
  std::vector<uint8_t> memory(static_cast<size_t>(m * ldx) + 64);
  uint8_t* const x = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);  // as passes have it
  const auto from = floats(k);
  for (int64_t r = 0; r < m; ++r) kernels().to_blocks(from.data(), k, block, x + r * ldx);
  auto y = floats(m * n);
  const BlockMatrix matrix{type, w.data(), row_bytes};
  against_fma(
      state, 2.0 * static_cast<double>(m * n * k),
      [&] { kernels().matmul_blocks(x, ldx, matrix, y.data(), n, m, n, k); }, kernels().burn_int8);
  state.counters["GB/s"] =
      state.counters["GFLOP/s"] / (2.0 * static_cast<double>(m * k)) * static_cast<double>(row_bytes);
  state.SetLabel(std::string(info(type).name) + " " + std::string(kernels().name));
}
void block_shapes(benchmark::internal::Benchmark* b) {
  for (const DType type : {DType::q4_0,  DType::q4_1,    DType::q5_0,   DType::q8_0,   DType::q2_k,    DType::q3_k,
                           DType::q4_k,  DType::q5_k,    DType::q6_k,   DType::iq4_xs, DType::mxfp4,   DType::iq1_s,
                           DType::iq1_m, DType::iq2_xxs, DType::iq2_xs, DType::iq2_s,  DType::iq3_xxs, DType::iq3_s,
                           DType::tq1_0, DType::tq2_0,   DType::nvfp4,  DType::q1_0,   DType::q2_0})
    for (const int64_t m : {1, 4, 16, 64, 512}) b->Args({static_cast<int64_t>(type), m, 2048, 2048});
  // From memory, as decoding reads them.
  for (const DType type : {DType::q4_0, DType::q8_0, DType::q4_k, DType::q6_k})
    b->Args({static_cast<int64_t>(type), 1, 65536, 2048});
}
BENCHMARK(matmul_blocks)->ArgNames({"type", "m", "n", "k"})->Apply(block_shapes)->UseManualTime();

void matmul_f32(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const auto x = floats(m * k), w = floats(n * k);
  auto y = floats(m * n);
  against_fma(state, 2.0 * static_cast<double>(m * n * k),
              [&] { kernels().matmul_f32(x.data(), k, w.data(), k, y.data(), n, m, n, k); });
}
BENCHMARK(matmul_f32)->ArgNames({"m", "n", "k"})->Args({512, 256, 640})->Args({512, 2048, 2048})->UseManualTime();

// dx = dy w: tokens x inputs, summed over outputs.
void gemm_dx(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const auto a = floats(m * k);
  const auto b = bf16s(k * n);
  auto c = floats(m * n);
  against_fma(state, 2.0 * static_cast<double>(m * n * k),
              [&] { kernels().gemm(a.data(), k, 1, b.data(), DType::bf16, n, c.data(), n, m, n, k); });
}
BENCHMARK(gemm_dx)
    ->ArgNames({"m", "n", "k"})
    ->Args({2048, 256, 640})
    ->Args({2048, 640, 256})
    ->Args({2048, 256, 256})
    ->Args({2048, 256, 1536})
    ->Args({64, 256, 640})
    ->Args({252, 256, 640})
    ->Args({256, 256, 640})
    ->Args({512, 2048, 2048})
    ->UseManualTime();

// dw = dy^T x: outputs x inputs, summed over tokens.
void gemm_dw(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const auto a = floats(m * k);
  const auto b = bf16s(k * n);
  auto c = floats(m * n);
  against_fma(state, 2.0 * static_cast<double>(m * n * k),
              [&] { kernels().gemm(a.data(), 1, m, b.data(), DType::bf16, n, c.data(), n, m, n, k); });
}
BENCHMARK(gemm_dw)
    ->ArgNames({"m", "n", "k"})
    ->Args({640, 256, 2048})
    ->Args({256, 640, 2048})
    ->Args({256, 256, 2048})
    ->Args({1536, 256, 2048})
    ->Args({320, 128, 2048})
    ->Args({322, 128, 384})
    ->UseManualTime();

// A sequence of `tokens` from its beginning, the heads of one key/value head, in calls of 64 tokens.
struct Sequence {
  int64_t tokens, heads, head_dim, ld;
  std::vector<float> q, out, d_out, dq, stats, d_keys, d_values;
  std::vector<uint16_t> keys, values;
  std::vector<const void*> key_blocks, value_blocks;
  std::vector<int64_t> first, last;

  Sequence(int64_t count, int64_t per_kv, int64_t dim)
      : tokens(count),
        heads(per_kv),
        head_dim(dim),
        ld(dim),
        q(floats(count * per_kv * dim)),
        out(q),
        d_out(q),
        dq(q),
        stats(2 * count * per_kv),
        d_keys(floats(count * dim)),
        d_values(d_keys) {
    const int64_t blocks = (count + kAttentionBlock - 1) / kAttentionBlock;
    keys = bf16s(blocks * kAttentionBlock * dim);
    values = keys;
    for (int64_t b = 0; b < blocks; ++b) {
      key_blocks.push_back(&keys[b * kAttentionBlock * dim]);
      value_blocks.push_back(&values[b * kAttentionBlock * dim]);
    }
    for (int64_t r = 0; r < tokens * heads; ++r) {
      first.push_back(0);
      last.push_back(r / heads + 1);
    }
  }
  Attended over() const { return {key_blocks.data(), value_blocks.data(), DType::bf16, head_dim, head_dim, 0.2f}; }
  double multiply_adds() const {
    return static_cast<double>(heads * head_dim) * static_cast<double>(tokens) * static_cast<double>(tokens + 1) / 2;
  }
  void forward() {
    const int64_t rows = tokens * heads, step = 64 * heads;
    for (int64_t r = 0; r < rows; r += step)
      kernels().attend(over(), &q[r * ld], ld, std::min(step, rows - r), &first[r], &last[r], nullptr, &out[r * ld], ld,
                       &stats[2 * r]);
  }
  void backward() {
    const int64_t rows = tokens * heads, step = 64 * heads;
    for (int64_t r = 0; r < rows; r += step)
      kernels().attend_backward(over(), &q[r * ld], ld, std::min(step, rows - r), &first[r], &last[r], nullptr,
                                &out[r * ld], ld, &stats[2 * r], &d_out[r * ld], ld,
                                {&dq[r * ld], d_keys.data(), d_values.data(), nullptr, ld, head_dim, head_dim, 0});
  }
};

void attend(benchmark::State& state) {
  Sequence s(state.range(0), state.range(1), state.range(2));
  against_fma(state, 4 * s.multiply_adds(), [&] { s.forward(); });
}
void attend_backward(benchmark::State& state) {
  Sequence s(state.range(0), state.range(1), state.range(2));
  s.forward();
  against_fma(state, 10 * s.multiply_adds(), [&] {
    s.backward();
    std::fill(s.dq.begin(), s.dq.end(), 0.0f);
    std::fill(s.d_keys.begin(), s.d_keys.end(), 0.0f);
    std::fill(s.d_values.begin(), s.d_values.end(), 0.0f);
  });
}
const std::vector<std::string> kAttendNames = {"tokens", "heads", "head_dim"};
BENCHMARK(attend)
    ->ArgNames(kAttendNames)
    ->Args({200, 2, 32})
    ->Args({200, 4, 32})
    ->Args({200, 1, 32})
    ->Args({512, 4, 64})
    ->Args({2048, 4, 64})
    ->UseManualTime();
BENCHMARK(attend_backward)
    ->ArgNames(kAttendNames)
    ->Args({200, 2, 32})
    ->Args({200, 4, 32})
    ->Args({200, 1, 32})
    ->Args({512, 4, 64})
    ->UseManualTime();

// Keys and values of several key/value heads as a cache lays them out: a block of positions holds all heads, a head's
// keys before its values.
struct Past {
  int64_t positions, kv_heads, head_dim;
  DType type;
  std::unique_ptr<std::byte, void (*)(void*)> memory;
  std::vector<std::vector<const void*>> keys, values;  // of each head

  Past(int64_t count, int64_t heads, int64_t dim, DType of)
      : positions(count),
        kv_heads(heads),
        head_dim(dim),
        type(of),
        memory(nullptr, std::free),
        keys(heads),
        values(heads) {
    const int64_t blocks = (count + kAttentionBlock - 1) / kAttentionBlock, numbers = kAttentionBlock * dim;
    const int64_t plane = numbers * static_cast<int64_t>(info(of).bytes);
    memory.reset(static_cast<std::byte*>(std::aligned_alloc(4096, static_cast<size_t>(blocks * heads * 2 * plane))));
    const auto some = floats(2 * numbers);
    const auto some16 = bf16s(2 * numbers);
    for (int64_t b = 0; b < blocks; ++b)
      for (int64_t h = 0; h < heads; ++h) {
        std::byte* const at = memory.get() + (b * heads + h) * 2 * plane;
        std::memcpy(at, of == DType::bf16 ? static_cast<const void*>(some16.data()) : some.data(),
                    static_cast<size_t>(2 * plane));
        keys[static_cast<size_t>(h)].push_back(at);
        values[static_cast<size_t>(h)].push_back(at + plane);
      }
  }
  Attended over(int64_t head) const {
    return {keys[static_cast<size_t>(head)].data(),
            values[static_cast<size_t>(head)].data(),
            type,
            head_dim,
            head_dim,
            0.2f};
  }
  int64_t bytes() const { return kv_heads * positions * 2 * head_dim * static_cast<int64_t>(info(type).bytes); }
};

const std::vector<std::string> kPastNames = {"positions", "heads", "head_dim", "bytes", "rows"};

// The last 512 tokens of a prompt, four query heads for one of keys and values, in calls of `rows` rows.
void attend_chunk(benchmark::State& state) {
  const int64_t positions = state.range(0), heads = state.range(1), dim = state.range(2), rows = state.range(4);
  const int64_t tokens = 512, all = tokens * heads;
  const Past past(positions, 1, dim, state.range(3) == 2 ? DType::bf16 : DType::f32);
  const auto q = floats(all * dim);
  std::vector<float> out(q.size()), stats(2 * static_cast<size_t>(all));
  const std::vector<int64_t> first(static_cast<size_t>(all), 0);
  std::vector<int64_t> last;
  double pairs = 0;
  for (int64_t r = 0; r < all; ++r) {
    last.push_back(positions - tokens + r / heads + 1);
    pairs += static_cast<double>(last.back());
  }
  against_fma(state, 4.0 * static_cast<double>(dim) * pairs, [&] {
    for (int64_t r = 0; r < all; r += rows)
      kernels().attend(past.over(0), &q[r * dim], dim, std::min(rows, all - r), &first[r], &last[r], nullptr,
                       &out[r * dim], dim, &stats[2 * r]);
  });
}
BENCHMARK(attend_chunk)
    ->ArgNames(kPastNames)
    ->ArgsProduct({{4096, 32768}, {4}, {64, 128}, {2, 4}, {64, 240}})
    ->Iterations(8)
    ->UseManualTime();

// One token over a long past, its keys and values read once, far beyond the caches; beside the bandwidth of one thread.
void attend_decode(benchmark::State& state) {
  const int64_t positions = state.range(0), heads = state.range(1), dim = state.range(2);
  const auto type = state.range(3) == 2 ? DType::bf16 : DType::f32;
  const int64_t one = positions * 2 * dim * state.range(3), kv_heads = std::max<int64_t>(1, (int64_t{400} << 20) / one);
  const Past past(positions, kv_heads, dim, type);
  const FlushDenormals flush;
  const Kernels& set = kernels();
  const auto q = floats(heads * dim);
  std::vector<float> out(q.size()), stats(2 * static_cast<size_t>(heads));
  const std::vector<int64_t> first(heads, 0), last(heads, positions);
  std::vector<double> times, reads;
  for (auto _ : state) {
    times.push_back(seconds_of([&] {
      for (int64_t h = 0; h < kv_heads; ++h)
        set.attend(past.over(h), q.data(), dim, heads, first.data(), last.data(), nullptr, out.data(), dim,
                   stats.data());
    }));
    reads.push_back(seconds_of([&] {
      benchmark::DoNotOptimize(
          set.read_memory(reinterpret_cast<const float*>(past.memory.get()), past.bytes() / 256 * 64));
    }));
    state.SetIterationTime(times.back());
  }
  state.counters["GB/s"] = static_cast<double>(past.bytes()) / quickest(times) / 1e9;
  state.counters["of_bandwidth"] = quickest(reads) / quickest(times);
  state.counters["us/call"] = quickest(times) * 1e6 / static_cast<double>(kv_heads);
  state.SetLabel(std::string(set.name));
}
BENCHMARK(attend_decode)
    ->ArgNames({"positions", "heads", "head_dim", "bytes"})
    ->ArgsProduct({{4096, 32768}, {1, 4}, {64, 128}, {2, 4}})
    ->Args({100, 3, 64, 2})
    ->Args({500, 3, 64, 2})
    ->Iterations(6)
    ->UseManualTime();

void rows(benchmark::State& state) {
  const int64_t n = state.range(1), count = 32768 / n;
  const auto x = floats(32768), w = floats(32768), dy = floats(32768);
  auto y = floats(32768), z = floats(32768);
  auto u = bf16s(32768);
  const Kernels& k = kernels();
  switch (state.range(0)) {
    case 0:
      return per_value(state, 32768, [&] {
        for (int64_t r = 0; r < count; ++r) k.rms_norm(&x[r * n], w.data(), 1e-5f, &y[r * n], &z[r], n);
      });
    case 1:
      return per_value(state, 32768, [&] {
        for (int64_t r = 0; r < count; ++r)
          k.rms_norm_backward(&x[r * n], w.data(), 0.5f, &dy[r * n], &y[r * n], z.data(), n);
      });
    case 2:
      return per_value(state, 32768, [&] {
        for (int64_t r = 0; r < count; ++r) k.silu(&x[r * n], &y[r * n], n);
      });
    case 3:
      return per_value(state, 32768, [&] {
        for (int64_t r = 0; r < count; ++r) k.silu_backward(&x[r * n], &dy[r * n], &y[r * n], n);
      });
    case 4:
      return per_value(state, 32768, [&] {
        for (int64_t r = 0; r < count; ++r) k.add(&x[r * n], &w[r * n], &y[r * n], n);
      });
    case 5:
      return per_value(state, 32768, [&] {
        for (int64_t r = 0; r < count; ++r) k.to_bf16(&x[r * n], &u[r * n], n);
      });
    case 6:
      return per_value(state, 32768, [&] {
        for (int64_t r = 0; r < count; ++r) {
          float a, b;
          k.log_sum_exp(&x[r * n], n, &a, &b);
          k.softmax(&x[r * n], n, a, b, 1.0f, &y[r * n], false);
        }
      });
    case 7:
      return per_value(state, 32768, [&] {
        for (int64_t r = 0; r < count; ++r) k.rope(&y[r * n], w.data(), dy.data(), n);
      });
    case 8:
      return per_value(state, 32768, [&] {
        k.adamw({1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 1, 1, 1}, dy.data(), y.data(), z.data(), z.data(), 32768);
      });
    default:
      return;
  }
}
const std::vector<std::string> kRowNames = {"what", "n"};
BENCHMARK(rows)
    ->ArgNames(kRowNames)
    ->Args({0, 256})
    ->Args({1, 256})
    ->Args({2, 640})
    ->Args({3, 640})
    ->Args({4, 256})
    ->Args({5, 256})
    ->Args({6, 1536})
    ->Args({7, 32})
    ->Args({8, 32768})
    ->UseManualTime();

// Decode: weights far beyond the caches, read once, outputs split among threads; beside the bandwidth of the same
// threads.
enum Weights { kF32, kBf16, kE4m3, kColumns };  // e4m3 in blocks of 128 inputs; bf16 with outputs side by side
void decode(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const auto kind = static_cast<int>(state.range(3));
  const int64_t size = std::array<int64_t, 4>{4, 2, 1, 2}[static_cast<size_t>(kind)];
  const int64_t tile = kind == kColumns ? 512 : kind == kE4m3 ? 256 : 64;
  const int threads = static_cast<int>(state.range(4));
  ThreadPool pool(threads);
  const FlushDenormals flush;
  const Kernels& set = kernels();
  const int64_t matrices = std::max<int64_t>(1, (int64_t{600} << 20) / (n * k * size));
  const int64_t bytes = matrices * n * k * size, floats_in_all = bytes / 4, share = floats_in_all / threads / 64 * 64;
  std::unique_ptr<void, void (*)(void*)> memory(
      std::aligned_alloc(size_t{2} << 20, static_cast<size_t>((bytes >> 21) + 1) << 21), std::free);
  madvise(memory.get(), static_cast<size_t>(bytes), MADV_HUGEPAGE);
  float* const w = static_cast<float*>(memory.get());
  pool.parallel_ranges(floats_in_all, 1 << 20, [&](int64_t from, int64_t to) {
    std::fill(w + from, w + to, __builtin_bit_cast(float, kind == kE4m3 ? 0x3c41bc52 : 0x3c013c02));
  });
  const auto x16 = bf16s(m * k);
  const auto x = floats(m * k);
  const auto scales = floats((k + 127) / 128 * n);
  auto y = floats(m * n);
  // One thread is timed by its own clock, several by the wall's.
  const auto now = [&] {
    return threads == 1 ? cpu_seconds()
                        : std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  std::vector<double> times, reads;
  for (auto _ : state) {
    const double start = now();
    for (int64_t i = 0; i < matrices; ++i)
      pool.parallel_ranges(n, tile, [&](int64_t from, int64_t to) {
        const int64_t at = (i * n + from) * k;
        if (kind == kColumns)
          set.matmul_bf16_columns(x16.data(), k, reinterpret_cast<const uint16_t*>(w) + i * n * k + from, n, &y[from],
                                  n, m, to - from, k);
        else if (kind == kE4m3)
          set.matmul_e4m3_few(x16.data(), k, reinterpret_cast<const uint8_t*>(w) + at, k, scales.data(), n, 128,
                              &y[from], n, m, to - from, k);
        else if (kind == kBf16)
          set.matmul_bf16(x16.data(), k, reinterpret_cast<const uint16_t*>(w) + at, k, &y[from], n, m, to - from, k);
        else
          set.matmul_f32(x.data(), k, w + at, k, &y[from], n, m, to - from, k);
      });
    const double took = now() - start;
    pool.parallel_for(threads, [&](int64_t t) { benchmark::DoNotOptimize(set.read_memory(w + t * share, share)); });
    const double read = now() - start - took;
    state.SetIterationTime(took);
    times.push_back(took);
    reads.push_back(read);
  }
  state.counters["GB/s"] = static_cast<double>(bytes) / quickest(times) / 1e9;
  state.counters["of_bandwidth"] = quickest(reads) / quickest(times);
  state.SetLabel(std::string(set.name));
}
const std::vector<std::string> kDecodeNames = {"m", "n", "k", "weights", "threads"};
BENCHMARK(decode)
    ->ArgNames(kDecodeNames)
    ->Args({1, 2048, 2048, 1, 1})
    ->Args({1, 8192, 2048, 1, 1})
    ->Args({1, 2048, 8192, 1, 1})
    ->Args({4, 2048, 2048, 1, 1})
    ->Args({8, 2048, 2048, 1, 1})
    ->Args({1, 2048, 2048, 0, 1})
    ->Args({1, 2048, 2048, 1, 2})
    ->Args({1, 8192, 2048, 1, 2})
    ->Args({1, 2048, 2048, 0, 2})
    ->Args({1, 2048, 7168, 2, 1})
    ->Args({1, 7168, 2048, 2, 1})
    ->Args({4, 2048, 7168, 2, 1})
    ->Args({1, 2048, 7168, 2, 2})
    ->Args({1, 5760, 2880, 3, 1})
    ->Args({1, 2880, 2880, 3, 1})
    ->Args({4, 5760, 2880, 3, 1})
    ->Args({1, 5760, 2880, 3, 2})
    ->Iterations(8)
    ->UseManualTime();

// Few rows of activations, as decoding has them, on one thread. Weights of some 600 MiB in small pages, as a file's
// are, read once, beside reading the same bytes; and a matrix that stays in the second-level cache, which shows what
// computing alone would reach. Calls take 256 outputs, much as threads do.
struct Weights600 {
  static constexpr int64_t kBytes = int64_t{600} << 20;
  uint8_t* at;
  Weights600()
      : at(static_cast<uint8_t*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    madvise(at, kBytes, MADV_NOHUGEPAGE);
    // Random bytes with sane scales do: the work does not depend on the values.
    uint64_t seed = 1;
    for (int64_t i = 0; i < kBytes; i += 8) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      const uint64_t eight = (seed ^ seed >> 29) & 0x3f3f3f3f3f3f3f3fu;
      std::copy_n(reinterpret_cast<const uint8_t*>(&eight), 8, at + i);
    }
  }
};
void few_rows(benchmark::State& state) {
  static const Weights600 weights;
  const auto type = static_cast<DType>(state.range(0));
  const int64_t m = state.range(1), n = state.range(2), k = state.range(3);
  const int64_t row_bytes = k / static_cast<int64_t>(info(type).block) * static_cast<int64_t>(info(type).bytes);
  const FlushDenormals flush;
  const Kernels& set = kernels();
  const auto x = floats(m * k), f8_scales = floats(k / 64 * n);
  const auto x16 = bf16s(m * k);
  const int64_t block = activation_block(type), ldx = activation_bytes(k, block);
  std::vector<uint8_t> x8(static_cast<size_t>(m * ldx)), scales(static_cast<size_t>(n * k / 32), 120);
  for (int64_t r = 0; r < m; ++r) set.to_blocks(x.data() + r * k, k, block, x8.data() + r * ldx);
  auto y = floats(m * n);
  // `count` matrices of `outputs` that lie one behind the other.
  const auto products = [&](int64_t count, int64_t outputs) {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t o = 0; o < outputs; o += 256) {
        const uint8_t* w = weights.at + (i * outputs + o) * row_bytes;
        const int64_t some = std::min<int64_t>(256, outputs - o);
        switch (type) {
          case DType::f32:
            set.matmul_f32(x.data(), k, reinterpret_cast<const float*>(w), k, &y[o], n, m, some, k);
            break;
          case DType::f16:
            set.matmul_f16(x.data(), k, reinterpret_cast<const uint16_t*>(w), k, &y[o], n, m, some, k);
            break;
          case DType::bf16:
            set.matmul_bf16(x16.data(), k, reinterpret_cast<const uint16_t*>(w), k, &y[o], n, m, some, k);
            break;
          case DType::f8_e4m3:
            set.matmul_e4m3_few(x16.data(), k, w, k, &f8_scales[o], n, 128, &y[o], n, m, some, k);
            break;
          default:
            set.matmul_blocks(x8.data(), ldx, {type, w, row_bytes, &scales[o * k / 32], k / 32}, &y[o], n, m, some, k);
        }
      }
  };
  const int64_t matrices = Weights600::kBytes / (n * row_bytes);
  const int64_t in_cache = std::clamp<int64_t>((int64_t{900} << 10) / row_bytes / 16 * 16, 16, n);
  const int64_t times_cached = std::max<int64_t>(1, (int64_t{60} << 20) / (in_cache * row_bytes));
  const auto bytes = static_cast<double>(matrices * n * row_bytes);
  const auto bytes_cached = static_cast<double>(times_cached * in_cache * row_bytes);
  std::vector<double> times, reads, cached;
  for (auto _ : state) {
    times.push_back(seconds_of([&] { products(matrices, n); }));
    reads.push_back(seconds_of([&] {
      benchmark::DoNotOptimize(
          set.read_memory(reinterpret_cast<const float*>(weights.at), matrices * n * row_bytes / 256 * 64));
    }));
    state.SetIterationTime(times.back());
    cached.push_back(seconds_of([&] {
      for (int64_t i = 0; i < times_cached; ++i) products(1, in_cache);
    }));
  }
  const double read = bytes / quickest(reads);
  state.counters["read"] = read / 1e9;
  state.counters["GB/s"] = bytes / quickest(times) / 1e9;
  state.counters["of_read"] = bytes / quickest(times) / read;
  state.counters["cached"] = bytes_cached / quickest(cached) / 1e9;
  state.counters["cached_of_read"] = bytes_cached / quickest(cached) / read;
  state.SetLabel(std::string(info(type).name) + " " + std::string(set.name));
}
void few_row_shapes(benchmark::internal::Benchmark* b) {
  for (const DType type :
       {DType::q4_0,    DType::q8_0,   DType::q4_k,  DType::q6_k,    DType::q4_1,   DType::bf16,    DType::q5_0,
        DType::q5_k,    DType::f16,    DType::mxfp4, DType::f4_e2m1, DType::iq4_xs, DType::f8_e4m3, DType::f32,
        DType::q5_1,    DType::q2_k,   DType::q3_k,  DType::q8_k,    DType::iq4_nl, DType::iq1_s,   DType::iq1_m,
        DType::iq2_xxs, DType::iq2_xs, DType::iq2_s, DType::iq3_xxs, DType::iq3_s,  DType::tq1_0,   DType::tq2_0,
        DType::nvfp4,   DType::q1_0,   DType::q2_0,  DType::i4})
    b->Args({static_cast<int64_t>(type), 1, 2048, 2048});
  for (const DType type : {DType::q4_0, DType::q8_0, DType::q4_k, DType::q6_k, DType::bf16}) {
    b->Args({static_cast<int64_t>(type), 1, 2048, 8192});
    for (const int64_t m : {2, 4}) b->Args({static_cast<int64_t>(type), m, 2048, 2048});
  }
  // SmolLM2-135M and Gemma 3 270M: short rows.
  b->Args({static_cast<int64_t>(DType::q4_1), 1, 576, 576});
  b->Args({static_cast<int64_t>(DType::q4_1), 1, 576, 1536});
  b->Args({static_cast<int64_t>(DType::q8_0), 1, 2048, 640});
  b->Args({static_cast<int64_t>(DType::q5_0), 1, 2048, 640});
}
BENCHMARK(few_rows)->ArgNames({"type", "m", "n", "k"})->Apply(few_row_shapes)->Iterations(6)->UseManualTime();

}  // namespace
}  // namespace glassbox

BENCHMARK_MAIN();
