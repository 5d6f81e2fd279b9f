// How fast this machine runs a model of some shape, beside what the machine could do at most.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/dtype.h"
#include "base/json.h"

namespace glassbox {

class LanguageModel;

// A model of a real shape with random weights, whatever quantization its configuration speaks of.
struct RandomModel {
  std::filesystem::path shape;  // a config.json
  DType dtype = DType::bf16;
  int64_t layers = 0;  // as many of them (with_layers()); 0: all
};

struct ThroughputOptions {
  int64_t prefill = 512, decode = 64;  // 0: not measured; without a prompt an answer begins in an empty context
  int64_t rounds = 3;
  int64_t past = 0;  // positions remembered before the prompt, made up: no time depends on what is remembered
  int threads = 0;
};

struct Throughput {
  double prefill_tokens_per_s, decode_tokens_per_s;
  double bytes_per_token;  // weights, and cache at the middle of the decoded part, read for one token
  double flops_per_token;  // of prefill: products and attention
  double read_bandwidth;   // bytes/s: the most measured
  double matmul_ceiling;   // flop/s of float32 multiply-adds: the most measured
  double bf16_ceiling;     // flop/s of products of bf16: the most measured
  double int8_ceiling;     // op/s of products of bytes: the most measured
  double bandwidth_fraction, matmul_fraction, bf16_fraction, int8_fraction;
  std::string kernels;
  int threads;
};

// The configuration cut to its first `layers` layers: lists with an entry a layer are cut, lists of layers lose those
// that are gone. Where the first layers are dense and the others mixtures of experts (DeepSeek's first_k_dense_replace)
// both kinds stay: at least the last is a mixture.
Json with_layers(Json config, int64_t layers);

// A prefill to warm up, of 512 tokens at most; then rounds of a prefill and a share of the tokens decoded behind it,
// with the ceilings measured between, and the best of each counts. Throws Error(bad_request) where the context is too
// short.
Throughput measure_throughput(const LanguageModel& model, const ThroughputOptions& options);
Throughput measure_throughput(const RandomModel& random, const ThroughputOptions& options);

}  // namespace glassbox
