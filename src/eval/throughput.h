// How fast this machine runs a model of some shape, beside what the machine could do at most.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/dtype.h"

namespace glassbox {

struct ThroughputOptions {
  std::filesystem::path shape;  // a config.json
  DType dtype = DType::bf16;
  int64_t layers = 0;  // 0: as in the configuration
  int64_t prefill = 512, decode = 64;
  int threads = 0;
};

struct Throughput {
  double prefill_tokens_per_s, decode_tokens_per_s;
  double bytes_per_token;  // weights, and cache at the middle of the decoded part, read for one token
  double flops_per_token;  // of prefill: products and attention
  double read_bandwidth;   // bytes/s: the most measured
  double matmul_ceiling;   // flop/s of float32 multiply-adds: the most measured
  double bandwidth_fraction, matmul_fraction;
  std::string kernels;
  int threads;
};

// Random weights. One prefill to warm up; then three rounds of a prefill and a third of the tokens decoded behind it,
// with the ceilings measured between, and the best of each counts.
Throughput measure_throughput(const ThroughputOptions& options);

}  // namespace glassbox
