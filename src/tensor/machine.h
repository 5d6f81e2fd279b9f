// The machine that computes: which kernels it runs, and what it can do at most.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace glassbox {

std::string_view kernel_set();  // "plain", "avx2", "avx512", "amx"

// Floating-point operations per second of float32 fused multiply-adds from registers with the kernels in use, measured
// now.
double measured_fma_ceiling(int threads);
// The same of products of bytes.
double measured_int8_ceiling(int threads);
// The same of products of bf16.
double measured_bf16_ceiling(int threads);

// Memory to measure read bandwidth with, held so that a measurement can stand beside each run it is compared with.
class BandwidthCeiling {
 public:
  explicit BandwidthCeiling(int threads);
  ~BandwidthCeiling();
  double measure() const;  // bytes per second

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace glassbox
