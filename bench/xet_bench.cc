// What a byte costs on its way into the hub and out, in bytes of files per second of one core: to cut it, to name it,
// to pack it into a xorb, to check a stranger's xorb, to unpack it. Copying is the ceiling.
//   xet_bench --benchmark_filter=cut
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "hub/xet/chunker.h"
#include "hub/xet/hash.h"
#include "hub/xet/testing.h"
#include "hub/xet/xorb.h"

namespace glassbox::xet {
namespace {

constexpr size_t kSize = 48'000'000;

const testing::Bytes& bytes_of_a(bool floats) {
  static const testing::Bytes random = testing::random_bytes(kSize, 1), numbers = testing::random_floats(kSize, 2);
  return floats ? numbers : random;
}

std::vector<size_t> cut(std::span<const std::byte> bytes) {
  std::vector<size_t> ends;
  Chunker chunker;
  size_t at = 0;
  while (const auto end = chunker.next(bytes.subspan(at))) ends.push_back(at += *end);
  if (chunker.open() > 0) ends.push_back(bytes.size());
  return ends;
}

template <class Take>
void each_chunk(std::span<const std::byte> bytes, std::span<const size_t> ends, Take take) {
  size_t begin = 0;
  for (const size_t end : ends) {
    take(bytes.subspan(begin, end - begin));
    begin = end;
  }
}

XorbWriter::Xorb packed(std::span<const std::byte> bytes, std::span<const size_t> ends, const Hash& hash) {
  XorbWriter writer;
  each_chunk(bytes, ends, [&](auto chunk) { writer.add(chunk, hash); });
  return writer.finish();
}

void done(benchmark::State& state) { state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kSize)); }

void BM_copy(benchmark::State& state) {
  const auto& bytes = bytes_of_a(false);
  testing::Bytes out(kSize);
  for (auto _ : state) {
    std::memcpy(out.data(), bytes.data(), kSize);
    benchmark::ClobberMemory();
  }
  done(state);
}

void BM_cut(benchmark::State& state) {
  const auto& bytes = bytes_of_a(false);
  for (auto _ : state) benchmark::DoNotOptimize(cut(bytes));
  done(state);
}

void BM_name(benchmark::State& state) {
  const auto& bytes = bytes_of_a(false);
  const auto ends = cut(bytes);
  for (auto _ : state) each_chunk(bytes, ends, [](auto chunk) { benchmark::DoNotOptimize(chunk_hash(chunk)); });
  done(state);
}

void BM_pack(benchmark::State& state) {
  const auto& bytes = bytes_of_a(state.range(0) != 0);
  const auto ends = cut(bytes);
  for (auto _ : state) benchmark::DoNotOptimize(packed(bytes, ends, {}));
  done(state);
}

void BM_check(benchmark::State& state) {
  const auto& bytes = bytes_of_a(state.range(0) != 0);
  const auto xorb = packed(bytes, cut(bytes), {});
  for (auto _ : state) {
    XorbReader reader;
    for (std::span<const std::byte> rest = xorb.bytes; !rest.empty();) {
      const auto piece = rest.first(std::min<size_t>(rest.size(), 65536));
      reader.add(piece);
      rest = rest.subspan(piece.size());
    }
    benchmark::DoNotOptimize(reader.finish());
  }
  done(state);
}

void BM_unpack(benchmark::State& state) {
  const auto& bytes = bytes_of_a(state.range(0) != 0);
  const auto [table, stored] = packed(bytes, cut(bytes), {});
  testing::Bytes out(kLargestChunk);
  for (auto _ : state)
    for (size_t i = 0; i < table.chunks.size(); ++i)
      decode_chunk(std::span(stored).subspan(table.stored_start(i), table.stored_start(i + 1) - table.stored_start(i)),
                   std::span(out).first(table.raw_bytes(i, i + 1)));
  done(state);
}

BENCHMARK(BM_copy)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_cut)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_name)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_pack)->ArgName("floats")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_check)->ArgName("floats")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_unpack)->ArgName("floats")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace glassbox::xet

BENCHMARK_MAIN();
