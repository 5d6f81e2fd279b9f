// What this machine can do at most, so that "fast" has a denominator. Measured where and when it is asked, as shared
// machines drift: put a measurement beside each run it is compared with.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace glassbox {

// Floating-point operations per second of float32 multiply-adds from registers (a multiply-add counts as two), by
// `threads` threads at once; the best of several runs that take about `seconds` together.
double fma_ceiling(const Kernels& set, int threads, double seconds = 0.05);
// The same of products of bytes summed in int32, as the set makes them (AMX or VNNI where the machine has it).
double int8_ceiling(const Kernels& set, int threads, double seconds = 0.05);
// The same of products of bf16: by AMX, or else those of float32.
double bf16_ceiling(const Kernels& set, int threads, double seconds = 0.05);

// Memory that is read to measure its bandwidth: far more than caches hold, up to a quarter of what is free.
class MemoryCeiling {
 public:
  // `bytes` 0: 2 GiB or a quarter of the memory available, whichever is less. Touches all of it.
  explicit MemoryCeiling(int threads, int64_t bytes = 0);
  ~MemoryCeiling();
  MemoryCeiling(const MemoryCeiling&) = delete;
  MemoryCeiling& operator=(const MemoryCeiling&) = delete;

  // Bytes per second of reading it all once, each thread its share: the best of `passes`.
  double read_bandwidth(const Kernels& set, int passes = 3) const;
  int64_t bytes() const { return bytes_; }

 private:
  int threads_;
  int64_t bytes_;
  float* memory_;
};

}  // namespace glassbox
