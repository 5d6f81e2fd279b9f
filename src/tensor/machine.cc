#include "tensor/machine.h"

#include "kernels/ceilings.h"
#include "kernels/kernels.h"

namespace glassbox {

std::string_view kernel_set() { return kernels().name; }

double measured_fma_ceiling(int threads) { return fma_ceiling(kernels(), threads, 0.3); }
double measured_int8_ceiling(int threads) { return int8_ceiling(kernels(), threads, 0.3); }
double measured_bf16_ceiling(int threads) { return bf16_ceiling(kernels(), threads, 0.3); }

struct BandwidthCeiling::Impl : MemoryCeiling {
  using MemoryCeiling::MemoryCeiling;
};

BandwidthCeiling::BandwidthCeiling(int threads) : impl_(std::make_unique<Impl>(threads)) {}
BandwidthCeiling::~BandwidthCeiling() = default;
double BandwidthCeiling::measure() const { return impl_->read_bandwidth(kernels()); }

}  // namespace glassbox
