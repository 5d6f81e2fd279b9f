#include "kernels/kernels.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <initializer_list>
#include <string>

#include "base/error.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {

using Part = void(Kernels&);

struct Available {
  std::array<Kernels, 3> tables{};
  std::array<const Kernels*, 3> sets{};
  size_t count = 0;

  void offer(std::string_view name, std::initializer_list<Part*> parts) {
    Kernels& table = tables[count];
    table.name = name;
    for (Part* part : parts) part(table);
    sets[count++] = &table;
  }

  Available() {
    offer("plain", {plain_values, plain_matmul_f32, plain_matmul_bf16, plain_matmul_blocks, plain_matmul_e4m3,
                    plain_gemm, plain_attend});
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    if (avx2)
      offer("avx2", {avx2_values, avx2_matmul_f32, avx2_matmul_bf16, avx2_matmul_blocks, avx2_matmul_e4m3, avx2_gemm,
                     avx2_attend});
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
      // Skylake has no VNNI: there the blocks of AVX2 serve, with the same bits.
      offer("avx512", {avx512_values, avx512_matmul_f32, avx512_matmul_bf16,
                       __builtin_cpu_supports("avx512vnni") ? avx512_matmul_blocks : avx2_matmul_blocks,
                       avx512_matmul_e4m3, avx512_gemm, avx512_attend});
#endif
  }
  Available(const Available&) = delete;
  Available& operator=(const Available&) = delete;
};

const Available& available() {
  static const Available sets;
  return sets;
}

const Kernels* chosen() {
  const char* name = std::getenv("GLASSBOX_KERNELS");
  if (!name || !*name) return available_kernels().back();
  std::string names;
  for (const Kernels* set : available_kernels()) {
    if (set->name == name) return set;
    names += (names.empty() ? "" : ", ") + std::string(set->name);
  }
  fail(ErrorKind::unsupported, "GLASSBOX_KERNELS: expected one of {} (what this machine runs), got \"{}\"", names,
       name);
}

std::atomic<const Kernels*> in_use{nullptr};

}  // namespace

const Kernels& kernels() {
  const Kernels* set = in_use.load(std::memory_order_acquire);
  if (!set) in_use.store(set = chosen(), std::memory_order_release);
  return *set;
}

std::span<const Kernels* const> available_kernels() { return {available().sets.data(), available().count}; }

void use_kernels(const Kernels& set) { in_use.store(&set, std::memory_order_release); }

}  // namespace glassbox
